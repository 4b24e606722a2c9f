"""Changes of what a term is given that several terms declare to be without effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from losses.registry import Given


def shifted_logits(given: Given) -> Given:
    """A constant of its own added to all logits of each frame, of student and teacher."""
    shift = ops.convert_to_tensor(np.linspace(-20, 20, len(given.student["logits"]), dtype="float32")[:, None])
    return dataclasses.replace(
        given,
        student={**given.student, "logits": given.student["logits"] + shift},
        teacher={name: value - shift if "logits" in name else value for name, value in given.teacher.items()},
    )


def scaled_features(given: Given) -> Given:
    """All maps multiplied, the student's by 100 and the teacher's by 0.01."""
    return dataclasses.replace(given, student=_scaled(given.student, 100.0), teacher=_scaled(given.teacher, 0.01))


def other_labels(given: Given) -> Given:
    """Each label replaced by "unlabelled"."""
    return dataclasses.replace(given, batch={**given.batch, "label": ops.full_like(given.batch["label"], -1)})


def _scaled(outputs: Mapping[str, Any], factor: float) -> dict:
    return {name: value if "logits" in name else factor * value for name, value in outputs.items()}
