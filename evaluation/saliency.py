"""How well a map predicts where the sonographer looked.

Two kinds of truth: the density (gaze points blurred, sums to 1) for KLD, CC and SIM; the
fixated cells for NSS, AUC-Judd and shuffled AUC. Definitions: Bylinskii et al., "What do
different evaluation metrics tell us about saliency models?", PAMI 2019.

Both AUCs count every pair of a positive and a negative: 1 where the positive has the higher
value, a half where they are equal. (Trapezoids between the positives' values alone give pure
noise 0.58 with five fixated cells and 0.75 with one.)

Gaze is mostly near the centre, so any centred blob scores well: a table of these metrics
always carries the static prior (the mean map of the training split) as a row, and shuffled
AUC, in which a map that is the same for all frames is worth exactly 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

METRICS = ("kld", "cc", "sim", "nss", "auc_judd", "sauc")


def kld(predicted: np.ndarray, density: np.ndarray, eps: float = 1e-7) -> np.ndarray:
    """Kullback-Leibler divergence of `predicted` from `density`, nats; 0 is best.

    Both [..., h, w] and non-negative; each is normalised to sum 1. Gives [...].
    """
    p, g = _normalised(predicted), _normalised(density)
    return np.sum(g * np.log(eps + g / (eps + p)), axis=(-2, -1))


def cc(predicted: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Pearson correlation over pixels, in [−1, 1]; 0 where either map is constant.

    Both [..., h, w]; gives [...].
    """
    return np.mean(_standardised(predicted) * _standardised(density), axis=(-2, -1))


