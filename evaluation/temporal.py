"""How good a classifier is on clips: accuracy of each, and how long it takes to answer.

A clip is a stretch of one recording, in time, whose labelled frames have one label. The answers are those
that a stream would get: causally filtered, rejected below the threshold or where a frame is flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from evaluation.artefacts import OperatingPoint
from evaluation.decision import filter_table


def clip_metrics(
    table: pd.DataFrame, classes: Sequence[str], point: OperatingPoint | None, flagged: np.ndarray | None = None
) -> dict[str, Any] | None:
    """Accuracy and delay over the clips of a predictions table.

    Args:
        table: predictions, one row per frame (`evaluation.predictions`).
        classes: in the order of the `p_` columns.
        point: filter and threshold; None = no filter, nothing rejected.
        flagged: bool [n], frames that are left out of the filter and rejected; None = none.

    Returns:
        None where no recording has two times. Else `n_clips`; `accuracy`, the mean over clips of the share
        of frames whose filtered class is right, rejected or not; `time_to_first_correct_s` and
        `frames_to_decision`, each {"median", "p95", "never"}: from a clip's first frame to the first frame
        that is kept and right, s, and the number of frames up to the first that is kept (1 = at once),
        over the clips that have one, and the number of clips that have none;
        `first_decision_accuracy`, the share of first kept frames that are right; `per_class` {name: accuracy}.
    """
    if not (table.groupby("recording_id")["time_s"].nunique() > 1).any():
        return None
    point = point or OperatingPoint(0.0, 0.0, 0.0, 1.0, False)
    flagged = np.zeros(len(table), bool) if flagged is None else flagged
    filtered = filter_table(table, classes, "causal", point.time_constant_s, (~flagged).astype(float))
    frames = table[["recording_id", "time_s", "label"]].reset_index(drop=True)
    frames["right"] = filtered.argmax(axis=1) == frames["label"]
    frames["kept"] = (filtered.max(axis=1) >= point.threshold) & ~flagged
    frames = frames.sort_values(["recording_id", "time_s"], kind="stable")
    frames = frames[frames["label"] >= 0]
    if not len(frames):
        return None
    keys = frames[["recording_id", "label"]]
    clips = frames.groupby((keys != keys.shift()).any(axis=1).cumsum(), sort=True)
    rows = pd.DataFrame([_clip(part) for _, part in clips])
    decided = rows["first_right"].dropna()
    return {
        "n_clips": len(rows),
        "accuracy": float(rows["accuracy"].mean()),
        "time_to_first_correct_s": _spread(rows["to_correct_s"]),
        "frames_to_decision": _spread(rows["to_decision"]),
        "first_decision_accuracy": float(decided.mean()) if len(decided) else None,
        "per_class": {
            name: float(rows["accuracy"][rows["label"] == k].mean()) if (rows["label"] == k).any() else None
            for k, name in enumerate(classes)
        },
    }


def _clip(part: pd.DataFrame) -> dict[str, float]:
    kept, right = part["kept"].to_numpy(), part["right"].to_numpy(dtype=bool)
    times_s = part["time_s"].to_numpy(dtype=np.float64)
    first, correct = np.flatnonzero(kept), np.flatnonzero(kept & right)
    return {
        "label": int(part["label"].iloc[0]),
        "accuracy": float(right.mean()),
        "to_correct_s": times_s[correct[0]] - times_s[0] if len(correct) else np.nan,
        "to_decision": float(first[0] + 1) if len(first) else np.nan,
        "first_right": float(right[first[0]]) if len(first) else np.nan,
    }


def _spread(values: pd.Series) -> dict[str, Any]:
    there = values.dropna()
    return {
        "median": float(there.median()) if len(there) else None,
        "p95": float(there.quantile(0.95)) if len(there) else None,
        "never": int(values.isna().sum()),
    }
