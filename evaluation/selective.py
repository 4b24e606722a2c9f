"""What an artefact's threshold does on a split: how much is kept, and how right that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from evaluation.artefacts import Decision
from evaluation.classification import labelled, probability_array
from evaluation.decision import area_under_risk_coverage


def selective_row(table: pd.DataFrame, classes: Sequence[str], decision: Decision | None) -> dict[str, Any]:
    """Single frames, without a filter, of the labelled rows of a predictions table.

    Returns:
        `aurc`, the area under the risk-coverage curve; with a decision also its `target` and `threshold`, the
        `coverage` and `accuracy` of what is kept, and `per_class` {name: {"coverage", "accuracy"}} over the
        frames of each true class. An accuracy of nothing is None.
    """
    known = labelled(table)
    probabilities, label = probability_array(known, classes), known["label"].to_numpy()
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label
    row: dict[str, Any] = {"aurc": area_under_risk_coverage(confidence, right)}
    if decision is None:
        return row
    kept = confidence >= decision.still.threshold
    per_class = {name: _share(kept, right, label == k) for k, name in enumerate(classes)}
    return {
        **row,
        "target": decision.target,
        "threshold": decision.still.threshold,
        **_share(kept, right, np.ones(len(label), bool)),
        "per_class": per_class,
    }


def _share(kept: np.ndarray, right: np.ndarray, of: np.ndarray) -> dict[str, float | None]:
    both = kept & of
    return {
        "coverage": float(kept[of].mean()) if of.any() else None,
        "accuracy": float(right[both].mean()) if both.any() else None,
    }
