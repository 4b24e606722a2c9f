"""Names of files made of ids that people typed: one file for each id."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 80


def file_names(ids: Iterable[str]) -> list[str]:
    """A name for each id, no two the same file: letters, digits, "_", "-" and "." stay, the rest becomes "_".

    Ids that come to one name get "-2", "-3" and so on; capitals make no difference, as some file systems see none.

    Args:
        ids: of recordings, in the order in which numbers are given.

    Returns:
        One name for each id, without an extension, up to 80 characters and a number.
    """
    names, taken = [], set()
    for text in ids:
        base = name = re.sub(r"[^\w.-]", "_", text)[:_LONGEST]
        count = 1
        while name.casefold() in taken:
            count += 1
            name = f"{base}-{count}"
        taken.add(name.casefold())
        names.append(name)
    return names
