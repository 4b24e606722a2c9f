"""What `compress.py` can be told: one parser a command, the same words for the same things."""

from __future__ import annotations

import math
from pathlib import Path

from common.errors import InputError
from common.parsing import Parser
from data.augment import Augmentation
from data.pipeline import GAZE_MODES
from losses import LossSettings
from models.channel_pruning import CRITERIA

PTQ_KINDS = ("dynamic", "float16", "int8")


def prune_flags() -> Parser:
    parser = _student_flags("Set the smallest weights of a trained student to 0 and train it on (Zhu and Gupta 2017).")
    parser.add_argument(
        "--sparsity",
        type=float,
        nargs="+",
        default=[0.5, 0.8, 0.9],
        help="shares of zeros in each kernel, one model each",
    )
    parser.add_argument(
        "--clusters",
        type=int | None,
        default=None,
        help="cluster what was pruned too, to so many values a kernel; zeros stay zeros",
    )
    return _training_flags(parser, epochs=20)


def cluster_flags() -> Parser:
    parser = _student_flags("Give each kernel of a trained student a few different values (Han et al. 2016).")
    parser.add_argument("--clusters", type=int, nargs="+", default=[16, 32], help="values a kernel, one model each")
    return _training_flags(parser, epochs=6)


def channels_flags() -> Parser:
    parser = _common_flags(
        Parser(
            description="Remove whole channels of a trained model, conventional or student; the smaller dense model is "
            "trained on by labels. OUT/keep_50/model.keras and so on, OUT/compression.json."
        )
    )
    parser.add_argument(
        "--keep", type=float, nargs="+", default=[0.5], help="shares of the channels kept in each layer, one model each"
    )
    parser.add_argument("--criterion", type=str, default="l1", help=f"which channels stay: {' or '.join(CRITERIA)}")
    parser.add_argument(
        "--reconstruct",
        type=bool,
        default=True,
        help="refit each layer by least squares before training (He et al. 2017)",
    )
    parser.add_argument("--epochs", type=int, default=6, help="passes over the training split; 0 for none")
    parser.add_argument("--learning-rate", type=float, default=1e-4, help="its peak")
    parser.add_argument("--batch-size", type=int, default=16, help="frames a step")
    parser.add_argument("--gaze", type=str | None, default=None, help=_GAZE)
    parser.add_argument("--augment", type=Augmentation, default=Augmentation(), help="augmentation")
    return parser


def ptq_flags() -> Parser:
    parser = _student_flags("Quantize a trained student without training it.", training=False)
    parser.add_argument(
        "--kinds", type=str, nargs="+", default=list(PTQ_KINDS), help=f"any of {', '.join(PTQ_KINDS)}, one file each"
    )
    return parser


def check(flags, command: str) -> None:
    """Refuse what can be known to be wrong before any work.

    Raises:
        InputError: naming the flag.
    """
    if not 0 <= flags.seed < 2**32:
        raise InputError(f"--seed {flags.seed}: must be at least 0 and below 2^32")
    for name in ("sparsity", "clusters", "keep", "kinds"):
        values = flags.get(name)
        if isinstance(values, list) and len(set(values)) != len(values):
            raise InputError(f"--{name} {' '.join(map(str, values))}: names one twice")
    for value in flags.get("sparsity") or []:
        if not 0 < value < 1:
            raise InputError(f"--sparsity {value}: must be above 0 and below 1")
    clusters = flags.get("clusters")
    for value in clusters if isinstance(clusters, list) else [clusters] if clusters is not None else []:
        if value < 3:
            raise InputError(f"--clusters {value}: at least 3 are needed: one below zero, zero, one above")
    for value in flags.get("keep") or []:
        if not 0 < value <= 1:
            raise InputError(f"--keep {value}: must be above 0 and at most 1")
    if flags.get("criterion", "l1") not in CRITERIA:
        raise InputError(f"--criterion {flags.criterion}: is none of {', '.join(CRITERIA)}")
    for kind in flags.get("kinds") or []:
        if kind not in PTQ_KINDS:
            raise InputError(f"--kinds {kind}: is none of {', '.join(PTQ_KINDS)}")
    if flags.get("gaze") is not None and flags.gaze not in GAZE_MODES:
        raise InputError(f"--gaze {flags.gaze}: is none of {', '.join(GAZE_MODES)}")
    for name, least in (("epochs", command != "channels"), ("int8_epochs", 0), ("batch_size", 1)):
        if flags.get(name, least) < least:
            raise InputError(f"--{name.replace('_', '-')} {flags[name]}: must be at least {int(least)}")
    for name in ("learning_rate", "int8_learning_rate"):
        if not 0 < flags.get(name, 1.0) < math.inf:
            raise InputError(f"--{name.replace('_', '-')} {flags[name]}: must be above 0")
    if command in ("prune", "cluster") and flags.teacher is None:
        flags.loss.refuse_without_teacher("set teacher")


_GAZE = f"what teacher and gaze loss see: {', '.join(GAZE_MODES)} (default: as the source was trained)"


def _common_flags(parser: Parser) -> Parser:
    parser.add_argument("source", type=Path, help="trained model (.keras) with its metadata beside it")
    parser.add_argument("--data", type=Path, required=True, help="data set folder, made by prepare.py")
    parser.add_argument("--out", type=Path, required=True, help="folder of what comes out; must not exist yet")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if this command wrote it")
    return parser


def _student_flags(description: str, training: bool = True) -> Parser:
    lies = " OUT/MODEL/student.keras, .tflite files and their sizes: see OUT/compression.json." if training else ""
    parser = _common_flags(Parser(description=description + lies))
    if training:
        parser.add_argument(
            "--student-options",
            type=dict | None,
            default=None,
            help="what the student was built with, such as '{width: 0.45}' (default: from its run's config.yaml)",
        )
    return parser


def _training_flags(parser: Parser, epochs: int) -> Parser:
    parser.add_argument("--teacher", type=Path | None, default=None, help="distil on from it (.keras); without, labels")
    parser.add_argument("--epochs", type=int, default=epochs, help="passes over the training split, for each step")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="its peak")
    parser.add_argument(
        "--int8-epochs",
        type=int,
        default=2,
        help="quantization-aware passes that keep zeros and clusters; 0 leaves student_int8.tflite out",
    )
    parser.add_argument("--int8-learning-rate", type=float, default=2e-4, help="its peak in those")
    parser.add_argument("--batch-size", type=int, default=32, help="frames a step")
    parser.add_argument("--gaze", type=str | None, default=None, help=_GAZE)
    parser.add_argument(
        "--loss",
        type=LossSettings,
        default=LossSettings(),
        help="of the distillation, as in train.py; without --teacher it is the labels alone",
    )
    parser.add_argument("--augment", type=Augmentation, default=Augmentation(), help="augmentation")
    return parser
