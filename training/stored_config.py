"""`config.yaml`: the settings of a run, and of each stage, which a later run of other settings may leave as it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from common import strict_yaml
from common.files import write_text
from common.shown import shown_path, shown_paths
from training.config import TrainConfig

CONFIG = "config.yaml"
_PATHS = """\
# Paths are as they were given. Absolute ones are relative to the folder that the command ran in, or, where they lie
# outside it, only the last part is kept: to use this file as a preset, give them again, such as --data and --run.
"""


def write_config(folder: Path, config: TrainConfig) -> None:
    """Write the settings into the folder of a run or of a stage."""
    write_text(folder / CONFIG, _PATHS + strict_yaml.dump(_as_shared(config)))


def settings_of_artefact(artefact: Path) -> dict[str, Any]:
    """The settings that an artefact of a run was trained with, as its stage keeps them; {} where there are none.

    Args:
        artefact: such as RUN/student/student.keras.

    Raises:
        InputError: no YAML of settings.
    """
    kept = artefact.parent / CONFIG
    return strict_yaml.read_mapping(kept) if kept.is_file() else {}


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
