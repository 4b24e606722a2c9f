"""The text tables that eye trackers export: encodings, separators, numbers, and where a bad cell is."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from common.errors import InputError, disk_errors

T = TypeVar("T")

# Some exports begin with lines about the study; a header further down than this is none.
_HEADER_WITHIN_LINES = 64
# How C runtimes on Windows print NaN and infinity into exports.
_WINDOWS_NAN = re.compile(r"-?1\.#(IND|QNAN|SNAN|INF)0*", re.IGNORECASE)
_BRACKET = re.compile(r"(.+?)\s*[\[(]([^\[\]()]*)[\])]")
# In these units and systems a column is not the gaze on the screen in pixels.
_OTHER_SYSTEMS = ("mcs", "mm", "norm", "hucs")


class Header:
    """Column names of one line, found whatever their case and unit suffix.

    `Gaze point X [DACS px]` is found as that and as `gaze point x`, unless a column
    has just that name; a suffix for another coordinate system keeps its column apart.
    """

    def __init__(self, names: Iterable[str]):
        self.names = [_clean(name) for name in names]
        self.index: dict[str, int] = {}
        self.unit: dict[str, str] = {}
        for i, name in enumerate(self.names):
            if name:
                self.index.setdefault(name.casefold(), i)
        for i, name in enumerate(self.names):
            match = _BRACKET.fullmatch(name.casefold())
            if not match or any(system in match[2] for system in _OTHER_SYSTEMS):
                continue
            if self.index.setdefault(match[1], i) == i:
                self.unit[match[1]] = match[2]

    def __contains__(self, name: str) -> bool:
        return name in self.index


@dataclasses.dataclass(frozen=True)
class Table:
    """The wanted columns of an export, as text, with the line each row stands on.

    Attributes:
        path: of the file.
        header: of the whole file.
        lines: line in the file of each row, from 1, as an editor shows it.
        cells: {column name: one text per row}; names are lower case.
    """

    path: Path
    header: Header
    lines: list[int]
    cells: Mapping[str, list[str]]

    def __len__(self) -> int:
        return len(self.lines)

    def has(self, *names: str) -> bool:
        """Whether all these columns are there."""
        return all(name in self.cells for name in names)

    def where(self, keep: np.ndarray) -> Table:
        """The rows for which `keep`, bool [n], is true."""
        rows = np.flatnonzero(keep).tolist()
        cells = {name: [column[i] for i in rows] for name, column in self.cells.items()}
        return Table(self.path, self.header, [self.lines[i] for i in rows], cells)

    def blank(self, *names: str) -> np.ndarray:
        """bool [n]: rows in which all these columns are empty or absent."""
        blank = np.ones(len(self), bool)
        for name in names:
            if name in self.cells:
                blank &= np.array([not text for text in self.cells[name]], bool)
        return blank

    def numbers(self, name: str, *, empty: bool = False, nan_where: np.ndarray | None = None) -> np.ndarray:
        """A column as float64 [n].

        Args:
            name: of the column.
            empty: an empty cell is NaN; otherwise it is an error.
            nan_where: bool [n], rows in which NaN or infinity may be written out.

        Raises:
            InputError: text, NaN, infinity or emptiness in a place not named above.
        """
        values = np.full(len(self), np.nan)
        for i, text in enumerate(self.cells[name]):
            if text:
                values[i] = self._finite(i, name, text, text, nan_where)
            elif not empty:
                raise self.error(i, name, text, "write a number there or delete the row")
        return values

    def pairs(self, name: str, *, nan_where: np.ndarray) -> np.ndarray:
        """A column of `(x, y)` cells as float64 [n, 2]; as `numbers(empty=True)` otherwise."""
        values = np.full((len(self), 2), np.nan)
        for i, text in enumerate(self.cells[name]):
            if not text:
                continue
            parts = text.strip("()[]").split(",")
            if len(parts) != 2:
                raise self.error(i, name, text, "write a pair (x, y)")
            for j, part in enumerate(parts):
                values[i, j] = self._finite(i, name, text, part.strip(), nan_where)
        return values

    def codes(self, name: str, meaning: Mapping[str, T]) -> list[T]:
        """A column of codes, each translated by `meaning`; keys are lower case, "" is an empty cell."""
        values = []
        for i, text in enumerate(self.cells[name]):
            code = text.casefold()
            if code not in meaning:
                code = re.sub(r"[.,]0*$", "", code)
            if code not in meaning:
                known = ", ".join(key for key in meaning if key)
                raise self.error(i, name, text, f"the codes are {known}")
            values.append(meaning[code])
        return values

    def error(self, row: int, name: str, found: str, cure: str) -> InputError:
        """The error for one cell."""
        column = self.header.names[self.header.index[name]]
        shown = repr(found) if found else "an empty cell"
        return InputError(f"{self.path}: row {self.lines[row]}, column {column!r}: found {shown}: {cure}")

    def _finite(self, row: int, name: str, cell: str, text: str, nan_where: np.ndarray | None) -> float:
        value = _number(text)
        if value is None:
            raise self.error(row, name, cell, "it is not a number; correct it or delete the row")
        if not np.isfinite(value):
            if nan_where is None or not nan_where[row]:
                raise self.error(row, name, cell, "must be finite; leave it empty if the sample is missing")
            return np.nan
        return value


def read_table(
    path: str | os.PathLike, recognise: Callable[[Header], tuple[T, Collection[str]] | None]
) -> tuple[T, Table] | tuple[None, list[str]]:
    """Read the table in an export.

    UTF-8 with or without BOM, UTF-16 and Windows-1252; tab, `;` or `,` between cells;
    a comma or a point in numbers; lines above the header are passed over.

    Args:
        path: of the file.
        recognise: gives what a header belongs to and the columns wanted, or None.

    Returns:
        (what `recognise` gave, the table), or (None, the first line's cells) where no
        header was recognised.

    Raises:
        InputError: no such file, an empty one, a row cut short, or no row.
    """
    path = Path(path)
    lines = io.StringIO(_decode(path), newline=None).read().split("\n")
    first: list[str] = []
    for number, line in enumerate(lines[:_HEADER_WITHIN_LINES], 1):
        separator = max("\t;,", key=line.count)
        header = Header(_cells([line], separator, path).__next__()[1] if line else [])
        first = first or [name for name in header.names if name]
        if found := recognise(header):
            what, wanted = found
            return what, _fill(path, header, wanted, lines[number:], separator, number)
    return None, first


def _fill(path: Path, header: Header, wanted: Collection[str], lines: list[str], separator: str, above: int) -> Table:
    picks = [(name, header.index[name]) for name in wanted if name in header]
    needed = max(column for _, column in picks) + 1
    numbers: list[int] = []
    cells: dict[str, list[str]] = {name: [] for name, _ in picks}
    for number, row in _cells(lines, separator, path):
        if not any(row):
            continue
        if len(row) < needed or any(row[len(header.names) :]):
            # Too many is what unquoted decimal commas between commas come to.
            raise InputError(
                f"{path}: row {number + above} has {len(row)} cells, the header {len(header.names)}: "
                "the row was cut or has a stray separator; export the file again or correct the row"
            )
        numbers.append(number + above)
        for name, column in picks:
            cells[name].append(_clean(row[column]))
    if not numbers:
        raise InputError(f"{path}: has a header and no row of data: export the recording again")
    return Table(path, header, numbers, cells)


def _cells(lines: list[str], separator: str, path: Path):
    # Tobii's TSV exports do not quote, so a quotation mark in an event's text is only that.
    quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, quoting=quoting)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}: row {reader.line_num} can't be read ({error}): export it again") from error


def _decode(path: Path) -> str:
    with disk_errors(path):
        data = path.read_bytes()
    if not data.strip():
        raise InputError(f"{path}: the file is empty: export the recording again")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Older exports: a participant's name or a stimulus in the Windows code page.
        return data.decode("cp1252", errors="replace")


def _clean(text: str) -> str:
    return text.strip().strip('"').strip()


def _number(text: str) -> float | None:
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        # float() also takes 1_000, which no tracker writes.
        return None if "_" in text else float(text)
    except ValueError:
        return np.nan if _WINDOWS_NAN.fullmatch(text) else None
