"""The run folder: where each artefact lies, and whether what lies there may be reused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from common.errors import InputError
from models.metadata import read_metadata

# Artefacts of each stage, relative to the run folder; the first one decides about reuse.
ARTEFACTS = {
    "teacher": ("teacher/teacher.keras",),
    "student": ("student/student.keras", "student/saved_model", "student/student.tflite"),
    "int8": ("int8/student_int8.tflite", "int8/saved_model", "int8/student_ptq.tflite"),
}


def fingerprint(*parts) -> str:
    """Short hash of JSON-serialisable settings: equal settings, equal fingerprint."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def artefacts(run: Path, stage: str) -> list[Path]:
    """Paths of a stage's artefacts."""
    return [run / name for name in ARTEFACTS[stage]]


def finished(run: Path, stage: str, wanted: str, overwrite: bool) -> bool:
    """Whether the run folder holds this stage, trained with the settings `wanted` stands for.

    Raises:
        InputError: it holds the stage with other settings, and `overwrite` is false.
    """
    paths = artefacts(run, stage)
    if not any(path.exists() for path in paths):
        return False
    if all(path.exists() for path in paths) and read_metadata(paths[0]).extra.get("fingerprint") == wanted:
        return True
    if overwrite:
        shutil.rmtree(run / stage)
        return False
    raise InputError(
        f"{run / stage}: holds a {stage} that is unfinished or was trained with other settings or data: "
        "name another --run folder or give --overwrite"
    )
