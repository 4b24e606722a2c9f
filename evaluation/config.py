"""What an evaluation is of, and how it is done."""

from __future__ import annotations

import dataclasses
import typing
from typing import Literal

from common.errors import InputError
from common.typed import SWITCH, StrPath, check_fields
from data.modes import GazeMode
from data.splits import Split

BOOTSTRAP_DRAWS = 2000
FixationRule = Literal["idt", "samples"]
FIXATION_RULES: tuple[str, ...] = typing.get_args(FixationRule)


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Artefacts, a data set, and the choices between them; `evaluate.py` fills it from its flags.

    Attributes:
        artefacts: `.keras` files, `.tflite` files or SavedModel folders, each with its
            metadata next to it. The first one is what the others are compared with.
        data: a data set folder made by prepare.py.
        split: which patients.
        gaze: what a teacher sees; students see frames alone. Each artefact's maps are rendered with the sigma
            that its metadata names.
        batch_size: frames at a time; the result does not depend on it.
        draws: resamples of the bootstrap over patients.
        latency: time each artefact, about 2 s each, and measure what memory a `.tflite` file takes; without it
            `latency_ms` and `memory_bytes` hold nulls.
        saliency: also compare with the gaze: the gaze head next to a student, attention of `.keras` artefacts,
            static prior.
        fixations: what counts as fixated for NSS and the AUCs: I-DT (1°, 100 ms; 1° is 0.03 of the width) or
            every sample.
        ensemble: add a row for all artefacts together: mean of their probabilities, sum of what they cost.
        conventional: the registered model whose float32 size is the second yardstick of compression.
        trust: load SavedModels whose graph can reach files, processes, the network or Python.
        verify: check every byte and record of the data set first; data sets of up to 64 MB always are.

    Raises:
        InputError: a value that can't be.
    """

    artefacts: tuple[StrPath, ...] = dataclasses.field(metadata={"positional": True, "metavar": "ARTEFACT"})
    data: StrPath = dataclasses.field(metadata={"metavar": "DIR"})
    split: Split = "test"
    gaze: GazeMode = "real"
    batch_size: int = dataclasses.field(default=64, metadata={"metavar": "N"})
    draws: int = dataclasses.field(default=BOOTSTRAP_DRAWS, metadata={"metavar": "N"})
    latency: bool = True
    saliency: bool = dataclasses.field(default=False, metadata=SWITCH)
    fixations: FixationRule = "idt"
    ensemble: bool = dataclasses.field(default=False, metadata=SWITCH)
    conventional: str = dataclasses.field(default="vgg16", metadata={"metavar": "MODEL"})
    trust: bool = dataclasses.field(default=False, metadata=SWITCH)
    verify: bool = dataclasses.field(default=False, metadata=SWITCH)

    def __post_init__(self) -> None:
        # Here: the module itself brings no TensorFlow along, so that `evaluate.py --help` is quick.
        import models

        check_fields(self)
        if not self.artefacts:
            raise InputError("no artefact is given: name at least one .keras, .tflite or SavedModel folder")
        for name in ("batch_size", "draws"):
            if not 1 <= getattr(self, name) <= 10**6:
                raise InputError(f"{name} must be a whole number from 1 to 1000000, not {getattr(self, name)!r}")
        models.find(self.conventional)
        if self.fixations != "idt" and not self.saliency:
            raise InputError(
                f"fixations {self.fixations}: is of the agreement with gaze: leave it out, or ask for saliency"
            )
