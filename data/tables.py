"""Strict tables (CSV, or the first sheet of XLSX): every cell can be traced to the file, the line and the column."""

from __future__ import annotations

import dataclasses
import difflib
import math
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.errors import InputError, disk_errors
from common.files import check_file
from data.delimited import lines_of, separator_of, split_rows
from data.filetypes import known_kind

_LIMIT_BYTES = 512 << 20
_LIMIT_COLUMNS = 1000
_SAVE = "save it as CSV in UTF-8"
_SEPARATE = "separate the columns by"


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
            number = float(value) if "_" not in value else math.nan
        except ValueError:
            number = None
        if number is None or "_" in value:
            cure = "write it with a decimal point"
            if value.count(":"):
                cure = "write seconds, like 61.5 for 00:01:01.5"
            raise self.error(column, f"{value!r} is no number", cure)
        if not math.isfinite(number):
            raise self.error(column, f"{value!r} is no finite number", "correct it or leave it empty")
        return number

    def error(self, column: str, found: str, cure: str) -> InputError:
        """An `InputError` that names file, line and column."""
        return InputError(f"{self.file}: line {self.line}, column {column}: {found}: {cure}")


def read_table(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    what: str,
    separators: str = ",",
    others: bool = False,
    hints: dict[str, str] | None = None,
) -> list[Row]:
    """Read a table with a header: CSV in UTF-8 with or without a byte order mark, or an XLSX workbook.

    Args:
        path: the file; `.xlsx` is read as a workbook.
        required, optional: its columns, found whatever blanks stand around their names.
        what: what the file is, for messages ("the recording manifest").
        separators: characters that may separate cells; the one that gives the most columns
            of the header is taken.
        others: further columns are left out; otherwise they are an error, with the nearest
            name shown.
        hints: {column that is not one of these: the cure to show instead}.

    Raises:
        InputError: missing, empty, no UTF-8, a column missing, unknown or twice, a NUL byte, a
            row with more or fewer cells than the header. A file of another kind is named.
    """
    path = check_file(path, what)
    lines = _sheet(path) if _is_workbook(path) else _csv(path, separators)
    lines = [(line, cells) for line, cells in lines if any(cells)]
    if not lines:
        raise InputError(f"{path}: the file is empty: {what} needs the columns {', '.join(required)}")
    header = lines[0][1]
    _check_header(path, header, required, optional, others, separators, hints or {})
    if len(lines) == 1:
        raise InputError(f"{path}: has a header and no row: {what} needs at least one")
    return [_row(path, line, header, cells) for line, cells in lines[1:]]


def nearest(word: str, words: Iterable[str]) -> str:
    """ " (did you mean ...?)", or "" when nothing is near."""
    found = difflib.get_close_matches(word[:100], list(words)[:1000], n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _csv(path: Path, separators: str) -> list[tuple[int, list[str]]]:
    with disk_errors(path):
        if path.stat().st_size > _LIMIT_BYTES:
            raise InputError(f"{path}: has more than {_LIMIT_BYTES >> 20} MB, too much for a table: check the path")
        data = path.read_bytes()
    if kind := known_kind(data):
        raise InputError(f"{path}: is {kind.what}: {kind.cure}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text ({error.reason}): {_SAVE}") from error
    lines = lines_of(text)
    for number, line in enumerate(lines, 1):
        if "\0" in line:  # newer csv modules let it through, and it would end in a name
            raise InputError(f"{path}: line {number}: holds a NUL byte: {_SAVE}")
    separator = separator_of(next((line for line in lines if line.strip()), ""), separators)
    rows = split_rows(lines, separator, path, _SAVE, strict=True)
    return [(number, [cell.strip() for cell in cells]) for number, cells in rows]


def _is_workbook(path: Path) -> bool:
    """By name and content: a CSV that was only renamed is a CSV."""
    if path.suffix.casefold() != ".xlsx":
        return False
    with disk_errors(path), path.open("rb") as stream:
        return stream.read(2) == b"PK"


def _sheet(path: Path) -> list[tuple[int, list[str]]]:
    """The first sheet of a workbook; whole numbers come without a decimal point."""
    import openpyxl  # type: ignore[import-untyped]

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _LIMIT_BYTES or size > 1000 * path.stat().st_size:
            raise InputError(f"{path}: unpacks to {size:,} bytes, too much for a table: {_SAVE}")
        with warnings.catch_warnings(action="ignore"):
            workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
            rows = workbook.worksheets[0].iter_rows(values_only=True)
            lines = [(line, [_cell_text(value) for value in row]) for line, row in enumerate(rows, 1)]
            workbook.close()
    except InputError:
        raise
    # openpyxl says what is wrong with a workbook by whatever its parts raise.
    except Exception as error:
        raise InputError(f"{path}: can't be read as a workbook ({error}): {_SAVE}") from error
    columns = max((index + 1 for _, row in lines for index, cell in enumerate(row) if cell), default=0)
    return [(line, (row + [""] * columns)[:columns]) for line, row in lines]


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _names_of(separators: str) -> str:
    return " or ".join({",": "commas", ";": "semicolons", "\t": "tabs"}[separator] for separator in separators)


def _check_header(
    path: Path,
    header: list[str],
    required: Sequence[str],
    optional: Sequence[str],
    others: bool,
    separators: str,
    hints: dict[str, str],
) -> None:
    known = [*required, *optional]
    if len(header) > _LIMIT_COLUMNS:
        raise InputError(f"{path}: has {len(header):,} columns: check the path, the columns are {', '.join(known)}")
    twice = [column for column, count in Counter(header).items() if count > 1 and (not others or column in known)]
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} comes twice in the header: keep one")
    missing = [column for column in required if column not in header]
    if missing:
        if len(header) == 1 and all(column in header[0] for column in required):
            raise InputError(f"{path}: its header is the one column {header[0]!r}: {_SEPARATE} {_names_of(separators)}")
        hint = next((f": {hints[column]}" for column in header if column in hints), ": add it")
        separator = f", {_SEPARATE} {_names_of(separators)}" if len(header) == 1 else ""
        there = ", ".join(map(repr, header[:20])) + (" ..." if len(header) > 20 else "")
        raise InputError(f"{path}: column {missing[0]} is missing, the header has {there}{hint}{separator}")
    for column in header:
        if not others and column not in known:
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
