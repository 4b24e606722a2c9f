"""What `train.py` can be told: flags, their defaults, YAML presets."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from common.errors import InputError
from common.parsing import Parser
from data.augment import Augmentation
from data.pipeline import GAZE_MODES
from data.saliency import DEFAULT_SIGMA
from models.objective import LossSettings

STAGES = ("teacher", "student", "int8")
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

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 1:
            raise InputError(f"epochs {self.epochs} and batch_size {self.batch_size}: both must be at least 1")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate {self.learning_rate}: must be above 0")
        for name in ("weight_decay", "warmup_epochs"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} {getattr(self, name)}: must be a number of at least 0")


@dataclasses.dataclass(frozen=True)
class TeachSettings(FitSettings):
    """How the teacher is trained.

    Attributes:
        label_smoothing: of the hard labels.
        precision: "auto" takes mixed_bfloat16 where the processor computes in it, else
            float32. Students are always trained in float32.
    """

    epochs: int = 24
    learning_rate: float = 3e-4
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    precision: str = "auto"

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing {self.label_smoothing}: must be at least 0 and below 1")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision {self.precision!r}: is none of {', '.join(PRECISIONS)}")


@dataclasses.dataclass(frozen=True)
class QuantiseSettings:
    """How the quantised twin is trained on; warm-up, decay and ranges: `quantization.qat.QatSettings`.

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
            raise InputError(f"quantise: epochs {self.epochs}, batch_size {self.batch_size}: both must be at least 1")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"quantise.learning_rate {self.learning_rate}: must be above 0")


def build_parser() -> Parser:
    """The parser of `train.py`: `--config` sets defaults, the command line wins."""
    parser = Parser(
        prog="train.py",
        description=(
            "Train a teacher (frames and gaze), distil a compact student (frames alone), quantise it to 8 bits, "
            "export and evaluate. A stage that the run folder holds already, trained with the same settings on the "
            "same data, is reused; an interrupted teacher or student goes on after its last whole epoch."
        ),
    )
    parser.add_argument("--config", action="config", help="YAML preset, such as configs/demo.yaml")
    parser.add_argument("--data", type=Path, help="data set folder, made by prepare.py")
    parser.add_argument("--run", type=Path, help="run folder: everything that comes out lies there")
    parser.add_argument(
        "--stages",
        type=list[str],
        default=list(STAGES),
        help="any of teacher, student, int8, such as '[student]'",
    )
    parser.add_argument("--teacher", type=str, default="vgg16", help="a registered teacher, or none")
    parser.add_argument("--teacher-options", type=dict, default={}, help="of its family, such as '{fusion: none}'")
    parser.add_argument(
        "--teacher-path",
        type=Path | None,
        default=None,
        help="a trained teacher (.keras) instead of training one",
    )
    parser.add_argument("--student", type=str, default="squeezenet_1_1", help="a registered student")
    parser.add_argument("--student-options", type=dict, default={}, help="of its family, such as '{width: 0.45}'")
    parser.add_argument(
        "--gaze", type=str, default="real", help="what teacher and gaze loss see: " + ", ".join(GAZE_MODES)
    )
    parser.add_argument("--sigma", type=float, default=DEFAULT_SIGMA, help="of the gaze map, share of frame width")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn")
    parser.add_argument("--class-weights", type=bool, default=False, help="weigh classes by the inverse of their share")
    parser.add_argument("--teach", type=TeachSettings, default=TeachSettings(), help="training of the teacher")
    parser.add_argument("--distil", type=FitSettings, default=FitSettings(), help="training of the student")
    parser.add_argument(
        "--quantise", type=QuantiseSettings, default=QuantiseSettings(), help="quantisation-aware training"
    )
    parser.add_argument("--loss", type=LossSettings, default=LossSettings(), help="weights of the distillation loss")
    parser.add_argument("--augment", type=Augmentation, default=Augmentation(), help="augmentation of all stages")
    parser.add_argument("--evaluate", type=bool, default=True, help="end with metrics.json and summary.md")
    parser.add_argument("--overwrite", action="store_true", help="train anew what the run folder holds otherwise")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check everything, name the layers TF-MOT refuses, train nothing",
    )
    return parser


def check(config) -> None:
    """Refuse what can be known to be wrong before any work.

    Raises:
        InputError: a missing folder, an unknown stage, model or gaze mode.
    """
    from models import find

    for flag in ("data", "run"):
        if config[flag] is None:
            raise InputError(f"--{flag} is missing: name the {'data set' if flag == 'data' else 'run'} folder")
    if not config.stages:
        raise InputError(f"--stages []: name any of {', '.join(STAGES)}")
    if not 0 <= config.seed < 2**32:
        raise InputError(f"--seed {config.seed}: must be at least 0 and below 2^32")
    for stage in config.stages:
        if stage not in STAGES:
            raise InputError(f"--stages {stage}: is none of {', '.join(STAGES)}")
    if config.gaze not in GAZE_MODES:
        raise InputError(f"--gaze {config.gaze}: is none of {', '.join(GAZE_MODES)}")
    if not 0 < config.sigma <= 0.5:
        raise InputError(f"--sigma {config.sigma}: must be above 0 and at most 0.5 of the frame's width")
    find(config.student, "student")
    if config.teacher != "none":
        find(config.teacher, "teacher")
