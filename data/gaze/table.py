"""The text tables that eye trackers export: header, units, separators, numbers, and where a bad cell is."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from common.errors import InputError
from data.delimited import separator_of, split_rows
from data.gaze.numbers import AmbiguousNumber, find_signs, to_number
from data.text_files import printable

T = TypeVar("T")

# Some exports begin with lines about the study; a header further down than this is none.
_HEADER_WITHIN_LINES = 256
_MOST_COLUMNS = 10_000
_BRACKET = re.compile(r"(.+?)\s*[\[(]([^\[\]()]*)[\])]")
# In these units and systems a column is not the gaze on the screen in pixels.
_OTHER_SYSTEMS = re.compile(r"mcs|hucs|norm|mm\b|cm\b|deg|rad\b")
# Clocks reach 1e18 (ns since 1970); nothing in a gaze file is larger.
_LARGEST = 1e19
# Decimal sign and thousands' sign of what float() takes as it is.
_PLAIN = (".", "")


class Header:
    """Column names of one line, found whatever their case and unit suffix.

    `Gaze point X [DACS px]` is found as that and as `gaze point x`, unless a column has just
    that name; `... [DACS norm]` as `gaze point x [norm]`; any other suffix for another
    coordinate system keeps its column apart.

    Attributes:
        names: as they stand. index: {name in lower case: column}.
        unit: {name without its brackets: what stood in them}.
        other: {name without its brackets: systems in which alone it is there}.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = [clean(name) for name in names]
        self.index: dict[str, int] = {}
        self.unit: dict[str, str] = {}
        self.other: dict[str, list[str]] = {}
        for i, name in enumerate(self.names):
            if name:
                self.index.setdefault(name.casefold(), i)
        for i, name in enumerate(self.names):
            match = _BRACKET.fullmatch(name.casefold())
            if not match:
                continue
            base, unit = match[1], match[2]
            if not _OTHER_SYSTEMS.search(unit):
                if self.index.setdefault(base, i) == i:
                    self.unit[base] = unit
                continue
            self.other.setdefault(base, []).append(unit)
            if "norm" in unit and "mcs" not in unit and "hucs" not in unit:
                self.index.setdefault(f"{base} [norm]", i)

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
        above: the lines above the header.
        texts: columns that hold no numbers.
        marks: columns that tell no recordings apart, whatever their name.
    """

    path: Path
    header: Header
    lines: list[int]
    cells: Mapping[str, list[str]]
    above: Sequence[str] = ()
    texts: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.lines)

    def has(self, *names: str) -> bool:
        """Whether all these columns are there."""
        return all(name in self.cells for name in names)

    def first(self, *names: str) -> str:
        """The first of these columns that is there.

        Raises:
            KeyError: none is.
        """
        return next(name for name in names if name in self.cells)

    def column(self, name: str) -> Sequence[str]:
        """The cells of a column.

        Raises:
            InputError: there is none of this name, as where a header has lost one of two that belong together.
        """
        if name not in self.cells:
            raise InputError(
                f"{self.path}: has no column {name!r}, which its other columns need: export the file again"
            )
        return self.cells[name]

    def where(self, keep: np.ndarray) -> Table:
        """The rows for which `keep`, bool [n], is true."""
        rows = np.flatnonzero(keep).tolist()
        if len(rows) == len(self):
            return self
        cells = {name: [column[i] for i in rows] for name, column in self.cells.items()}
        return dataclasses.replace(self, lines=[self.lines[i] for i in rows], cells=cells)

    def blank(self, *names: str) -> np.ndarray:
        """bool [n]: rows in which all these columns are empty or absent."""
        blank = np.ones(len(self), bool)
        for name in names:
            if name in self.cells:
                blank &= np.array([not text for text in self.cells[name]], bool)
        return blank

    def is_text(self, name: str, *texts: str) -> np.ndarray:
        """bool [n]: rows in which a column has one of these texts, in lower case."""
        return np.array([text.casefold() in texts for text in self.column(name)], bool)

    def numbers(
        self, name: str, *, empty: bool = False, nan_where: np.ndarray | None = None, missing: Collection[str] = ()
    ) -> np.ndarray:
        """A column as float64 [n].

        Args:
            name: of the column.
            empty: an empty cell is NaN; otherwise it is an error.
            nan_where: bool [n], rows in which NaN or infinity may be written out.
            missing: cells that mean that there is no value, besides the empty one.

        Raises:
            InputError: text, NaN, infinity or emptiness in a place not named above, or numbers
                that can be read in two ways.
        """
        column = self.column(name)
        plain = (
            _plain_numbers(column) if (empty or all(column)) and not any(text in column for text in missing) else None
        )
        if plain is not None and self._signs.get(name, _PLAIN) == _PLAIN:
            return plain
        values = np.full(len(self), np.nan)
        for i, text in enumerate(column):
            if text and text not in missing:
                values[i] = self._finite(i, name, text, text, nan_where)
            elif not empty:
                raise self.error(i, name, text, "write a number there or delete the row")
        return values

    def pairs(self, name: str, *, nan_where: np.ndarray) -> np.ndarray:
        """A column of `(x, y)` cells as float64 [n, 2]; as `numbers(empty=True)` otherwise.

        Raises:
            InputError: a cell that is no pair, or as of `numbers`.
        """
        column = self.column(name)
        plain = _plain_pairs(column)
        if plain is not None:
            missing = ~np.isfinite(plain)
            if (missing <= nan_where[:, None]).all():
                plain[missing] = np.nan
                return plain
        values = np.full((len(self), 2), np.nan)
        for i, text in enumerate(column):
            if not text:
                continue
            parts = text.strip("()[]").split(",")
            if len(parts) != 2:
                raise self.error(i, name, text, "write a pair (x, y)")
            for j, part in enumerate(parts):
                values[i, j] = self._finite(i, name, text, part.strip(), nan_where)
        return values

    def codes(self, name: str, meaning: Mapping[str, T]) -> list[T]:
        """A column of codes, each translated by `meaning`; keys are lower case, "" is an empty cell.

        Raises:
            InputError: a code that has no meaning.
        """
        values = []
        for i, text in enumerate(self.column(name)):
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
        shown = repr(printable(found, 40)) if found else "an empty cell"
        return InputError(
            f"{self.path}: row {self.lines[row]}, column {printable(column, 60)!r}: found {shown}: {cure}"
        )

    @functools.cached_property
    def _signs(self) -> dict[str, tuple[str, str]]:
        try:
            # A pair (x, y) has a comma of its own.
            numbers = {name: column for name, column in self.cells.items() if name not in self.texts}
            return find_signs({n: column for n, column in numbers.items() if not any(t[:1] == "(" for t in column)})
        except AmbiguousNumber as error:
            cell = str(error)
            grouped, decimal = cell.replace("," if "," in cell else ".", ""), cell
            if "," in cell:
                decimal = cell.replace(".", "").replace(",", ".")
            raise InputError(
                f"{self.path}: {cell!r} may be {grouped} or {decimal}: export the numbers without thousands separators"
            ) from error

    def _finite(self, row: int, name: str, cell: str, text: str, nan_where: np.ndarray | None) -> float:
        # Most cells are plain numbers: the signs matter where float() does not take them.
        value = to_number(text, *(self._signs.get(name, _PLAIN) if cell is text else _PLAIN))
        if value is None:
            raise self.error(row, name, cell, "it is not a number; correct it or delete the row")
        if not math.isfinite(value):
            if nan_where is None or not nan_where[row]:
                raise self.error(row, name, cell, "must be finite; leave it empty if the sample is missing")
            return np.nan
        if abs(value) > _LARGEST:
            raise self.error(row, name, cell, "is absurdly large; correct it or delete the row")
        return value


def _plain_numbers(column: Sequence[str]) -> np.ndarray | None:
    """A column as float64 [n], NaN where it is empty; None where a cell is not a finite number that float() takes.

    So are almost all columns of almost all files: they need not be read cell by cell.
    """
    values = _floats(text or "nan" for text in column)
    if values is None or np.count_nonzero(np.isfinite(values)) != sum(map(bool, column)):
        return None
    return values


def _plain_pairs(column: Sequence[str]) -> np.ndarray | None:
    """A column of `(x, y)` cells as float64 [n, 2]; None where a cell is not two numbers that float() takes."""
    if any(text.count(",") != 1 for text in column):
        return None
    values = _floats(",".join(text.strip("()[]") for text in column).split(",") if column else ())
    return None if values is None else values.reshape(-1, 2)


def _floats(texts: Iterable[str]) -> np.ndarray | None:
    """float64 [n]; None where a text is no number, or one that `Table` refuses."""
    texts = list(texts)
    try:
        values = np.array(list(map(float, texts)), np.float64)
    except ValueError:
        return None
    large = np.isfinite(values) & (np.abs(values) > _LARGEST)
    # float() also takes 1_000, which no tracker writes.
    return None if large.any() or "_" in "".join(texts) else values


def find_header(
    path: Path, lines: list[str], recognise: Callable[[Header], T | None]
) -> tuple[T, Header, int, str] | None:
    """The first of the upper lines that `recognise` takes for a header.

    Returns:
        (what `recognise` gave, the header, lines above it, the separator), or None.
    """
    for number, line in enumerate(lines[:_HEADER_WITHIN_LINES]):
        separator = separator_of(line)
        if not line or line.count(separator) >= _MOST_COLUMNS:
            continue
        try:
            ((_, names),) = _rows([line], separator, path, number + 1)
        except InputError:  # a line about the study
            continue
        header = Header(names)
        found = recognise(header)
        if found is not None:
            return found, header, number, separator
    return None


def fill_table(
    path: Path,
    lines: list[str],
    header: Header,
    above: int,
    separator: str,
    wanted: Collection[str],
    *,
    texts: Collection[str] = (),
    ragged: bool = False,
) -> Table:
    """The wanted columns of the rows under a header; `texts` hold no numbers, `ragged` rows may be shorter than it.

    Raises:
        InputError: a row cut short or too long, or no row.
    """
    picks = [(name, header.index[name]) for name in wanted if name in header]
    needed = max(column for _, column in picks) + 1
    numbers: list[int] = []
    cells: dict[str, list[str]] = {name: [] for name, _ in picks}
    width = len(header.names)
    for number, row in _rows(lines[above + 1 :], separator, path, above + 2):
        if not any(row):
            continue
        if ragged and len(row) < needed:
            row += [""] * (needed - len(row))
        if len(row) < needed or any(row[width:]):
            # Too many is what unquoted decimal commas between commas come to.
            raise InputError(
                f"{path}: row {number} has {len(row)} cells, the header {width}: "
                "the row was cut or has a stray separator; export the file again or correct the row"
            )
        numbers.append(number)
        for name, column in picks:
            cells[name].append(clean(row[column]))
    if not numbers:
        raise InputError(f"{path}: has a header and no row of data: export the recording again")
    return Table(path, header, numbers, cells, lines[:above], frozenset(texts))


def clean(text: str) -> str:
    """A cell without spaces and quotation marks around it."""
    text = text.strip()
    return text.strip('"').strip() if '"' in text else text


def _rows(lines: list[str], separator: str, path: Path, first: int) -> Iterator[tuple[int, list[str]]]:
    # Tobii's TSV exports do not quote, so a quotation mark in an event's text is only that.
    return split_rows(lines, separator, path, "export it again", first=first, quotes=separator != "\t")
