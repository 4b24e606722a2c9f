"""`config.yaml`: the settings of a run, and of each stage, which a later run of other settings may leave as it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from common import strict_yaml
from common.errors import InputError
from common.files import write_text
from common.shown import shown_path, shown_paths
from evaluation.artefacts import Metadata
from training.config import TrainConfig

CONFIG = "config.yaml"
_PATHS = """\
# Paths are as they were given. Absolute ones are relative to the folder that the command ran in, or, where they lie
# outside it, only the last part is kept: to use this file as a preset, give them again, such as --data and --run.
"""
# Settings that an artefact's metadata keep in `extra` as they were given.
_KEPT = ("seed", "gaze", "labelled_patients", "labelled_share", "class_weights")


def write_config(folder: Path, config: TrainConfig) -> None:
    """Write the settings into the folder of a run or of a stage."""
    write_text(folder / CONFIG, _PATHS + strict_yaml.dump(_as_shared(config)))


def settings_of_artefact(artefact: Path, metadata: Metadata) -> dict[str, Any]:
    """The settings that an artefact of a run was trained with: its stage's, else its run's; {} where there are none.

    A run's `config.yaml` is of its latest command. Stages that were trained before each kept its own may be of
    another one, which is known where their metadata differ.

    Args:
        artefact: such as RUN/student/student.keras. metadata: of it.

    Raises:
        InputError: no YAML of settings, or those of another configuration.
    """
    own, of_run = (folder / CONFIG for folder in (artefact.parent, artefact.parent.parent))
    if own.is_file():
        return strict_yaml.read_mapping(own)
    settings = strict_yaml.read_mapping(of_run) if of_run.is_file() else {}
    for name in _KEPT:
        if name in settings and name in metadata.extra and settings[name] != metadata.extra[name]:
            raise InputError(
                f"{of_run}: has {name} {settings[name]!r}, and {artefact} was trained with {metadata.extra[name]!r}: "
                "give train.py the settings of that one again, which writes the file again"
            )
    return settings


def _as_shared(config: TrainConfig) -> TrainConfig:
    """The configuration with paths that say nothing of the machine."""
    other = config.distil.teacher_data
    return dataclasses.replace(
        config,
        data=shown_path(config.data),
        run=shown_path(config.run),
        distil=dataclasses.replace(config.distil, teacher_data=other and Path(shown_path(other))),
        teacher_path=tuple(map(Path, shown_paths(config.teacher_path))),
        pretrained=config.pretrained and shown_path(config.pretrained),
        student_init=shown_path(config.student_init),
    )
