"""When a classifier answers: a filter over time, a threshold, and what is kept at what risk.

A frame is kept where its greatest filtered probability reaches the threshold; the others are
rejected. Three operating points are fitted on the validation split: for single images (no
filter), for streams (a filter that knows the past) and for files (past and future). The filter is
an exponential in time, not in frames, so that frame rates may differ and vary:

    causal      P(t) = Σ_{s ≤ t} w(s) exp(−(t−s)/τ) p(s) / Σ_{s ≤ t} w(s) exp(−(t−s)/τ)
    two-sided   the same sums over all s, with |t−s|

w(s) is 0 for frames that are out of distribution, else 1. Selective classification: Geifman and
El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.artefacts.fitted import Decision, OperatingPoint
from evaluation.classification import labelled, probability_array

TARGET = 0.95
TIME_CONSTANTS_S = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
# Where no clip could tell.
DEFAULT_TIME_CONSTANT_S = 0.4
# Fewer frames than these say nothing of an accuracy.
LEAST_KEPT = 20
_FLOOR = 1e-3  # of a probability in the likelihood: 8-bit outputs hold exact zeros
_NOTHING = 1e-12  # a sum of weights below it is none


class CausalFilter:
    """The causal filter, one frame at a time.

    Args:
        time_constant_s: τ; 0 gives every frame back as it came.
    """

    def __init__(self, time_constant_s: float) -> None:
        self._tau = time_constant_s
        self._sum: np.ndarray | None = None
        self._weight = 0.0
        self._time_s = -math.inf

    def add(self, probabilities: np.ndarray, time_s: float, weight: float = 1.0) -> np.ndarray:
        """The filtered probabilities [K] at this frame; a clock that went back starts over.

        Args:
            probabilities: float [K] of the frame.
            time_s: of the frame.
            weight: 0 leaves the frame out: the answer is that of the frames before it, or, where
                there are none, the frame's own.
        """
        if self._tau == 0:
            return probabilities
        step_s = time_s - self._time_s
        decay = math.exp(-step_s / self._tau) if step_s >= 0 else 0.0
        past = 0.0 if self._sum is None else self._sum * decay
        self._sum = past + weight * probabilities
        self._weight = self._weight * decay + weight
        self._time_s = time_s
        return self._sum / self._weight if self._weight > _NOTHING else probabilities


def causal(
    probabilities: np.ndarray, times_s: np.ndarray, time_constant_s: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """The causal filter over a clip.

    Args:
        probabilities: float [n, K].
        times_s: float [n], ascending.
        time_constant_s: τ; 0 = no filter.
        weights: float [n], or None for all 1.

    Returns:
        float64 [n, K]; rows sum to 1 where those of `probabilities` do.
    """
    weights = np.ones(len(probabilities)) if weights is None else weights
    running = CausalFilter(time_constant_s)
    rows = [running.add(p, t, w) for p, t, w in zip(probabilities, times_s, weights)]
    return np.array(rows, dtype=np.float64).reshape(probabilities.shape)


def two_sided(
    probabilities: np.ndarray, times_s: np.ndarray, time_constant_s: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """The two-sided filter over a clip; arguments and result as of `causal`."""
    if time_constant_s == 0 or not len(probabilities):
        return np.asarray(probabilities, dtype=np.float64)
    weights = np.ones(len(probabilities)) if weights is None else weights
    weighted = np.concatenate([probabilities * weights[:, None], weights[:, None]], axis=1)
    decay = np.exp(-np.diff(times_s, prepend=times_s[0]) / time_constant_s)
    forward, backward = weighted.astype(np.float64), weighted.astype(np.float64)
    for index in range(1, len(weighted)):
        forward[index] += decay[index] * forward[index - 1]
    for index in range(len(weighted) - 2, -1, -1):
        backward[index] += decay[index + 1] * backward[index + 1]
    both = forward + backward - weighted
    total = both[:, -1:]
    return np.where(total > _NOTHING, both[:, :-1] / np.where(total > _NOTHING, total, 1), probabilities)


FILTERS = {"causal": causal, "two_sided": two_sided}


def fit_decision(table: pd.DataFrame, classes: Sequence[str], target: float = TARGET) -> Decision | None:
    """Time constants and thresholds from predictions on the validation split.

    The time constant is the one of `TIME_CONSTANTS_S` with the lowest mean cross-entropy of the
    labelled frames; the threshold is the one that keeps most of them at the target accuracy.

    Args:
        table: predictions (`evaluation.predictions`); frames without a label take part in the filter.
        classes: in the order of the `p_` columns.
        target: accuracy asked for on what is kept.

    Returns:
        The decision; None without a labelled frame.
    """
    known = labelled(table)
    if not len(known):
        return None
    temporal = bool((known.groupby("recording_id")["time_s"].nunique() > 1).any())
    label = known["label"].to_numpy()
    points = {"still": _point(probability_array(known, classes), label, 0.0, target)}
    for name in FILTERS:
        if not temporal:
            points[name] = OperatingPoint(DEFAULT_TIME_CONSTANT_S, *_kept(points["still"]))
            continue
        filtered = {tau: filter_table(table, classes, name, tau) for tau in TIME_CONSTANTS_S}
        chosen = min(TIME_CONSTANTS_S, key=lambda tau: cross_entropy(*_known(filtered[tau], table)))
        points[name] = _point(_known(filtered[chosen], table)[0], label, chosen, target)
    return Decision(target, len(known), int(known["recording_id"].nunique()), temporal, **points)


def filter_table(
    table: pd.DataFrame,
    classes: Sequence[str],
    kind: str,
    time_constant_s: float,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Filtered probabilities float64 [n, K] of a predictions table, each recording for itself.

    Args:
        table: with `recording_id`, `time_s` and the `p_` columns, in any order.
        classes: in the order of the columns.
        kind: "causal" or "two_sided".
        time_constant_s: τ.
        weights: float [n], or None for all 1.
    """
    probabilities = probability_array(table, classes)
    weights = np.ones(len(table)) if weights is None else weights
    filtered = probabilities.copy()
    times_s, recordings = table["time_s"].to_numpy(dtype=np.float64), table["recording_id"].to_numpy()
    for rows in pd.Series(np.arange(len(table))).groupby(recordings).indices.values():
        rows = np.asarray(rows)[np.argsort(times_s[rows], kind="stable")]
        filtered[rows] = FILTERS[kind](probabilities[rows], times_s[rows], time_constant_s, weights[rows])
    return filtered


