"""Where a model looks on a frame, for the overlay of an annotated video."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common.errors import InputError
from deployment.prediction import features_of
from evaluation.artefacts import Artefact, read_metadata
from evaluation.attention import TAP, attention_maps, has_attention
from evaluation.gaze_head import NAME, load_gaze_head, predict_gaze


@dataclasses.dataclass(frozen=True)
class Look:
    """A map of each frame.

    Attributes:
        what: the map shows, in words.
        of: prepared frame uint8 [H, W] → map [h, w] that sums to 1.
    """

    what: str
    of: Callable[[np.ndarray], np.ndarray]


def find_look(artefact: Artefact) -> Look:
    """The gaze map that the student's gaze head predicts, or, without one, the model's own attention.

    The head is looked for next to the artefact and in the `student` folder of its run; an 8-bit file
    hides its layers, so the map drawn for it is the float student's.

    Raises:
        InputError: neither is there.
    """
    folder = artefact.path.resolve().parent
    for path in (folder / NAME, folder.parent / "student" / NAME):
        if artefact.metadata.stage != "teacher" and path.is_file() and _fits(path, artefact):
            return _head_look(path)
    if has_attention(artefact):
        return Look(
            f"squared activations of {artefact.path.name} at {TAP}",
            lambda frame: attention_maps(artefact, features_of(artefact, frame[None]))[0],
        )
    raise InputError(
        f"{artefact.path}: hides its layers, and there is no {NAME} next to it or in its run folder: give the .keras "
        "file, or leave attention out"
    )


def _head_look(path: Path) -> Look:
    head = load_gaze_head(path)
    return Look(
        f"the gaze map that {path.parent.name}/{path.name} predicts, the head of the float student",
        lambda frame: predict_gaze(head, frame)[0],
    )


def _fits(path: Path, artefact: Artefact) -> bool:
    """Whether a gaze head is of the artefact's own training data and frame size."""
    head, own = read_metadata(path), artefact.metadata
    return head.frame_size == own.frame_size and head.dataset_checksum == own.dataset_checksum