def sim(predicted: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Histogram intersection Σ min(P, G), in [0, 1]; 1 is best. [..., h, w] → [...]."""
    return np.minimum(_normalised(predicted), _normalised(density)).sum(axis=(-2, -1))


def nss(predicted: np.ndarray, fixated: np.ndarray) -> float:
    """Mean of the z-scored map over the fixations; 0 is chance.

    Args:
        predicted: [h, w].
        fixated: int or bool [h, w], fixations in each cell; NaN is returned if there is none.
    """
    count = np.asarray(fixated, dtype=np.float64)
    return float((_standardised(predicted) * count).sum() / count.sum()) if count.any() else float("nan")


def auc(predicted: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> float:
    """Share of (positive, negative) pairs in which the positive has the higher value; ties are a half.

    Args:
        predicted: [h, w], any real values; only their order counts.
        positives, negatives: non-negative [h, w], the weight of each cell in either set. A
            cell may be in both.

    Returns:
        In [0, 1]; NaN if either set is empty.
    """
    values, rank = np.unique(predicted, return_inverse=True)
    weights = (np.asarray(part, dtype=np.float64).ravel() for part in (positives, negatives))
    high, low = (np.bincount(rank.ravel(), part, minlength=len(values)) for part in weights)
    if not high.any() or not low.any():
        return float("nan")
    below = np.cumsum(low) - low
    return float(np.sum(high * (below + low / 2)) / (high.sum() * low.sum()))


def auc_judd(predicted: np.ndarray, fixated: np.ndarray) -> float:
    """AUC whose negatives are the cells that were not fixated (Judd et al., ICCV 2009).

    [h, w] and int or bool [h, w]; NaN without a fixated, or without any other, cell.
    """
    fixated = np.asarray(fixated)
    return auc(predicted, fixated, fixated == 0)


def shuffled_auc(predicted: np.ndarray, fixated: np.ndarray, negatives: np.ndarray) -> float:
    """AUC whose negatives are the fixations of *other* frames (Zhang et al., J. Vision 2008).

    Args:
        predicted: [h, w].
        fixated: int or bool [h, w], this frame's fixations.
        negatives: [h, w], this frame's row of `other_fixations`.
    """
    return auc(predicted, fixated, negatives)


def other_fixations(fixated: np.ndarray) -> np.ndarray:
    """The negatives of every frame: the fixations of all other frames, each frame with weight 1.

    A frame's own fixations are left out: they are no negatives. Each other frame weighs the
    same, however many fixations it has, as each frame weighs the same in the mean over the
    frames. Every pair of frames then meets twice, once with either as the positive, and for a
    map that is the same on both the two AUCs sum to 1. So a static map has a mean of exactly
    0.5, also where frames with few fixations are looked at in other places than frames with
    many.

    Args:
        fixated: int or bool [n, h, w].

    Returns:
        float64 [n, h, w]; zero everywhere if no other frame has a fixation.
    """
    count = np.asarray(fixated, dtype=np.float64)
    total = count.sum(axis=(1, 2), keepdims=True)
    share = count / np.where(total > 0, total, 1)
    others = share.sum(axis=0) - share
    # What subtraction leaves of rounding is no fixation.
    return np.where(others > 1e-12, others, 0)


def fixation_counts(x: np.ndarray, y: np.ndarray, map_size: tuple[int, int]) -> np.ndarray:
    """int [h, w]: points in each cell (x, y normalised to the frame; those off it are left out)."""
    height, width = map_size
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    count = np.zeros(map_size, dtype=int)
    column = np.minimum((x[inside] * width).astype(int), width - 1)
    row = np.minimum((y[inside] * height).astype(int), height - 1)
    np.add.at(count, (row, column), 1)
    return count


def static_prior(maps: np.ndarray) -> np.ndarray:
    """[h, w], sums to 1: the mean of [n, h, w] densities, each with equal weight."""
    return _normalised(_normalised(maps).mean(axis=0))


def saliency_table(predicted: Mapping[Any, np.ndarray], density: np.ndarray, fixated: np.ndarray) -> pd.DataFrame:
    """Mean of every metric over the frames, one row per predictor.

    Args:
        predicted: {name: maps [n, h, w] or [h, w] for a static one, non-negative}.
        density: [n, h, w], the sonographer's.
        fixated: int or bool [n, h, w], fixations in each cell.

    Returns:
        Rows in the order given; columns `METRICS`. NSS and the AUCs are means over the frames
        with a fixation.
    """
    negatives = other_fixations(fixated)
    rows = []
    for maps in (np.broadcast_to(maps, density.shape) for maps in predicted.values()):
        row = {
            "kld": kld(maps, density).mean(),
            "cc": cc(maps, density).mean(),
            "sim": sim(maps, density).mean(),
            "nss": _mean(nss(p, f) for p, f in zip(maps, fixated)),
            "auc_judd": _mean(auc_judd(p, f) for p, f in zip(maps, fixated)),
            "sauc": _mean(shuffled_auc(p, f, n) for p, f, n in zip(maps, fixated, negatives)),
        }
        rows.append(row)
    index = pd.Index(list(predicted), tupleize_cols=False)
    return pd.DataFrame(rows, index=index, columns=list(METRICS)).astype(float)


def _mean(values: Iterable[float]) -> float:
    """Mean of what is defined: a frame without a fixation has no NSS."""
    found = np.array(list(values), dtype=float)
    found = found[~np.isnan(found)]
    return float(found.mean()) if len(found) else float("nan")


def _normalised(maps: np.ndarray) -> np.ndarray:
    """Sums to 1 over the last two axes; a map of zeros becomes uniform."""
    maps = np.asarray(maps, dtype=np.float64)
    if maps.min(initial=0) < 0:
        raise ValueError("a saliency map has negative values")
    total = maps.sum(axis=(-2, -1), keepdims=True)
    pixels = maps.shape[-2] * maps.shape[-1]
    return np.where(total > 0, maps / np.where(total > 0, total, 1), 1 / pixels)


def _standardised(maps: np.ndarray) -> np.ndarray:
    """Mean 0, standard deviation 1 over the last two axes; a constant map becomes 0."""
    maps = np.asarray(maps, dtype=np.float64)
    centred = maps - maps.mean(axis=(-2, -1), keepdims=True)
    spread = maps.std(axis=(-2, -1), keepdims=True)
    flat = spread <= 1e-12 * np.abs(maps).max(axis=(-2, -1), keepdims=True)
    return np.where(flat, 0, centred / np.where(flat, 1, spread))
