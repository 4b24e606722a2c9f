"""The run folder: where each artefact lies, and whether what lies there may be reused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from common import strict_yaml
from common.errors import InputError
from common.files import path_kind
from evaluation.artefacts import read_metadata
from training.stored_config import CONFIG

# What of each stage is evaluated, relative to the run folder; the first one decides about reuse.
ARTEFACTS = {
    "teacher": ("teacher/teacher.keras",),
    "student": ("student/student.keras", "student/saved_model", "student/student.tflite"),
    "int8": ("int8/student_int8.tflite", "int8/saved_model", "int8/student_ptq.tflite"),
}


def fingerprint(shared: dict[str, Any], **settings: Any) -> str:
    """Short hash of named settings, dataclasses among them: equal settings, equal fingerprint."""
    text = json.dumps({**shared, **settings}, sort_keys=True, default=_as_json)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _as_json(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)


def artefacts(run: Path, stage: str) -> list[Path]:
    """Paths of a stage's artefacts."""
    return [run / name for name in ARTEFACTS[stage]]


def holds(run: Path, stage: str, wanted: str) -> bool:
    """Whether the run folder holds the whole stage, trained with the settings `wanted` stands for."""
    paths = artefacts(run, stage)
    if not all(path.exists() for path in paths):
        return False
    return read_metadata(paths[0]).extra.get("fingerprint") == wanted


def check_folder(run: Path) -> None:
    """Refuse what can't be a run folder, or holds a `config.yaml` that no run wrote and that would be replaced.

    Raises:
        InputError: it is a file, or such a `config.yaml` is there.
    """
    if path_kind(run) == "file":
        raise InputError(f"{run}: is a file, and a run is a folder: name another one")
    kept = run / CONFIG
    if not kept.exists():
        return
    try:
        found = set(strict_yaml.read_mapping(kept))
    except InputError:  # no settings, so none of a run
        found = set()
    if not {"data", "run", "stages"} <= found:  # every release wrote these
        raise InputError(f"{kept}: was not written by a run and would be replaced: name another run folder")


def may_train(run: Path, stage: str, overwrite: bool) -> None:
    """Refuse to replace what lies there without `overwrite`; it is replaced when the new one is whole.

    Raises:
        InputError: the run folder holds something of the stage, and `overwrite` is false; the stage's folder holds
            files that no run wrote.
    """
    folder = run / stage
    if folder.is_dir() and not (folder / CONFIG).exists() and not any(path.exists() for path in artefacts(run, stage)):
        foreign = next((path.name for path in sorted(folder.iterdir()) if not path.name.startswith(".")), None)
        if foreign is not None:  # with overwrite too: a slip of the keyboard never costs somebody's own files
            raise InputError(f"{folder}: holds {foreign} and no {stage} of a run: name another run folder")
    if overwrite or not any(path.exists() for path in artefacts(run, stage)):
        return
    raise InputError(
        f"{run / stage}: holds a {stage} that is unfinished or was trained with other settings or data: "
        "name another run folder or set overwrite"
    )
