"""What an evaluation is of, and how it is done."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import models
from common.errors import InputError
from data.pipeline import GAZE_MODES
from data.splits import SPLITS
from evaluation.classification import BOOTSTRAP_DRAWS
from evaluation.fixations import RULES


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Artefacts, a data set, and the choices between them; `evaluate.py` fills it from its flags.

    Attributes:
        artefacts: `.keras` files, `.tflite` files or SavedModel folders, each with its
            metadata next to it. The first one is what the others are compared with.
        data: a data set folder made by prepare.py.
        split: which patients: "train", "val" or "test".
        gaze: what a teacher sees: "real", "none", "shuffled" or "centre"; students see frames
            alone. Each artefact's maps are rendered with the sigma that its metadata names.
        batch_size: frames at a time; the result does not depend on it.
        draws: of the bootstrap over patients.
        latency: time each artefact, about 2 s each, and measure the memory of `.tflite` files; without it
            `latency_ms` and `memory_bytes` hold nulls.
        saliency: also compare the gaze head next to a student, and where `.keras` artefacts
            look, with where the gaze was.
        fixations: what counts as fixated there: "idt" (I-DT, 1°, 100 ms) or "samples".
        ensemble: add a row for all artefacts together: mean of their probabilities, sum of
            what they cost.
        conventional: the registered model whose float32 size is the second yardstick of
            compression.
        trust: load SavedModels whose graph can reach files, processes, the network or Python.
        verify: check every byte and record of the data set first; what is small is always checked.

    Raises:
        InputError: a value that can't be.
    """

    artefacts: Sequence[str | os.PathLike]
    data: str | os.PathLike
    split: str = "test"
    gaze: str = "real"
    batch_size: int = 64
    draws: int = BOOTSTRAP_DRAWS
    latency: bool = True
    saliency: bool = False
    fixations: str = "idt"
    ensemble: bool = False
    conventional: str = "vgg16"
    trust: bool = False
    verify: bool = False

    def __post_init__(self) -> None:
        paths = [self.artefacts] if isinstance(self.artefacts, (str, os.PathLike)) else self.artefacts
        object.__setattr__(self, "artefacts", tuple(os.fspath(path) for path in paths))
        if not self.artefacts:
            raise InputError("no artefact is given: name at least one .keras, .tflite or SavedModel folder")
        for name, choices in (("split", SPLITS), ("gaze", GAZE_MODES), ("fixations", RULES)):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        for name in ("batch_size", "draws"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**6:
                raise InputError(f"{name} must be a whole number from 1 to 1000000, not {value!r}")
        models.find(self.conventional)
