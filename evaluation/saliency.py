"""How well a map predicts where the sonographer looked.

Two kinds of truth: the density (gaze points blurred, sums to 1) for KLD, CC and SIM;
the fixated pixels for NSS, AUC-Judd and shuffled AUC. Definitions: Bylinskii et al.,
"What do different evaluation metrics tell us about saliency models?", PAMI 2019.

Gaze is mostly near the centre, so any centred blob scores well: a table of these
metrics always carries the static prior (the mean map of the training split) as a row,
and shuffled AUC, for which that prior is worth 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    """Mean of the z-scored map at the fixated pixels; 0 is chance.

    Args:
        predicted: [h, w].
        fixated: bool [h, w]; NaN is returned if it holds no pixel.
    """
    if not fixated.any():
        return float("nan")
    return float(_standardised(predicted)[fixated].mean())


def auc_judd(predicted: np.ndarray, fixated: np.ndarray) -> float:
    """Area under the ROC whose thresholds are the map's values at the fixated pixels.

    Hits are fixated pixels, false alarms all other pixels. Equal values are counted
    together, so a constant map gives exactly 0.5 and no jitter is needed.
    [h, w] and bool [h, w]; NaN without a fixated, or without any other, pixel.
    """
    return _auc(predicted[fixated], predicted[~fixated])


def shuffled_auc(predicted: np.ndarray, fixated: np.ndarray, other_fixations: np.ndarray) -> float:
    """AUC whose negatives are the pixels that were fixated in *other* frames.

    Args:
        predicted: [h, w].
        fixated: bool [h, w], this frame's.
        other_fixations: int [h, w], how many other frames have this pixel fixated. The
            negatives are weighted by it, which takes the centre bias out.
    """
    negatives = np.repeat(np.asarray(predicted).ravel(), np.asarray(other_fixations).ravel())
    return _auc(predicted[fixated], negatives)


def fixated_pixels(x: Sequence[float], y: Sequence[float], map_size: tuple[int, int]) -> np.ndarray:
    """bool [h, w]: pixels that hold a gaze point (x, y normalised to the frame, those on it)."""
    height, width = map_size
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    fixated = np.zeros(map_size, dtype=bool)
    column = np.minimum((x[inside] * width).astype(int), width - 1)
    row = np.minimum((y[inside] * height).astype(int), height - 1)
    fixated[row, column] = True
    return fixated


def static_prior(maps: np.ndarray) -> np.ndarray:
    """[h, w], sums to 1: the mean of [n, h, w] densities, each with equal weight."""
    return _normalised(_normalised(maps).mean(axis=0))


def saliency_table(
    predicted: Mapping[str, np.ndarray], density: np.ndarray, fixated: np.ndarray, prior: np.ndarray
) -> pd.DataFrame:
    """Mean of every metric over the frames, one row per predictor.

    Args:
        predicted: {name: maps [n, h, w], non-negative}.
        density: [n, h, w], the sonographer's.
        fixated: bool [n, h, w].
        prior: [h, w], `static_prior` of the *training* split.

    Returns:
        Rows in the order given, then "static prior" and "uniform"; columns `METRICS`.
    """
    shape = density.shape
    rows = dict(predicted)
    rows["static prior"] = np.broadcast_to(prior, shape)
    rows["uniform"] = np.ones(shape)
    others = fixated.sum(axis=0) - fixated.astype(int)
    values = {
        name: {
            "kld": kld(maps, density).mean(),
            "cc": cc(maps, density).mean(),
            "sim": sim(maps, density).mean(),
            "nss": _mean(nss(p, f) for p, f in zip(maps, fixated)),
            "auc_judd": _mean(auc_judd(p, f) for p, f in zip(maps, fixated)),
            "sauc": _mean(shuffled_auc(p, f, o) for p, f, o in zip(maps, fixated, others)),
        }
        for name, maps in rows.items()
    }
    return pd.DataFrame.from_dict(values, orient="index", columns=list(METRICS)).astype(float)


def _mean(values) -> float:
    """Mean of what is defined: a frame without a fixation has no NSS."""
    values = np.array(list(values), dtype=float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


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


def _auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Trapezoids through the ROC points at the distinct values of the positives."""
    if not len(positives) or not len(negatives):
        return float("nan")
    thresholds = np.unique(positives)[::-1]
    hits = _share_at_least(positives, thresholds)
    false_alarms = _share_at_least(negatives, thresholds)
    return float(np.trapezoid([0, *hits, 1], [0, *false_alarms, 1]))


def _share_at_least(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return 1 - np.searchsorted(np.sort(values), thresholds, side="left") / len(values)
