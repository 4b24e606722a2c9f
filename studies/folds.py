"""Several folds read as one comparison: areas under the ROC curve, with intervals over folds and test images.

Scores of models that were trained on different folds are not comparable, so an area is measured within a fold, and the
mean over folds is reported. A fold is a training of its own; folds are resampled as a whole, and within a fold its test
patients (where a set has no patient numbers, its images), for all arms alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from common.errors import InputError
from studies.page import markdown
from studies.statistics import DRAWS, LEVEL, Difference, holm, mean_and_sd, multiplicities, percentiles, two_sided
from studies.stored import Stored


@dataclasses.dataclass(frozen=True)
class Areas:
    """An arm's areas under the ROC curve.

    Attributes:
        by_fold: {fold: float [seeds], area of each training on the fold's test frames}.
        drawn: {fold: float [draws, seeds], the same on resampled patients, alike for all arms}.
        seeds: {fold: names of the seeds, in the order of the columns}.
    """

    by_fold: dict[str, np.ndarray]
    drawn: dict[str, np.ndarray]
    seeds: dict[str, tuple[int, ...]]


def area(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve: how often a positive frame scores above a negative one, ties counting half.

    Args:
        scores: float [frames].
        positive: bool [frames]; both classes are there.
        weights: float [draws, frames], how often each frame counts; None = once.

    Returns:
        float [draws], or a scalar array without weights; NaN for a draw without one of the classes.
    """
    above, below = scores[positive], scores[~positive]
    wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    if weights is None:
        return wins.mean()
    of_above, of_below = weights[:, positive], weights[:, ~positive]
    with np.errstate(invalid="ignore"):
        return ((of_above @ wins) * of_below).sum(axis=1) / (of_above.sum(axis=1) * of_below.sum(axis=1))


def arm_areas(folds: Sequence[Stored], arm: str, *, draws: int = DRAWS, seed: int = 0) -> Areas:
    """Areas of an arm on each fold on which it has run.

    Raises:
        InputError: a fold without the positive class, or without any other; stored tables that don't fit.
    """
    found = Areas({}, {}, {})
    for place, fold in enumerate(folds):
        seeds = fold.seeds(arm)
        if not seeds:
            continue
        name, column = fold.folder.name, fold.index["classes"].index(fold.index["positive"])
        kept = (fold.frames["label"] >= 0).to_numpy()
        positive = fold.frames["label"].to_numpy()[kept] == column
        if positive.all() or not positive.any():
            raise InputError(f"{fold.folder}: its test frames are all of one kind, so there is no ROC curve")
        patients, index = np.unique(fold.frames["patient_id"].to_numpy()[kept], return_inverse=True)
        weights = multiplicities(np.random.default_rng([seed, place]), draws, len(patients))[:, index]
        scores = [fold.probabilities(arm, each)[kept][:, column] for each in seeds]
        found.by_fold[name] = np.array([area(each, positive) for each in scores])
        found.drawn[name] = np.stack([area(each, positive, weights) for each in scores], axis=1)
        found.seeds[name] = tuple(seeds)
    return found


def over_folds(areas: Areas, *, seed: int = 0, level: float = LEVEL) -> tuple[float, float, float]:
    """Mean over folds (and seeds within a fold), and its interval."""
    drawn = _mean_of_drawn_folds([areas.drawn[name] for name in areas.drawn], seed)
    return (float(np.mean([values.mean() for values in areas.by_fold.values()])), *percentiles(drawn, level))


def fold_difference(arm: Areas, other: Areas, *, seed: int = 0, level: float = LEVEL) -> Difference | None:
    """Area of `arm` minus that of `other`, over the folds and seeds that both have; None where there are none."""
    gaps, drawn, pairs = [], [], 0
    for name in arm.seeds:
        common = [each for each in arm.seeds[name] if each in other.seeds.get(name, ())]
        if common:
            mine, theirs = ([side.seeds[name].index(each) for each in common] for side in (arm, other))
            gaps.append(float((arm.by_fold[name][mine] - other.by_fold[name][theirs]).mean()))
            drawn.append(arm.drawn[name][:, mine] - other.drawn[name][:, theirs])
            pairs += len(common)
    if not gaps:
        return None
    means = _mean_of_drawn_folds(drawn, seed)
    low, high = percentiles(means, level)
    return Difference(float(np.mean(gaps)), low, high, pairs, two_sided(means), tuple(gaps))


def fold_paragraphs(folds: Sequence[Stored]) -> list[str]:
    """What a page says of the folds of one comparison."""
    index, trainings = folds[0].index, sum(len(fold.index["trainings"]) for fold in folds)
    planned = sum(len(fold.index["planned"]) for fold in folds)
    if not trainings:
        return [f"None of the {planned} planned trainings has run."]
    areas = {arm: arm_areas(folds, arm) for arm in index["arms"]}
    ran = {arm: found for arm, found in areas.items() if found.by_fold}
    lines = [["arm", "trainings", "area, mean ± sd over folds", "95 % over folds and images", "of each fold"]]
    for arm, found in ran.items():
        mean, low, high = over_folds(found)
        of_each = np.array([values.mean() for values in found.by_fold.values()])
        cells = [index["arms"][arm]["model"], str(sum(map(len, found.seeds.values())))]
        cells += [f"{mean:.3f} ± {mean_and_sd(of_each)[1]:.3f}", f"{low:.3f} to {high:.3f}"]
        lines.append([*cells, " ".join(f"{value:.3f}" for value in of_each)])
    left = f"{planned - trainings} of {planned} planned trainings have not run." if trainings < planned else ""
    return [markdown(lines), _claims(index, ran), left or f"All {planned} planned trainings have run."]


def _claims(index: dict, areas: dict[str, Areas]) -> str:
    found = {}
    for better, other in index["claims"]:
        if better in areas and other in areas and (difference := fold_difference(areas[better], areas[other])):
            found[(better, other)] = difference
    adjusted = holm({" > ".join(pair): difference.p for pair, difference in found.items()})
    lines = [["better", "than", "pairs", "difference of areas × 100", "95 % over folds and images", "p", "p, Holm"]]
    for pair, each in found.items():
        points = [100 * value for value in (each.mean, each.low, each.high)]
        cells = [index["arms"][arm]["model"] for arm in pair]
        cells += [str(each.seeds), f"{points[0]:+.1f}", f"{points[1]:+.1f} to {points[2]:+.1f}"]
        lines.append([*cells, f"{each.p:.4f}", f"{adjusted[' > '.join(pair)]:.4f}"])
    return markdown(lines)


def _mean_of_drawn_folds(drawn: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """float64 [draws]: means over seeds, then over resampled folds.

    A draw that has lost one of the two classes counts as the mean of its fold.
    """
    of_folds = np.stack([each.mean(axis=1) for each in drawn], axis=1)
    of_folds = np.where(np.isnan(of_folds), np.nanmean(of_folds, axis=0), of_folds)
    take = multiplicities(np.random.default_rng([seed, len(drawn)]), *of_folds.shape)
    return (of_folds * take).sum(axis=1) / take.sum(axis=1)
