"""The files of a study that its workflow goes by, and whether they still belong together.

    RUNS/data/NAME.json             a data set's checksum
    RUNS/TABLE/ROW/settings.json    the command, the configuration that it resolves to, the training version
    RUNS/TABLE/ROW/evaluation.json  what is evaluated, and how
    RUNS/data/NAME.prepare.txt      the command that made the data set, where the workflow did
    RUNS/TABLE/ROW/trained.txt      SHA-256 of what decided about the training, and of what it made
    RUNS/TABLE/ROW/evaluated.txt    SHA-256 of what decided about the evaluation
    RUNS/TABLE/ROW/result.json, predictions.csv, log.txt, time.tsv

The three .json files are written by `studies.check`, and only where they change; the rest by the workflow.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from common.files import sha256_of
from studies.declare import Row, Study


def data_record(study: Study, name: str) -> Path:
    """File with a data set's checksum."""
    return study.runs / "data" / f"{name}.json"


def prepare_record(study: Study, name: str) -> Path:
    """File with the command that made a data set; no rule's input."""
    return study.runs / "data" / f"{name}.prepare.txt"


def trained_rows(study: Study, row: Row) -> list[Row]:
    """The rows whose commands make what a row is evaluated with: itself, or others."""
    if row.trains:
        return [row]
    return [one for other in study.others(row, row.parts()) for one in trained_rows(study, other)]


def training_inputs(study: Study, row: Row) -> list[Path]:
    """The files on which a row's training depends: its settings, its data, what it is made from."""
    needed = [one for other in study.others(row, row.needs()) for one in trained_rows(study, other)]
    files = [study.folder(one) / "trained.txt" for one in needed]
    return list(dict.fromkeys([study.folder(row) / "settings.json", data_record(study, row.data), *files]))


def evaluation_inputs(study: Study, row: Row) -> list[Path]:
    """The files on which the evaluation of a row depends."""
    files = [study.folder(one) / "trained.txt" for one in trained_rows(study, row)]
    return list(dict.fromkeys([study.folder(row) / "evaluation.json", data_record(study, row.test), *files]))


def made_files(study: Study, row: Row) -> list[Path]:
    """The files of a row's run that are evaluated, or that other rows are made from."""
    found = study.artefacts(row)
    for other in study.rows():
        known = (row.name, row.key) if other.table == row.table else (row.key,)
        if other.of and other.parts()[0] in known:
            found += study.artefacts(other)
        found += [study.run_folder(row) / path for name, path in other.references() if path and name in known]
    return list(dict.fromkeys(found))


def is_trained(study: Study, row: Row) -> bool:
    """Whether what a row's command made is there, and was made from the files that there are now."""
    above = [one for other in study.others(row, row.needs()) for one in trained_rows(study, other)]
    files = [*training_inputs(study, row), *made_files(study, row)]
    return _stands(study.folder(row) / "trained.txt", files) and all(is_trained(study, one) for one in above)


def is_evaluated(study: Study, row: Row) -> bool:
    """Whether a row's result is of the files that there are now."""
    stands = _stands(study.folder(row) / "evaluated.txt", evaluation_inputs(study, row))
    return stands and all(is_trained(study, one) for one in trained_rows(study, row))


def _stands(record: Path, files: Sequence[Path]) -> bool:
    """Whether a file holds the SHA-256 of others, one per line."""
    return record.is_file() and record.read_text(encoding="utf-8").split() == [content_sha256(file) for file in files]


def content_sha256(file: Path) -> str | None:
    """SHA-256 (hex) of a file, computed once as long as it stays as it is; None where it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return _sha256_as_it_is(file, found.st_size, found.st_mtime_ns)


@functools.cache
def _sha256_as_it_is(file: Path, size: int, changed: int) -> str:
    return sha256_of([file])
