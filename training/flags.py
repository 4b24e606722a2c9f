"""The flags of `train.py`: those of `TrainConfig`, and what is asked of one run alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import models
from common.parsing import Parser, read_presets, settings_of, split_presets
from training.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Request:
    """A command line: a configuration, and what is to be done with it.

    Attributes:
        config: of the run.
        overwrite: replace the stages that the run folder holds of other settings.
        dry_run: check everything, train nothing.
        verify: check every byte and record of the data set first.
    """

    config: TrainConfig
    overwrite: bool = False
    dry_run: bool = False
    verify: bool = False


def build_parser(preset: dict[str, Any] | None = None) -> Parser:
    """The parser of `train.py`; `preset` replaces defaults (see `common.parsing.read_presets`)."""
    parser = Parser(
        prog="train.py",
        description=(
            "Train a teacher (frames and gaze), distil a compact student (frames alone), quantize it to 8 bits, "
            "export and evaluate. A stage that the run folder holds already, trained with the same settings on the "
            "same data, is reused; an interrupted stage goes on after its last whole epoch."
        ),
    )
    parser.add_argument(
        "--config",
        type=str,
        metavar="FILE",
        help="YAML preset, such as configs/demo.yaml or the config.yaml of a run; may be given several times, and "
        "every other flag wins",
    )
    about = {
        "teacher": f"none, or the model that teaches; one of {', '.join(models.names('teacher'))}",
        "student": f"the model that learns; one of {', '.join(models.names('student'))}",
    }
    parser.add_settings(TrainConfig, preset, about)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the stages that the run folder holds of other settings"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, name the layers TF-MOT refuses, train nothing"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="check every byte and record of the data set first; data sets of up to 64 MB always are",
    )
    return parser


def parse(words: list[str]) -> Request:
    """What the words of a command line ask for.

    Raises:
        InputError: a flag, a preset or a setting that is wrong.
    """
    files, words = split_presets(words)
    parser = build_parser(read_presets(TrainConfig, files))
    flags = parser.parse_args(words)
    return Request(settings_of(TrainConfig, parser, flags), flags.overwrite, flags.dry_run, flags.verify)
