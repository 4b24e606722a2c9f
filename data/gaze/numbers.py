"""Numbers as exports write them: which of point and comma is the decimal sign, which one thousands'."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

# How C runtimes on Windows print NaN and infinity into exports.
_WINDOWS_NAN = re.compile(r"-?1\.#(IND|QNAN|SNAN|INF)0*", re.IGNORECASE)
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'’](?=\d{3}(?!\d))")
# A point that stands where none for thousands does.
_POINT_IS_DECIMAL = r"-?(?:\d*\.\d{1,2}|\d*\.\d{4,}|\d{4,}\.\d*|0+\.\d+|[\d,]+,\d{3}\.\d*)(?:e[+-]?\d+)?"
# No screen is so wide: a number that would exceed this with thousands' signs has decimals.
_LARGEST = 100_000


class AmbiguousNumber(ValueError):
    """A cell that is a thousand times more with another reading, and nothing tells which."""


def find_signs(columns: Mapping[str, list[str]]) -> dict[str, tuple[str, str]]:
    """(decimal sign, thousands' sign) of each column of a table; the second is "" where none is used.

    "1,056" is 1056 in one country and 1.056 in another. What other cells show decides: 408,1478
    or 0,5 have a decimal comma, 1,056.5 and 998.25 a decimal point. All columns have the same
    signs, but where some cells show a comma and others a point: then each has those of its own cells.

    Args:
        columns: {name: text of a column of numbers}.

    Raises:
        AmbiguousNumber: nothing decides; its text is the cell.
    """
    texts = {name: "\n".join(column) for name, column in columns.items()}
    whole = "\n".join(texts.values())
    if "," not in whole:
        # Each by itself: a clock with decimals says nothing of pixels that a spreadsheet has formatted.
        for text in texts.values():
            _refuse_points_as_thousands(text)
        return dict.fromkeys(texts, (".", ""))
    if _certain(whole, ",", ".") and _like(_POINT_IS_DECIMAL, whole):
        return {name: _signs_of_column(text) for name, text in texts.items()}
    return dict.fromkeys(texts, _signs_of_table(whole))


def _signs_of_table(text: str) -> tuple[str, str]:
    """Of cells that all have the same signs, at least one of them with a comma."""
    for decimal, thousands in ((",", "."), (".", ",")):
        if _certain(text, decimal, thousands):
            return decimal, thousands
    cell = _like(r"[1-9]\d{0,2},\d{3}", text)
    if cell is None or _exceeds(text):
        return ",", ""
    if _like(r"-?\d*\.\d+", text):
        return ".", ","
    raise AmbiguousNumber(cell)


def _signs_of_column(text: str) -> tuple[str, str]:
    """Of a column in a table of both decimal signs."""
    if not _like(r"-?[\d.]*,[\d.,]*(?:e[+-]?\d+)?", text):
        _refuse_points_as_thousands(text)
        return ".", ""
    cell = _like(_POINT_IS_DECIMAL, text)
    if cell is None and not _certain(text, ",", ".") and not _exceeds(text):
        cell = _like(r"[1-9]\d{0,2},\d{3}", text)
    if cell is not None:
        raise AmbiguousNumber(cell)
    return ",", "."


def to_number(text: str, decimal: str, thousands: str) -> float | None:
    """One cell as a float, NaN where it says so, or None where it is no number."""
    cell = text
    if thousands and thousands in cell:
        cell = cell.replace(thousands, "")
    if decimal == ",":
        cell = cell.replace(",", ".")
    try:
        # float() also takes 1_000, which no tracker writes.
        return None if "_" in cell else float(cell)
    except ValueError:
        pass
    if _WINDOWS_NAN.fullmatch(text):
        return np.nan
    if _SPACES.search(cell):
        return to_number(_SPACES.sub("", cell), ".", "")
    return None


def _certain(text: str, decimal: str, thousands: str) -> bool:
    """Whether a cell can have this decimal sign only."""
    d, t = re.escape(decimal), re.escape(thousands)
    if _like(rf"-?\d{{1,3}}(?:{t}\d{{3}})+{d}\d*", text) or _like(rf"-?\d{{1,3}}(?:{t}\d{{3}}){{2,}}", text):
        return True
    # A point is a decimal sign far more often, so only the comma is proved by decimals alone.
    return decimal == "," and bool(_like(r"-?(?:\d*,\d{1,2}|\d*,\d{4,}|\d{4,},\d*|0+,\d*)(?:e[+-]?\d+)?", text))


def _exceeds(text: str) -> bool:
    cells = re.findall(r"^-?(\d{1,3}),(\d{3})$", text, re.MULTILINE)
    return any(int(whole + part) > _LARGEST for whole, part in cells)


def _refuse_points_as_thousands(text: str) -> None:
    """1.056 and 998 in one column, and no decimals anywhere, are thousands as a German Excel writes them."""
    cell = _like(r"[1-9]\.\d{3}", text)
    if cell and _like(r"[1-9]\d\d", text) and not _like(r"-?(?:\d*\.\d{1,2}|\d*\.\d{4,}|\d\d+\.\d{3}|0*\.\d+)", text):
        raise AmbiguousNumber(cell)


def _like(pattern: str, text: str) -> str | None:
    match = re.search(f"^{pattern}$", text, re.MULTILINE | re.IGNORECASE)
    return match[0] if match else None
