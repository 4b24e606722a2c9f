"""How each stage is trained: numbers with defaults, refused where they can't be."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from common.errors import InputError
from common.settings import added

PRECISIONS = ("auto", "float32", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How a stage is trained.

    Attributes:
        epochs: passes over the training split.
        batch_size: frames a step.
        learning_rate: its peak; it warms up linearly and falls to 0 by a half cosine.
        weight_decay: of AdamW; biases and batch normalisation are left out.
        warmup_epochs: epochs of the warm-up.
    """

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_epochs: float = 2.0

    _flag: ClassVar[str] = "distil"
    _least_epochs: ClassVar[int] = 1

    def __post_init__(self):
        for name, least in (("epochs", self._least_epochs), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{self._flag}.{name} {getattr(self, name)}: must be at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"{self._flag}.learning_rate {self.learning_rate}: must be above 0")
        for name in ("weight_decay", "warmup_epochs"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{self._flag}.{name} {getattr(self, name)}: must be a number of at least 0")


@dataclasses.dataclass(frozen=True)
class TeachSettings(FitSettings):
    """How the teacher is trained.

    Attributes:
        label_smoothing: of the hard labels.
        precision: "auto" takes mixed_bfloat16 where the processor computes in it, else
            float32. Students are always trained in float32.
        gaze: weight of KL(G' ‖ softmax of the predicted map) of a teacher that predicts the
            gaze (one with a layer `saliency`); the others don't use it.
    """

    epochs: int = 24
    learning_rate: float = 3e-4
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    precision: str = "auto"
    gaze: float = added(0.3)

    _flag: ClassVar[str] = "teach"

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.gaze < math.inf:
            raise InputError(f"teach.gaze {self.gaze}: must be a number of at least 0")
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"teach.label_smoothing {self.label_smoothing}: must be at least 0 and below 1")
        if self.precision not in PRECISIONS:
            raise InputError(f"teach.precision {self.precision!r}: is none of {', '.join(PRECISIONS)}")


@dataclasses.dataclass(frozen=True)
class PretrainSettings(FitSettings):
    """How the student is trained on the gaze alone, before everything else (Droste et al., IPMI 2019).

    Its layers up to stride 8 and the saliency head learn KL(G' ‖ softmax of the head); no
    label is used. The distillation, or the plain training, goes on from these weights.

    Attributes:
        epochs: passes over the training split; 0 leaves this out.
        weight_decay: 0, so that the layers above the head's tap stay as they were drawn.
    """

    epochs: int = 0
    weight_decay: float = 0.0
    warmup_epochs: float = 1.0

    _flag: ClassVar[str] = "pretrain"
    _least_epochs: ClassVar[int] = 0


@dataclasses.dataclass(frozen=True)
class QuantizeSettings:
    """How the quantized twin is trained on; warm-up, decay and ranges: `quantization.qat.QatSettings`.

    Attributes:
        epochs: passes over the training split.
        batch_size: frames a step.
        learning_rate: its peak; a tenth of the student's own, or less.
    """

    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 2e-4

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 1:
            raise InputError(f"quantize: epochs {self.epochs}, batch_size {self.batch_size}: both must be at least 1")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"quantize.learning_rate {self.learning_rate}: must be above 0")
