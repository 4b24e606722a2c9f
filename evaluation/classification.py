"""Classification metrics, from the predictions table alone.

The table has one row per frame: `recording_id`, `patient_id`, `frame_index`,
`label` (index into the classes, −1 = unlabelled) and `p_<class>` per class. Frames
of one patient are alike, so intervals come from resampling *patients*: resampling
frames would make them far too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from evaluation.config import BOOTSTRAP_DRAWS

BOOTSTRAP_SEED = 20
ECE_BINS = 15
DRAWN_AT_ONCE = 1 << 21  # numbers of 8 bytes
KEYS = ["recording_id", "frame_index", "patient_id", "label"]

Ids = Sequence | pd.Series | np.ndarray


def classification_metrics(
    table: pd.DataFrame, classes: Sequence[str], *, draws: int = BOOTSTRAP_DRAWS, seed: int = BOOTSTRAP_SEED
) -> dict:
    """All that one artefact's predictions say about it.

    Args:
        table: predictions, one row per frame; unlabelled rows are left out and counted.
        classes: class names, in the order of the `p_` columns.
        draws, seed: of the bootstrap over patients.

    Returns:
        dict of `n_frames`, `n_unlabelled`, `n_patients`, `accuracy`, `accuracy_ci95`
        (lo, hi; NaN with fewer than two patients), `macro_precision`, `macro_recall`,
        `macro_f1`, `macro_f1_ci95`, `per_class` {name: precision, recall, f1, support,
        precision_ci95, recall_ci95},
        `confusion` (rows = true, columns = predicted), `ece`, `votes` {accuracy, n_groups}.

    Raises:
        ValueError: no labelled frame.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support  # a second that few commands need

    frames = labelled(table)
    if not len(frames):
        raise ValueError("the predictions table has no labelled frame")
    probabilities = probability_array(frames, classes)
    label = frames["label"].to_numpy()
    predicted = probabilities.argmax(axis=1)
    index = list(range(len(classes)))
    precision, recall, f1, support = precision_recall_fscore_support(label, predicted, labels=index, zero_division=0)
    return {
        "n_frames": len(frames),
        "n_unlabelled": len(table) - len(frames),
        "n_patients": int(frames["patient_id"].nunique()),
        "accuracy": float(np.mean(predicted == label)),
        "accuracy_ci95": accuracy_ci(predicted == label, frames["patient_id"], draws=draws, seed=seed),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "macro_f1_ci95": macro_f1_ci(label, predicted, frames["patient_id"], len(classes), draws=draws, seed=seed),
        "per_class": {
            name: {
                "precision": float(precision[k]),
                "recall": float(recall[k]),
                "f1": float(f1[k]),
                "support": int(support[k]),
                **_class_intervals(label == k, predicted == k, frames["patient_id"], draws, seed),
            }
            for k, name in enumerate(classes)
        },
        "confusion": confusion_matrix(label, predicted, labels=index).tolist(),
        "ece": expected_calibration_error(probabilities, label),
        "votes": vote_accuracy(frames, classes),
    }


