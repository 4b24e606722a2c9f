"""What is kept of each row: `row.json` (what was run), `result.json` and `predictions.csv` (what came out)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from common.documents import checked, read_json
from common.files import path_kind, sha256_of, write_text
from data.dataset import open_dataset
from studies.commands import row_command
from studies.declare import Row, Study, references

# Raised whenever a change of the code changes what an evaluation says: older results are redone.
EVALUATION_VERSION = 1


_STRICT = pydantic.ConfigDict(strict=True, extra="allow", allow_inf_nan=False)
_CURE = "delete it to do the row again"
_Seconds = Annotated[float, pydantic.Field(ge=0)]


class _Record(pydantic.BaseModel):
    """`row.json`, as far as something is computed from it."""

    model_config = _STRICT
    row: str
    command: str
    inputs: dict[str, str | None]
    state: Literal["running", "done", "failed", "interrupted"]
    attempts: Annotated[int, pydantic.Field(ge=1)]
    seconds: _Seconds
    cpu_seconds: _Seconds
    unscaled_estimate_s: _Seconds | None
    cores: Annotated[int, pydantic.Field(ge=1)]
    artefact_sha256: str | None = None
    reused: list[str] | None = None

    @pydantic.model_validator(mode="after")
    def _whole(self) -> _Record:
        if self.state == "done" and (self.artefact_sha256 is None or self.reused is None):
            raise ValueError("state is done, and artefact_sha256 or reused is missing")
        return self


class _Latency(pydantic.BaseModel):
    model_config = _STRICT
    median: _Seconds | None
    p95: _Seconds | None


class _Evaluated(pydantic.BaseModel):
    model_config = _STRICT
    accuracy: Annotated[float, pydantic.Field(ge=0, le=1)]
    macro_f1: float
    bytes: Annotated[int, pydantic.Field(ge=1)]
    latency_ms: _Latency


class _Frames(pydantic.BaseModel):
    model_config = _STRICT
    classes: list[str]
    n_frames: Annotated[int, pydantic.Field(ge=1)]
    n_patients: Annotated[int, pydantic.Field(ge=1)]


class _Result(pydantic.BaseModel):
    """`result.json`, as far as something is computed from it."""

    model_config = _STRICT
    version: int
    artefact_sha256: str | None
    dataset_checksum: str | None
    gaze: str
    row: _Evaluated
    dataset: _Frames
    machine: dict[str, Any]


def read_record(study: Study, row: Row) -> dict:
    """What was run for a row: `command`, `state`, `seconds`, ...; empty where nothing was.

    Raises:
        InputError: it is damaged.
    """
    file = study.folder(row) / "row.json"
    found = _read(file)
    if found:
        checked(_Record, found, file, _CURE)
    return found


def write_record(study: Study, row: Row, record: dict) -> None:
    _write(study.folder(row) / "row.json", record)


def read_result(study: Study, row: Row) -> dict:
    """What a row's artefact is worth; empty where it was not evaluated. `is_evaluated` says whether it is still true.

    Raises:
        InputError: it is no JSON.
    """
    return _read(study.folder(row) / "result.json")


def write_result(study: Study, row: Row, result: dict) -> None:
    _write(study.folder(row) / "result.json", result)


def predictions_path(study: Study, row: Row) -> Path:
    return study.folder(row) / "predictions.csv"


class Checksums:
    """SHA-256 of files, each read once as long as its size and time stay the same."""

    def __init__(self):
        self._known: dict[tuple, str] = {}

    def __call__(self, path: Path) -> str | None:
        """None where there is no file."""
        try:
            found = path.stat()
        except OSError:
            return None
        key = (str(path), found.st_size, found.st_mtime_ns)
        if key not in self._known:
            self._known[key] = sha256_of([path])
        return self._known[key]


def row_inputs(study: Study, row: Row, sums: Checksums) -> dict:
    """All that decides what a row's command makes: equal inputs, equal artefact.

    The command, its preset's bytes, the data set's checksum and, for each row that it is
    made from, the bytes of that row's files. What train.py itself decides on (its
    fingerprints) is left to train.py.
    """
    command = row_command(study, row)
    source = study.datasets[row.data]
    inputs = {"command": command.stored if command else "", "data": data_checksum(study, row)}
    if command and command.stored != command.shown:  # two folders that the stored text does not tell apart
        inputs["command sha256"] = hashlib.sha256(command.shown.encode()).hexdigest()
    config = (row.config or source.config) if row.how == "train" else None
    if config:
        inputs["config"] = sums(config)
    for name, path in references([row.flags, row.source]):
        other = study.row(row.table, name)
        inputs[f"row {name} {path}".rstrip()] = sums(study.run_folder(other) / path if path else study.artefact(other))
    return inputs


def artefact_checksum(study: Study, row: Row, sums: Checksums) -> str | None:
    """Of the file that is evaluated; of an ensemble, of all its members' files. None: not there."""
    if row.how == "ensemble":
        members = [artefact_checksum(study, study.row(row.table, name), sums) for name in row.members]
        return None if None in members else " ".join(member or "" for member in members)
    return sums(study.artefact(row))


def data_checksum(study: Study, row: Row, tested: bool = False) -> str | None:
    """Of the row's data set, or of the one that it is tested on; None where it is not there."""
    path = study.datasets[row.tested_on if tested else row.data].path
    return open_dataset(path).checksum if path.exists() else None


def is_done(study: Study, row: Row, sums: Checksums) -> bool:
    """Whether the row's command ran to its end with these inputs and its artefact still lies there."""
    found = artefact_checksum(study, row, sums)
    if row.how in ("ensemble", "of"):
        return found is not None and all(is_done(study, study.row(row.table, name), sums) for name in row.needs())
    record = read_record(study, row)
    return (
        found is not None
        and record.get("state") == "done"
        and record.get("artefact_sha256") == found
        and record.get("inputs") == row_inputs(study, row, sums)
    )


def is_evaluated(study: Study, row: Row, sums: Checksums, timed: bool = False) -> bool:
    """Whether the stored result is about this artefact and this data set; `timed`: with a latency too.

    Raises:
        InputError: it is, and is damaged.
    """
    result = read_result(study, row)
    current = {
        "version": EVALUATION_VERSION,
        "artefact_sha256": artefact_checksum(study, row, sums),
        "dataset_checksum": data_checksum(study, row, tested=True),
        "gaze": row.gaze,
    }
    if any(result.get(name) != value for name, value in current.items()) or not predictions_path(study, row).is_file():
        return False
    found = checked(_Result, result, study.folder(row) / "result.json", _CURE)
    return not timed or row.how == "ensemble" or found.row.latency_ms.median is not None


def _read(path: Path) -> dict:
    if path_kind(path) is None:
        return {}
    found = read_json(path, "the record of a row", _CURE)
    return found if isinstance(found, dict) else {}


def _write(path: Path, value: dict) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
