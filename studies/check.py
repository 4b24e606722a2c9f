"""The planned check: what each row stands for, models without values, options refused before any training."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import models
from baselines.registry import all_baselines
from common.console import notice
from common.errors import InputError
from common.files import write_text
from data.dataset import Dataset, open_dataset
from evaluation.report import EVALUATION_VERSION
from studies.commands import Command, absence, evaluate_command, made_from, prepare_command, row_command
from studies.declare import Row, Study, Table, choose
from studies.files import content_sha256, data_record, is_evaluated, made_files, prepare_record
from training.checks import check_sources
from training.config import TrainConfig
from training.flags import parse
from training.stages import TRAINING_VERSION

# Settings that say where something lies: the command names them, by the same words on another machine.
_FILES = ("source", "teacher_path", "pretrained", "student_init")
_PLACES = ("data", "run", "out", *_FILES)


def check(study: Study, rows: Sequence[Row]) -> None:
    """Refuse what can't be trained, and write what the workflow's rules take as inputs, where it has changed.

    Args:
        study: all of it.
        rows: with all that they are made from; those that can't be made here are named and left out.

    Raises:
        InputError: a row that train.py or compress.py would refuse, as far as that is known of the data there is; a
            data set that the workflow made by other arguments than the study has now.
    """
    refused, wanted = [], dict[Path, str]()
    for name in dict.fromkeys(name for row in rows for name in (row.data, row.test)):
        _check_prepared(study, name)
    for row in rows:
        if reason := absence(study, row):
            notice(f"absent: {row.key}: {reason}")
            continue
        try:
            wanted |= records(study, row)
            _refuse_missing(row)
        except InputError as error:
            refused.append(f"{row.key}: {error}")
    for line in refused[1:]:
        notice(f"refused: {line}")
    if refused:
        raise InputError(f"{study.path}: {len(refused)} rows are refused, so nothing is trained: {refused[0]}")
    for name, source in study.datasets.items():
        if not source.path.exists():
            for file in (data_record(study, name), prepare_record(study, name)):
                file.unlink(missing_ok=True)  # the workflow makes the data set, and these again
    for file, text in wanted.items():
        if not _holds(file, text):
            write_text(file, text)


def _check_prepared(study: Study, name: str) -> None:
    source, record = study.datasets[name], prepare_record(study, name)
    command = prepare_command(source)
    if command is None or not source.path.exists() or not record.is_file():
        return
    if (made := record.read_text(encoding="utf-8").strip()) != command.stored:
        raise InputError(
            f"{study.path}: datasets.{name}.prepare: {source.path} was made by other arguments ({made}): delete it, or "
            "restore them"
        )


def current_rows(study: Study, table: Table) -> list[Row]:
    """The rows of a table whose results are of the study, the data and the files that there are now."""
    tables = list({row.table for row in table.rows.values()})
    changed = {row.key: _changed(study, row) for row in choose(study, tables)}
    found = []
    for row in table.rows.values():
        made_from = [changed[one.key] - {"evaluation.json"} for one in choose(study, [row.table], [row.key])]
        if not any([changed[row.key], *made_from]) and is_evaluated(study, row):
            found.append(row)
    return found


def _changed(study: Study, row: Row) -> set[str]:
    """Names of a row's files that are not what they would be written as now."""
    try:
        return {file.name for file, text in records(study, row).items() if not _holds(file, text)}
    except InputError:
        return {"settings.json"}


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


def records(study: Study, row: Row) -> dict[Path, str]:
    """What a row's command, evaluation and data stand for: {file: its content}.

    Raises:
        InputError: whatever train.py or compress.py would refuse before it looks at data, or models that can't be
            built for the frames of the data set.
    """
    found: dict[Path, Any] = {}
    if command := row_command(study, row):
        config = _configuration(study, row, command)
        settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in _PLACES}
        if isinstance(config, TrainConfig):
            settings["distil"].pop("teacher_data")  # a place, too
        found[study.folder(row) / "settings.json"] = {
            "command": command.stored,
            "configuration": settings,
            "training_version": TRAINING_VERSION,
            **({"files": files} if (files := _other_files(study, row, config)) else {}),
        }
    found[study.folder(row) / "evaluation.json"] = {
        "command": evaluate_command(study, row).stored,
        "evaluation_version": EVALUATION_VERSION,
    }
    for name in (row.data, row.test, *made_from(study, row.data), *made_from(study, row.test)):
        if study.datasets[name].path.exists():
            found[data_record(study, name)] = {"checksum": _open(study.datasets[name].path).checksum}
    return {file: json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n" for file, value in found.items()}


def _other_files(study: Study, row: Row, config: Any) -> dict[str, list[str | None]]:
    """{setting: SHA-256 of its files} of those that no row of the study makes, which the workflow does not know."""
    made = {file.resolve() for other in study.others(row, row.needs()) for file in made_files(study, other)}
    found = {}
    for name in (*_FILES, "teacher"):  # the last is a file of compress.py, and a model's name of train.py
        value = getattr(config, name, None) or ()
        given = [Path(one) for one in ([value] if isinstance(value, str | Path) else value)]
        if digests := [content_sha256(file) for file in given if file.is_file() and file.resolve() not in made]:
            found[name] = digests
    return found


def _refuse_missing(row: Row) -> None:
    """Before any training: a teacher that is not there, and that is given by its path and not by the row that makes it.

    Nothing would wait for such a file.
    """
    given = (row.train or {}).get("teacher-path", [])
    for file in map(Path, [given] if isinstance(given, str) else given):
        if "{" not in str(file) and not file.is_file():
            raise InputError(
                f"teacher-path: {file} is not there: train it first, or name the row that makes it, {{row}}"
            )


def _configuration(study: Study, row: Row, command: Command) -> Any:
    """What train.py or compress.py read from a row's flags, checked as far as there are files."""
    if row.compress:
        known = all_baselines()
        if row.compress not in known:
            raise InputError(f"compress: {row.compress!r} is none of {', '.join(known)}")
        return known[row.compress].parse(command.expanded[1:])
    config: TrainConfig = parse(command.expanded).config
    check_sources(config)
    if study.datasets[row.data].path.exists():
        data = _open(study.datasets[row.data].path)
        trained = {config.student: config.student_options} if {"student", "int8"} & set(config.stages) else {}
        if config.trains_teacher:
            trained[config.teacher] = config.teacher_options
        for name, options in trained.items():
            _outline(name, (*data.frame_size, 1), len(data.classes), json.dumps(options, sort_keys=True))
    return config


@functools.cache
def _outline(name: str, shape: tuple[int, int, int], classes: int, options: str) -> None:
    models.outline(name, shape, classes, **json.loads(options))


def _open(path: Path) -> Dataset:
    written = path / "dataset.json"
    return _opened(path.resolve(), written.stat().st_mtime_ns if written.is_file() else 0)


@functools.cache
def _opened(path: Path, written: int) -> Dataset:
    return open_dataset(path)
