"""How much smaller an artefact is, against two models: the one that taught it, and a conventional one.

A compression ratio is the other model's parameters as float32, 4 bytes each, over the
artefact's bytes on disk.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

import models
from evaluation.artefacts import Teacher
from models.ensemble import Ensemble

_FLOAT32_BYTES = 4


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A row of a report against its yardsticks; None where one is not known.

    Attributes:
        to_teacher: compression ratio to the artefact's own teacher.
        to_conventional: compression ratio to the conventional model.
        accuracy_loss_pp: accuracy of the report's first artefact minus this one's on the
            same frames, percentage points; negative if this one is better. None for the first.
    """

    to_teacher: float | None
    to_conventional: float | None
    accuracy_loss_pp: float | None

    def texts(self) -> tuple[str, str, str]:
        """The three as cells of a table, such as ("16.2", "977", "0.4"); "" where not known."""
        loss = "" if self.accuracy_loss_pp is None else f"{self.accuracy_loss_pp:.1f}"
        return ratio_text(self.to_teacher), ratio_text(self.to_conventional), loss


def compare(row: Mapping[str, Any], report: Mapping[str, Any]) -> Comparison:
    """What a row of a report (`run_evaluation`) is against its teacher and the conventional model."""
    difference = row.get("accuracy_minus_first")
    return Comparison(
        row["compression"]["to_teacher"],
        row["compression"]["to_conventional"],
        None if difference is None else -100 * difference["difference"],
    )


def compression_row(size_bytes: int, teacher: Teacher | None, conventional_params: int | None) -> dict[str, Any]:
    """The two ratios of an artefact, JSON-ready.

    Args:
        size_bytes: of the artefact on disk.
        teacher: what taught it, from its metadata; None if nothing did or it is not known.
        conventional_params: parameters of the conventional model; None if it can't be built.

    Returns:
        {"to_teacher": ratio or None, "teacher": {"name", "params"} or None,
        "to_conventional": ratio or None}.
    """
    to_teacher = None if teacher is None else compression_ratio(teacher.params, size_bytes)
    to_conventional = None if conventional_params is None else compression_ratio(conventional_params, size_bytes)
    return {
        "to_teacher": to_teacher,
        "teacher": None if teacher is None else dataclasses.asdict(teacher),
        "to_conventional": to_conventional,
    }


def compression_ratio(params: int, size_bytes: int) -> float:
    """4 · params / bytes: how many times the float32 weights of the larger model outweigh a file.

    Raises:
        ValueError: `size_bytes` is below 1.
    """
    if size_bytes < 1:
        raise ValueError(f"size_bytes must be at least 1, not {size_bytes}")
    return _FLOAT32_BYTES * params / size_bytes


def registered_params(name: str, frame_size: tuple[int, int], num_classes: int) -> int:
    """Parameters of a registered model with its default options, for these frames and classes."""
    return int(models.outline(name, (*frame_size, 1), num_classes).count_params())


def teacher_of(teacher: keras.Model | Ensemble | None) -> Teacher | None:
    """What a student's metadata says about the teacher that it is trained with."""
    if teacher is None:
        return None
    parts = teacher.models if isinstance(teacher, Ensemble) else (teacher,)
    name = " + ".join(part.name for part in parts)
    return Teacher(name if len(name) <= 200 else f"{len(parts)} models", sum(part.count_params() for part in parts))


def ratio_text(ratio: float | None) -> str:
    """Three significant digits: 0.98, 16.2, 977, 1,154; "" for None."""
    if ratio is None:
        return ""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"
