"""Frames unlike the training frames: black, noise, text screens, another kind of picture, upside down.

Confidence does not help: a softmax may be as confident on noise as on a plane. So the rule looks at the
frame itself, by statistics that any device can compute. The rule "frame-statistics-1", of a
frame of bytes [H, W] as the model takes it:

1. Cells. A grid of r by c cells splits rows at ⌊i·H/r⌋ and columns at ⌊j·W/c⌋; a cell's value is
   the mean over its pixels.
2. Statistics, d = 26, of x = byte / 255 with the variance v: √v; the share of bytes ≤ 10 and of
   bytes ≥ 250; with g the mean squared difference of pixels 1 apart horizontally, 1 vertically, 2
   horizontally, 2 vertically, 4 and 4, six log10(g + 0.0001), then six g / (2v + 0.0001): the slope of
   the spectrum, and 1 minus the correlation, which is 1 for white noise; means of 6 bands of rows
   from the top; means of the first 5 of 6 bands of columns from the left.
3. A frame is "unlike" where (s − mean)ᵀ · precision · (s − mean) > limit.
4. Upright score: four 8 by 8 grids of cells: the mean of x; ln(a + 0.0001), a the mean of
   (x[i, j] − x[i, j−1])², which is 0 in the first column; the share of bytes ≤ 10; and
   ln((b + 0.0001) / (a + 0.0001)), b the mean of half the sum of (x[i, j] − x[i−1, j])² and
   (x[i, j] − x[i+1, j])², of which a row at the edge has one: echoes are wider than high. Each grid
   minus its mean, over its standard deviation + 0.001; then minus itself upside down; of that the
   upper four rows, row by row: 128 numbers, whose product with `upright_weights` is the score. A frame
   is "upside_down" where it is below `upright_limit`.

Distances: Mahalanobis; as a detector, Lee et al., NeurIPS 2018 (of features there, of plain
statistics here). The score is Fisher's discriminant between frames and frames upside down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from data.dataset import Dataset
from data.reading import read_split
from evaluation.artefacts.fitted import OutOfDistribution

RULE: Literal["frame-statistics-1"] = "frame-statistics-1"
UNLIKE, UPSIDE_DOWN = "unlike", "upside_down"
DARK, BRIGHT = 10, 250
LAGS = (1, 2, 4)
BANDS, GRID = 6, 8
# Frames of the training split that are looked at, spread evenly: more do not move the statistics.
MOST_FRAMES = 4000
# Fewer frames or patients say too little about others.
LEAST_FRAMES, LEAST_PATIENTS = 40, 5
# Smaller frames have cells of a pixel.
LEAST_SIDE = 16
# Of held-out training frames, the share that each of the two tests may flag.
TAIL = 0.005
_FOLDS = 5
_EPS = 1e-4
_CHUNK = 64
_RIDGE, _UPRIGHT_RIDGE = 1e-3, 1e-1


def statistics(frames: np.ndarray) -> np.ndarray:
    """The d statistics of each frame.

    Args:
        frames: uint8 [n, H, W].

    Returns:
        float64 [n, d].
    """
    x = frames.astype(np.float64) / 255
    variance = x.var(axis=(1, 2))
    shares = [(frames <= DARK).mean(axis=(1, 2)), (frames >= BRIGHT).mean(axis=(1, 2))]
    steps = [step for lag in LAGS for step in (x[:, :, lag:] - x[:, :, :-lag], x[:, lag:] - x[:, :-lag])]
    squares = [np.square(step).mean(axis=(1, 2)) for step in steps]
    columns = [np.sqrt(variance), *shares, *(np.log10(square + _EPS) for square in squares)]
    columns += [square / (2 * variance + _EPS) for square in squares]
    rows, sides = cells(x, BANDS, 1)[:, :, 0], cells(x, 1, BANDS)[:, 0, :-1]
    return np.concatenate([np.stack(columns, axis=1), rows, sides], axis=1)


def upside_differences(frames: np.ndarray) -> np.ndarray:
    """What the upright score weighs: grids minus grids upside down, float64 [n, 128], of uint8 [n, H, W]."""
    x = frames.astype(np.float64) / 255
    across, down = np.zeros_like(x), np.zeros_like(x)
    across[:, :, 1:] = np.square(x[:, :, 1:] - x[:, :, :-1])
    steps = np.square(x[:, 1:] - x[:, :-1]) / 2
    down[:, 1:] += steps
    down[:, :-1] += steps
    a, b = cells(across, GRID, GRID) + _EPS, cells(down, GRID, GRID) + _EPS
    grids = [cells(x, GRID, GRID), np.log(a), cells(frames <= DARK, GRID, GRID), np.log(b / a)]
    upper = []
    for grid in grids:
        grid = (grid - grid.mean(axis=(1, 2), keepdims=True)) / (grid.std(axis=(1, 2), keepdims=True) + 1e-3)
        upper.append((grid - grid[:, ::-1])[:, : GRID // 2].reshape(len(frames), -1))
    return np.concatenate(upper, axis=1)


def cells(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Means over a grid of cells: [n, H, W] → float64 [n, rows, columns]."""
    height, width = values.shape[1:]
    tops, lefts = np.arange(rows) * height // rows, np.arange(columns) * width // columns
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), tops, axis=1), lefts, axis=2)
    return sums / np.outer(np.diff(tops, append=height), np.diff(lefts, append=width))