def _class_intervals(
    true: np.ndarray, answered: np.ndarray, patient_id: pd.Series, draws: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Precision is the accuracy of what is answered with the class, recall that of what is of it."""
    return {
        f"{name}_ci95": accuracy_ci((true & answered)[of], patient_id[of], draws=draws, seed=seed)
        for name, of in (("precision", answered), ("recall", true))
    }


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a label."""
    known = table["label"] >= 0
    return table[:] if known.all() else table[known]  # `[:]` copies nothing until something is written


def probability_array(table: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """float64 [n, K]: the `p_<class>` columns in the order of `classes`."""
    return table[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)


def reliability_bins(probabilities: np.ndarray, label: np.ndarray, bins: int = ECE_BINS) -> dict[str, np.ndarray]:
    """Confidence and accuracy in equal-width bins of confidence.

    Args:
        probabilities: [n, K]; confidence is the greatest of a row.
        label: int [n].
        bins: number of bins on (0, 1]; a bin holds its upper edge.

    Returns:
        `count` int [bins], `confidence` and `accuracy` float64 [bins], means over the bin's
        frames; NaN where it holds none.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == label
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(which, minlength=bins)
    totals = {"confidence": confidence, "accuracy": correct.astype(float)}
    means = {
        name: np.bincount(which, weights=values, minlength=bins) / np.where(count > 0, count, np.nan)
        for name, values in totals.items()
    }
    return {"count": count, **means}


def expected_calibration_error(probabilities: np.ndarray, label: np.ndarray, bins: int = ECE_BINS) -> float:
    """Mean gap between confidence and accuracy over the bins of `reliability_bins`, weighted by their frames.

    Args:
        probabilities, label, bins: as for `reliability_bins`.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.
    """
    found = reliability_bins(probabilities, label, bins)
    gap = np.abs(found["accuracy"] - found["confidence"])
    return float(np.nansum(found["count"] * gap) / len(label))


def vote_accuracy(table: pd.DataFrame, classes: Sequence[str]) -> dict:
    """Accuracy of the mean probability over each (recording, label) group.

    A recording may pass through several planes, so a group is the part of it that
    shares one label, not the whole of it.

    Returns:
        {"accuracy": share of groups whose vote is right, "n_groups": number of groups}.
    """
    columns = [f"p_{name}" for name in classes]
    mean = labelled(table).groupby(["recording_id", "label"], sort=True)[columns].mean()
    right = mean.to_numpy().argmax(axis=1) == mean.index.get_level_values("label").to_numpy()
    return {"accuracy": float(right.mean()), "n_groups": len(mean)}


def accuracy_ci(
    correct: np.ndarray, patient_id: Ids, *, draws: int = BOOTSTRAP_DRAWS, seed: int = BOOTSTRAP_SEED
) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of the accuracy, patients resampled.

    Args:
        correct: bool [n], per frame.
        patient_id: [n].

    Returns:
        (lo, hi); NaN, NaN with fewer than two patients, which say nothing about a third.
    """
    return _ci(_resampled_means(np.asarray(correct, dtype=float), patient_id, draws, seed))


def macro_f1_ci(
    label: np.ndarray,
    predicted: np.ndarray,
    patient_id: Ids,
    n_classes: int,
    *,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = BOOTSTRAP_SEED,
) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of the macro-F1, patients resampled.

    Macro-F1 is no mean over frames: each resampled set has a confusion matrix of its own,
    the sum of its patients'. A class that is neither true nor predicted in it counts 0, as
    in the estimate itself.

    Args:
        label, predicted: int [n], per frame.
        patient_id: [n].
        n_classes: K.

    Returns:
        (lo, hi); NaN, NaN with fewer than two patients.
    """
    patients, group = _groups(patient_id)
    if len(patients) < 2:
        return _ci(np.empty(0))
    counts = np.zeros((len(patients), n_classes, n_classes))
    np.add.at(counts, (group, label, predicted), 1)
    found = []
    for times in _times_drawn(len(patients), draws, seed):
        confusion = np.tensordot(times.astype(float), counts, axes=1)  # [some draws, K, K]
        right = np.diagonal(confusion, axis1=1, axis2=2)
        of_class = confusion.sum(axis=2) + confusion.sum(axis=1)
        found.append((2 * right / np.maximum(of_class, 1)).mean(axis=1))
    return _ci(np.concatenate(found))


def paired_difference_ci(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    classes: Sequence[str],
    *,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = BOOTSTRAP_SEED,
) -> dict:
    """Accuracy of `a` minus that of `b` on the same frames, with its 95 % interval.

    Both are scored on the same resampled patients: what makes a patient hard is common
    to both and cancels, so the interval is narrower than from two separate ones.

    Returns:
        {"difference", "ci95": (lo, hi)}.

    Raises:
        ValueError: the two tables are not about the same frames in the same order.
    """
    a, b = labelled(table_a), labelled(table_b)
    if len(a) != len(b) or any((a[key].to_numpy() != b[key].to_numpy()).any() for key in KEYS):
        raise ValueError("the two predictions tables are not about the same frames in the same order")
    label = a["label"].to_numpy()
    difference = (probability_array(a, classes).argmax(axis=1) == label).astype(float) - (
        probability_array(b, classes).argmax(axis=1) == label
    )
    means = _resampled_means(difference, a["patient_id"], draws, seed)
    return {"difference": float(difference.mean()), "ci95": _ci(means)}


def _resampled_means(values: np.ndarray, patient_id: Ids, draws: int, seed: int) -> np.ndarray:
    """Frame means under `draws` resamplings of whole patients: [draws], empty if < 2 patients."""
    patients, group = _groups(patient_id)
    if len(patients) < 2:
        return np.empty(0)
    total = np.bincount(group, weights=values)
    count = np.bincount(group)
    parts = [(times @ total) / (times @ count) for times in _times_drawn(len(patients), draws, seed)]
    return np.concatenate(parts)


def _groups(patient_id: Ids) -> tuple[np.ndarray, np.ndarray]:
    """The patients' names, and the number of each frame's patient."""
    codes, found = pd.factorize(np.asarray(patient_id, object))  # by hashing: text of all frames is not sorted
    patients, order = np.unique(found.astype(str), return_inverse=True)
    return patients, order[codes]


def _times_drawn(patients: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """[some draws, patients]: how often each is drawn, which is all that matters, and a multinomial.

    In parts, so that memory does not grow with the number of patients; the numbers do not depend on that.
    """
    random, share = np.random.default_rng(seed), np.full(patients, 1 / patients)
    step = max(1, DRAWN_AT_ONCE // patients)
    for first in range(0, draws, step):
        yield random.multinomial(patients, share, min(step, draws - first))


def _ci(means: np.ndarray) -> tuple[float, float]:
    if not len(means):
        return float("nan"), float("nan")
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
