"""How each stage is trained: numbers with defaults, refused where they cannot be."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import ClassVar

from common.errors import InputError
from common.typed import check_fields, one_of

# A mistyped number above these would take for ever, or fill the memory.
MOST = {
    "epochs": 100_000, "warmup_epochs": 100_000, "batch_size": 65_536, "views": 100_000, "steps_per_epoch": 10**9,
}  # fmt: skip
PRECISIONS = ("auto", "float32", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How a stage is trained.

    Attributes:
        epochs: passes over the training split.
        batch_size: frames per step.
        learning_rate: its peak; it warms up linearly and falls to 0 by a half cosine.
        weight_decay: of AdamW; biases and batch normalisation are left out.
        warmup_epochs: epochs of the warm-up.
        steps_per_epoch: steps that count as an epoch, so that runs with other frames take as many; 0: a pass over the
            frames that the stage learns from.
        weight_average: momentum of a moving average of the weights over the steps, which is what the stage ends with;
            0 ends with the weights of the last step. While the stage runs its figures are those of the last step's
            weights. (Polyak & Juditsky, SIAM J. Control Optim. 1992.)
    """

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_epochs: float = 2.0
    steps_per_epoch: int = 0
    weight_average: float = 0.0

    _name: ClassVar[str] = "distil"
    _least_epochs: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_fields(self, self._name)
        least = {"batch_size": 1, "weight_decay": 0, "warmup_epochs": 0, "steps_per_epoch": 0}
        _at_least(self, self._name, epochs=self._least_epochs, **least)
        _above_0(self, self._name, "learning_rate")
        if not 0 <= self.weight_average < 1:
            raise InputError(f"{self._name}.weight_average must be at least 0 and below 1, not {self.weight_average}")


@dataclasses.dataclass(frozen=True)
class DistilSettings(FitSettings):
    """How the student is trained.

    Attributes:
        views: augmented views of each training frame whose teacher outputs are computed once and kept
            next to the teacher (`training.teacher_cache`); the student goes through them, one per epoch.
            0 runs the teacher live, on a new view in every epoch.
        average_views: take the mean over a frame's views as the soft target of each of them; it needs views.
        teacher_data: data set of the same source at the teacher's frame size, for teachers of other frames than the
            student's; it needs views. Without it both see the same frames.
    """

    views: int = 0
    average_views: bool = False
    teacher_data: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, self._name, views=0)
        if self.average_views and not self.views:
            raise InputError("distil.average_views true: needs a teacher cache, so set distil.views above 0")


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
    gaze: float = 0.3

    _name: ClassVar[str] = "teach"

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, self._name, gaze=0)
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"teach.label_smoothing must be at least 0 and below 1, not {self.label_smoothing}")
        one_of("teach.precision", self.precision, PRECISIONS)


@dataclasses.dataclass(frozen=True)
class PretrainSettings(FitSettings):
    """How the student is trained on the gaze alone, before everything else (Droste et al., IPMI 2019).

    Its layers up to stride 8 and the saliency head learn KL(G' ‖ softmax of the head); no
    label is used. The distillation, or the plain training, goes on from these weights.

    Attributes:
        epochs: passes over the training split; 0 leaves this out.
        weight_decay: of the layers up to the head's tap; the weights of those above stay as they were initialised.
    """

    epochs: int = 0
    weight_decay: float = 0.0
    warmup_epochs: float = 1.0

    _name: ClassVar[str] = "pretrain"
    _least_epochs: ClassVar[int] = 0


@dataclasses.dataclass(frozen=True)
class TeacherPretrainSettings(PretrainSettings):
    """How the teacher's layers up to stride 8 are trained on the gaze alone, before everything else.

    As of the student, but the teacher's own gaze input is the uniform map, so that it has to predict the gaze
    from the frame. All frames that `unlabelled` lets through are gone through, with labels or without: few
    labels then start from features that all recordings have shaped.

    Attributes:
        epochs: passes over the training split; 0 leaves this out.
    """

    learning_rate: float = 1e-3

    _name: ClassVar[str] = "pretrain_teacher"


@dataclasses.dataclass(frozen=True)
class QuantizeSettings:
    """How the quantized student is trained further; warm-up, decay and ranges: `quantization.finetune.FineTuning`.

    Attributes:
        epochs: passes over the training split.
        batch_size: frames per step.
        learning_rate: its peak; a tenth of the student's own, or less.
        steps_per_epoch: as of the other stages.
    """

    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 2e-4
    steps_per_epoch: int = 0

    def __post_init__(self) -> None:
        check_fields(self, "quantize")
        _at_least(self, "quantize", epochs=1, batch_size=1, steps_per_epoch=0)
        _above_0(self, "quantize", "learning_rate")


def _at_least(settings: object, of: str, **least: float) -> None:
    for name, limit in least.items():
        value = getattr(settings, name)
        if not limit <= value < math.inf:
            raise InputError(f"{of}.{name} must be a number of at least {limit}, not {value}")
        if value > MOST.get(name, math.inf):
            raise InputError(f"{of}.{name} must be at most {MOST[name]:,}, not {value}")


def _above_0(settings: object, of: str, name: str) -> None:
    value = getattr(settings, name)
    if not 0 < value < math.inf:
        raise InputError(f"{of}.{name} must be above 0, not {value}")
