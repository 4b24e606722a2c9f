"""What baselines are configured with: the parts that several of them share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from common.errors import InputError
from common.typed import StrPath, check_fields, check_seed, one_of
from data.augment import Augmentation
from data.modes import GazeMode
from losses import LossSettings
from training.config import UNLABELLED
from training.settings import MOST


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """What every baseline takes.

    Attributes:
        source: trained model (.keras) with its metadata next to it.
        data: data set folder, made by prepare.py.
        out: folder of what comes out; must not exist yet.
        seed: of everything random.
        overwrite: replace the folder if this command wrote it.
        verify: check every byte and record of the data set first; data sets of up to 64 MB always are.
    """

    source: StrPath = dataclasses.field(metadata={"positional": True})
    data: StrPath
    out: StrPath
    seed: int = 0
    overwrite: bool = dataclasses.field(default=False, metadata={"switch": True})
    verify: bool = dataclasses.field(default=False, metadata={"switch": True})

    def __post_init__(self) -> None:
        """Refuse what can be known to be wrong without data or files.

        Raises:
            InputError: naming the parameter.
        """
        check_fields(self)
        check_seed(self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearningConfig(BaselineConfig):
    """A baseline that trains the source further.

    Attributes:
        gaze: what the source, its teacher and the gaze loss see; real, none, shuffled or centre; without it, as the
            source was trained.
        unlabelled: which frames without a label are learned from; all, patients, withheld, none (as in train.py), or
            auto (those that the source was trained on, or all, if any term of the loss learns from them, else none).
        augment: augmentation.
    """

    gaze: GazeMode | None = None
    unlabelled: str = "auto"
    augment: Augmentation = dataclasses.field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("unlabelled", self.unlabelled, UNLABELLED)

    @property
    def learned(self) -> LossSettings:
        """The loss that is learned by: here the labels alone."""
        return _labels_alone(LossSettings())


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudentConfig(BaselineConfig):
    """A baseline of a student of the registry.

    Attributes:
        student_options: what the student was built with, such as '{width: 0.45}'; without them those of its run's
            config.yaml, or the defaults.
    """

    student_options: dict | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedConfig(StudentConfig, LearningConfig):
    """A baseline that trains the student further, then once more with fake quantization.

    Attributes:
        teacher: distil from it (.keras); without one, learn from labels alone.
        epochs: passes over the training split, for each step.
        learning_rate: its peak.
        int8_epochs: quantization-aware passes that keep zeros and clusters; 0 leaves student_int8.tflite out.
        int8_learning_rate: its peak in those.
        batch_size: frames per step.
        loss: of the distillation, as in train.py; without a teacher it is the labels alone.
    """

    teacher: StrPath | None = None
    epochs: int = 6
    learning_rate: float = 1e-3
    int8_epochs: int = 2
    int8_learning_rate: float = 2e-4
    batch_size: int = 32
    loss: LossSettings = dataclasses.field(default_factory=LossSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, epochs=1, int8_epochs=0, batch_size=1)
        rates(self, "learning_rate", "int8_learning_rate")
        if self.teacher is None:
            self.loss.refuse_beside_labels("set teacher")

    @property
    def learned(self) -> LossSettings:
        """The loss that is learned by: as configured, or without a teacher the labels alone."""
        return _labels_alone(self.loss) if self.teacher is None else self.loss


def _labels_alone(loss: LossSettings) -> LossSettings:
    return loss.only(hard=loss.hard)


def at_least(config: BaselineConfig, **least: int) -> None:
    """Refuse fields below their least values, or so large that the training would never end.

    Raises:
        InputError: naming the field.
    """
    for name, value in least.items():
        found, most = getattr(config, name), MOST["batch_size" if name == "batch_size" else "epochs"]
        if found < value:
            raise InputError(f"{name} must be at least {value}, not {found}")
        if found > most:
            raise InputError(f"{name} must be at most {most:,}, not {found}")


def rates(config: BaselineConfig, *names: str) -> None:
    """Refuse learning rates that are not positive and finite.

    Raises:
        InputError: naming the field.
    """
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise InputError(f"{name} must be above 0, not {getattr(config, name)}")


def distinct(name: str, values: Sequence[Any]) -> None:
    """Refuse targets that are empty or name one twice: each becomes an artefact of its own.

    Raises:
        InputError: naming the field.
    """
    if not values or len(set(values)) != len(values):
        raise InputError(f"{name} must be different values, one or more, not {list(values)}")
