"""Numbers as exports write them: which of point and comma is the decimal sign, which one thousands'."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

# How C runtimes on Windows print NaN and infinity into exports.
_WINDOWS_NAN = re.compile(r"-?1\.#(IND|QNAN|SNAN|INF)0*", re.IGNORECASE)
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'’](?=\d{3}(?!\d))")
# No screen is so wide: a number that would exceed this with thousands' signs has decimals.
_LARGEST = 100_000


class AmbiguousNumber(ValueError):
    """A cell that is a thousand times more with another reading, and nothing tells which."""


def find_signs(columns: Iterable[list[str]]) -> tuple[str, str]:
    """(decimal sign, thousands' sign) of a table; the second is "" where none is used.

    "1,056" is 1056 in one country and 1.056 in another. What other cells show decides: 408,1478
    or 0,5 have a decimal comma, 1,056.5 and 998.25 a decimal point.

    Args:
        columns: text of the columns of numbers.

    Raises:
        AmbiguousNumber: nothing decides; its text is the cell.
    """
    texts = ["\n".join(column) for column in columns]
    text = "\n".join(texts)
    if "," not in text:
        # Each by itself: a clock with decimals says nothing of pixels that a spreadsheet has formatted.
        for column in texts:
            _refuse_points_as_thousands(column)
        return ".", ""
    for decimal, thousands in ((",", "."), (".", ",")):
        if _certain(text, decimal, thousands):
            return decimal, thousands
    cell = _like(r"[1-9]\d{0,2},\d{3}", text)
    if cell is None or _exceeds(text):
        return ",", ""
    if _like(r"-?\d*\.\d+", text):
        return ".", ","
    raise AmbiguousNumber(cell)


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