def operating_point(confidence: np.ndarray, correct: np.ndarray, target: float) -> tuple[float, float, float, bool]:
    """The threshold that keeps most frames at the target accuracy.

    Args:
        confidence: float [n], the greatest probability of each frame.
        correct: bool [n].
        target: accuracy asked for.

    Returns:
        (threshold, accuracy, coverage, reached). The threshold lies half-way to the next lower
        confidence. Where no threshold reaches the target, it is that of the highest accuracy. At
        least `LEAST_KEPT` frames are kept, or all.
    """
    curve = risk_coverage(confidence, correct)
    count = np.rint(curve["coverage"] * len(confidence)).astype(int)
    enough = count >= min(LEAST_KEPT, len(confidence))
    accuracy = np.where(enough, 1 - curve["risk"], -1.0)
    good = np.flatnonzero(accuracy >= target)
    chosen = int(good[-1]) if len(good) else int(np.flatnonzero(accuracy == accuracy.max())[-1])
    steps = curve["threshold"]
    below = steps[chosen + 1] if chosen + 1 < len(steps) else 0.0
    threshold = (steps[chosen] + below) / 2 if chosen + 1 < len(steps) else 0.0
    return float(threshold), float(accuracy[chosen]), float(curve["coverage"][chosen]), bool(len(good))


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> dict[str, np.ndarray]:
    """Risk (share wrong) of what is kept over coverage (share kept), from the most confident frame on.

    Args:
        confidence: float [n]. correct: bool [n].

    Returns:
        `threshold`, `coverage`, `risk`, float64 [m]: one entry for each different confidence, in
        descending order; frames of equal confidence are kept or rejected together.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence, wrong = confidence[order], ~np.asarray(correct, dtype=bool)[order]
    last = np.flatnonzero(np.append(np.diff(sorted_confidence) != 0, True)) if len(order) else np.zeros(0, int)
    kept = last + 1
    return {
        "threshold": sorted_confidence[last],
        "coverage": kept / max(len(order), 1),
        "risk": np.cumsum(wrong)[last] / np.maximum(kept, 1),
    }


def area_under_risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean risk over the coverages 1/n, 2/n, ... 1; frames of equal confidence share their risk."""
    curve = risk_coverage(confidence, correct)
    return float(np.sum(curve["risk"] * np.diff(curve["coverage"], prepend=0.0)))


def cross_entropy(probabilities: np.ndarray, label: np.ndarray) -> float:
    """Mean −log of the true class's probability, which is taken as at least 0.001; nats."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(label)), label], _FLOOR)).mean())


def _known(filtered: np.ndarray, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    label = table["label"].to_numpy()
    return filtered[label >= 0], label[label >= 0]


def _point(probabilities: np.ndarray, label: np.ndarray, time_constant_s: float, target: float) -> OperatingPoint:
    found = operating_point(probabilities.max(axis=1), probabilities.argmax(axis=1) == label, target)
    return OperatingPoint(time_constant_s, *found)


def _kept(point: OperatingPoint) -> tuple[float, float, float, bool]:
    return point.threshold, point.accuracy, point.coverage, point.reached
