"""What `train.py` can be told: flags, their defaults, YAML presets."""

from __future__ import annotations

import json
from pathlib import Path

import models
from common.parsing import Parser
from data.augment import Augmentation
from data.pipeline import GAZE_MODES
from data.saliency import DEFAULT_SIGMA
from models.objective import LossSettings
from training.settings import FitSettings, PretrainSettings, QuantizeSettings, TeachSettings

STAGES = ("teacher", "student", "int8")
STUDENT_STARTS = ("drawn", "teacher")  # or trained weights: imagenet, a file


class TrainParser(Parser):
    """Flags of `train.py`; those of several teachers take their words one after the other."""

    def parse_args(self, args=None, *rest, **kwargs):
        """Parse; `--teacher-path a b` is `--teacher-path '["a", "b"]'`, as a preset says it."""
        if args is not None:
            args = _joined(list(args), ("--teacher-path", "--teacher-weights"))
        return super().parse_args(args, *rest, **kwargs)


def _joined(words: list[str], flags: tuple[str, ...]) -> list[str]:
    """The words that follow one of the flags as one word: JSON where they are several."""
    out = []
    while words:
        out.append(words.pop(0))
        if out[-1] in flags:
            values = []
            while words and not words[0].startswith("--"):
                values.append(words.pop(0))
            if values:
                numbers = out[-1] == "--teacher-weights" and not values[0].startswith("[")
                out.append(
                    f"[{', '.join(values)}]" if numbers else values[0] if len(values) == 1 else json.dumps(values)
                )
    return out


def build_parser() -> Parser:
    """The parser of `train.py`: `--config` sets defaults, the command line wins."""
    parser = TrainParser(
        prog="train.py",
        description=(
            "Train a teacher (frames and gaze), distil a compact student (frames alone), quantize it to 8 bits, "
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
    parser.add_argument(
        "--teacher", type=str, default="vgg16", help="none, or one of " + ", ".join(models.names("teacher"))
    )
    parser.add_argument(
        "--teacher-options",
        type=dict,
        default={},
        help="of its family, such as '{fusion: concat, width: 0.5}'; a wrong one is answered with those there are",
    )
    parser.add_argument(
        "--teacher-path",
        type=list[Path] | Path | None,
        default=None,
        help="a trained teacher (.keras) instead of training one; several, one after the other, teach as an ensemble",
    )
    parser.add_argument(
        "--teacher-weights",
        type=list[float] | None,
        default=None,
        help="one for each --teacher-path, of its soft targets; without them all count alike",
    )
    parser.add_argument(
        "--pretrained",
        type=str | None,
        default=None,
        help="what the teacher starts from: imagenet, or a file of weights: .keras, .h5, the .npz of SonoNet's authors",
    )
    parser.add_argument("--student", type=str, default="squeezenet_1_1", help=", ".join(models.names("student")))
    parser.add_argument(
        "--student-options",
        type=dict,
        default={},
        help="of its family, such as '{width: 0.45}'; a wrong one is answered with those there are",
    )
    parser.add_argument(
        "--student-start",
        type=str,
        default="drawn",
        help="what the student starts from: drawn weights; teacher: the best channels of a teacher of its family; "
        "imagenet (MobileNets of 0.25 or 0.35 and wider); or a file of weights (.keras, .h5)",
    )
    parser.add_argument(
        "--gaze", type=str, default="real", help="what teacher and gaze loss see: " + ", ".join(GAZE_MODES)
    )
    parser.add_argument("--sigma", type=float, default=DEFAULT_SIGMA, help="of the gaze map, share of frame width")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn")
    parser.add_argument("--class-weights", type=bool, default=False, help="weigh classes by the inverse of their share")
    parser.add_argument("--teach", type=TeachSettings, default=TeachSettings(), help="training of the teacher")
    parser.add_argument(
        "--pretrain",
        type=PretrainSettings,
        default=PretrainSettings(),
        help="training of the student on the gaze alone, before the rest",
    )
    parser.add_argument("--distil", type=FitSettings, default=FitSettings(), help="training of the student")
    parser.add_argument(
        "--quantize", type=QuantizeSettings, default=QuantizeSettings(), help="quantization-aware training"
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


def teacher_paths(config) -> list[Path]:
    """The trained teachers that were given: none, one or several."""
    given = config.teacher_path
    return [] if given is None else [Path(path) for path in given] if isinstance(given, list) else [Path(given)]


def has_teacher(config) -> bool:
    """Whether the student has any teacher: one to train, or given ones."""
    return config.teacher != "none" or config.teacher_path is not None