def distances(ood: OutOfDistribution, frames: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distance of each frame of uint8 [n, H, W] from the training frames: float64 [n]."""
    return _mahalanobis(statistics(frames), np.array(ood.mean), np.array(ood.precision))


def upright_scores(ood: OutOfDistribution, frames: np.ndarray) -> np.ndarray:
    """Upright score of each frame of uint8 [n, H, W]: float64 [n], negative for most frames upside down."""
    return upside_differences(frames) @ np.array(ood.upright_weights)


def flags(ood: OutOfDistribution | None, frames: np.ndarray) -> list[str]:
    """For each frame of uint8 [n, H, W]: "", "unlike" or "upside_down"; all "" without a rule."""
    if ood is None or not len(frames):
        return [""] * len(frames)
    unlike, upside_down = distances(ood, frames) > ood.limit, upright_scores(ood, frames) < ood.upright_limit
    return [UNLIKE if far else UPSIDE_DOWN if turned else "" for far, turned in zip(unlike, upside_down)]


def fit_ood(data: Dataset) -> OutOfDistribution | None:
    """The rule for a data set, from its training split; limits from patients that were left out.

    The statistics' mean and covariance and the upright score are fitted on four fifths of the patients
    and held against the last fifth, five times; of these distances and scores the limits leave `TAIL`
    outside, and no validation frame is needed for them.

    Returns:
        The rule, or None for fewer than `LEAST_FRAMES` frames or `LEAST_PATIENTS` patients, or frames of which a
        side has less than `LEAST_SIDE` pixels.
    """
    if min(data.frame_size) < LEAST_SIDE:
        return None
    patients, found, turned = _training_statistics(data)
    if len(patients) < LEAST_FRAMES or len(set(patients)) < LEAST_PATIENTS:
        return None
    fold_of = {patient: number % _FOLDS for number, patient in enumerate(dict.fromkeys(patients))}
    folds = np.array([fold_of[patient] for patient in patients])
    held_out, scores = np.zeros(len(found)), np.zeros(len(found))
    for fold in range(_FOLDS):
        inside, outside = folds != fold, folds == fold
        held_out[outside] = _mahalanobis(found[outside], *_gaussian(found[inside]))
        scores[outside] = turned[outside] @ _discriminant(turned[inside])
    mean, precision = _gaussian(found)
    return OutOfDistribution(
        RULE,
        tuple(mean.tolist()),
        tuple(tuple(row) for row in precision.tolist()),
        float(np.quantile(held_out, 1 - TAIL)),
        tuple(_discriminant(turned).tolist()),
        # A frame and itself upside down have opposite scores: above 0 a frame is upright, however few are lower.
        min(float(np.quantile(scores, TAIL)), 0.0),
        len(found),
        0.0,
    )


def chunks(data: Dataset, split: str, step: int = 1) -> Iterator[tuple[list[str], np.ndarray]]:
    """(patients, uint8 [n, H, W]) of every `step`-th frame of a split, some frames at a time."""
    examples = read_split(data, split).shard(step, 0)
    batches = examples.map(lambda example: {name: example[name] for name in ("frame", "patient_id")}).batch(_CHUNK)
    for batch in batches.as_numpy_iterator():
        yield [name.decode() for name in batch["patient_id"]], batch["frame"][..., 0]


def _training_statistics(data: Dataset) -> tuple[list[str], np.ndarray, np.ndarray]:
    patients: list[str] = []
    found, turned = [], []
    for names, frames in chunks(data, "train", -(-data.frames("train") // MOST_FRAMES)):
        patients += names
        found.append(statistics(frames))
        turned.append(upside_differences(frames))
    return patients, np.concatenate(found), np.concatenate(turned)


def flagged_frames(ood: OutOfDistribution, frames: Iterable[np.ndarray]) -> np.ndarray:
    """Which of the frames in batches uint8 [n, H, W] the rule flags, bool [all of them]."""
    return np.array([flag != "" for batch in frames for flag in flags(ood, batch)], bool)


def share_flagged(ood: OutOfDistribution, frames: Iterable[np.ndarray]) -> float:
    """Share of the frames in batches uint8 [n, H, W] that the rule flags; 0 of none."""
    found = flagged_frames(ood, frames)
    return float(found.mean()) if len(found) else 0.0


def _gaussian(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [d] and precision [d, d]; a ridge keeps a statistic that hardly varies from deciding alone."""
    covariance = np.cov(values, rowvar=False)
    return values.mean(axis=0), np.linalg.inv(covariance + np.diag(_RIDGE * np.diag(covariance) + 1e-8))


def _mahalanobis(values: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    away = values - mean
    return np.einsum("ni,ij,nj->n", away, precision, away)


def _discriminant(differences: np.ndarray) -> np.ndarray:
    """Fisher's weights between x and −x, scaled so that scores of frames have the standard deviation 1."""
    covariance = np.cov(differences, rowvar=False)
    size = len(covariance)
    weights = np.linalg.solve(
        covariance + np.eye(size) * (_UPRIGHT_RIDGE * np.trace(covariance) / size + 1e-12), differences.mean(axis=0)
    )
    spread = float(np.std(differences @ weights))
    return weights / spread if spread > 0 else weights
