"""Delimited text as rows of cells, each with the line of the file it stands on: for every table that is read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from common.errors import InputError

SEPARATORS = "\t;,"


def lines_of(text: str) -> list[str]:
    """The lines of a text, whichever way they end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def separator_of(line: str, separators: str = SEPARATORS) -> str:
    """Tab, semicolon or comma, or of the given ones: whichever comes most often, the first of several."""
    return max(separators, key=line.count)


def split_rows(
    lines: Iterable[str],
    separator: str,
    path: Path,
    cure: str,
    *,
    first: int = 1,
    quotes: bool = True,
    strict: bool = False,
) -> Iterator[tuple[int, list[str]]]:
    """Rows of cells, as (line of the file, cells). A quoted cell may span lines: a row has the line it starts on.

    Args:
        lines: without their ends. first: line in the file of the first of them, from 1.
        separator: of the cells.
        path, cure: for messages.
        quotes: a cell may stand in quotation marks; otherwise these are characters as others are.
        strict: a quotation mark in a wrong place is an error.

    Raises:
        InputError: rows that can't be told apart.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, quoting=quoting, strict=strict)
    last = 0
    try:
        for cells in reader:
            yield first + last, cells
            last = reader.line_num
    except csv.Error as error:
        raise InputError(f"{path}: line {first + last}: can't be read ({error}): {cure}") from error
