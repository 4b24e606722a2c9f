"""Strict CSV tables: every cell can be traced to the file, the line and the column."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.errors import InputError


@dataclasses.dataclass(frozen=True)
class Row:
    """One data row of a table; cells are stripped strings, an absent column is ""."""

    file: Path
    line: int  # as an editor counts: the header is line 1
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """The cell, which must not be empty."""
        value = self.cells.get(column, "")
        if not value:
            raise self.error(column, "is empty", "fill it in")
        return value

    def number(self, column: str) -> float | None:
        """The cell as a finite number; None if it is empty."""
        value = self.cells.get(column, "")
        if not value:
            return None
        try:
            number = float(value)
        except ValueError:
            raise self.error(column, f"{value!r} is no number", "write it with a decimal point") from None
        if not math.isfinite(number):
            raise self.error(column, f"{value!r} is no finite number", "correct it or leave it empty")
        return number

    def error(self, column: str, found: str, cure: str) -> InputError:
        """An `InputError` that names file, line and column."""
        return InputError(f"{self.file}: line {self.line}, column {column}: {found}: {cure}")


def read_table(path: Path, *, required: Sequence[str], optional: Sequence[str] = (), what: str) -> list[Row]:
    """Read a comma-separated table with a header, UTF-8 with or without a byte order mark.

    Args:
        path: the file.
        required, optional: its columns; any other is an error, with the nearest name told.
        what: what the file is, for messages ("the recording manifest").

    Raises:
        InputError: missing, empty, no UTF-8, a column missing, unknown or twice, a row
            with more or fewer cells than the header.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file ({what}): check the path")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            lines, before = [], 0
            for cells in reader:
                # A quoted cell may span lines; a row is named by the line it starts on.
                lines.append((before + 1, [cell.strip() for cell in cells]))
                before = reader.line_num
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text ({error.reason}): save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: is no CSV ({error}): save it as CSV in UTF-8") from error
    lines = [(line, cells) for line, cells in lines if any(cells)]
    if not lines:
        raise InputError(f"{path}: the file is empty: {what} needs the columns {', '.join(required)}")
    header = lines[0][1]
    _check_header(path, header, required, optional)
    if len(lines) == 1:
        raise InputError(f"{path}: has a header and no row: {what} needs at least one")
    return [_row(path, line, header, cells) for line, cells in lines[1:]]


def nearest(word: str, words: Iterable[str]) -> str:
    """ " (did you mean ...?)", or "" when nothing is near."""
    found = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _check_header(path: Path, header: list[str], required, optional) -> None:
    known = [*required, *optional]
    for column in header:
        if header.count(column) > 1:
            raise InputError(f"{path}: column {column!r} comes twice in the header: keep one")
    missing = [column for column in required if column not in header]
    if missing:
        separator = ", separate the columns by commas" if len(header) == 1 else ""
        raise InputError(
            f"{path}: column {missing[0]} is missing, the header has {', '.join(map(repr, header))}: add it{separator}"
        )
    for column in header:
        if column not in known:
            raise InputError(
                f"{path}: unknown column {column!r}{nearest(column, known)}: remove or rename it, "
                f"the columns are {', '.join(known)}"
            )


def _row(path: Path, line: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        raise InputError(
            f"{path}: line {line} has {len(cells)} cells, the header has {len(header)}: "
            'put a cell that holds commas in quotes, like "0,0,640,480"'
        )
    return Row(path, line, dict(zip(header, cells)))
