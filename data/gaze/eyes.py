"""One gaze of two eyes, and the validity codes of the trackers.

Tobii Studio's validity codes run from 0 (the eye is surely found) to 4 (it is not); as its
manual advises, 0 and 1 are used, and 2, where the tracker can't tell which eye it sees, and
above are missing. Streams of the SDK have 1 for valid and 0 for not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from common.errors import InputError
from data.gaze.table import Table

Codes = Mapping[str, bool | None]
STUDIO_VALIDITY: Codes = {"0": True, "1": True, "2": False, "3": False, "4": False, "-1": False, "": None}
FLAG: Codes = {"1": True, "0": False, "true": True, "false": False, "": False}
WORDS: Codes = {"valid": True, "invalid": False, "": None}


def one_eye(
    table: Table, x: str, y: str, validity: str, meaning: Codes, *, missing: Collection[str] = ()
) -> np.ndarray:
    """One eye, float64 [n, 2]; NaN where it is marked invalid or a cell is empty or `missing`."""
    codes = table.codes(validity, meaning) if table.has(validity) else []
    bad = np.array([code is False for code in codes] if codes else np.zeros(len(table)), bool)
    xy = np.stack([table.numbers(name, empty=True, nan_where=bad, missing=missing) for name in (x, y)], axis=1)
    xy[bad | np.isnan(xy).any(axis=1)] = np.nan
    return xy


def mean_of_eyes(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average two eyes, float64 [n, 2] each; take one alone where the other is missing.

    Returns:
        x, y: float64 [n].
    """
    only_left, only_right = np.isnan(right).any(axis=1), np.isnan(left).any(axis=1)
    gaze = (left + right) / 2
    gaze[only_left] = left[only_left]
    gaze[only_right] = right[only_right]
    return gaze[:, 0], gaze[:, 1]


def eyes_or_combined(
    table: Table, left: tuple[str, str, str], right: tuple[str, str, str], combined: tuple[str, str], meaning: Codes
) -> tuple[np.ndarray, np.ndarray]:
    """Gaze from each eye's columns, or from the combined ones in exports without them.

    Args:
        left, right: names of x, y and validity. combined: names of x and y.

    Returns:
        x, y: float64 [n].

    Raises:
        InputError: a bad cell, or an x without its y.
    """
    if table.has(*left[:2], *right[:2]):
        eyes = [one_eye(table, x, y, validity, meaning) for x, y, validity in (left, right)]
        return mean_of_eyes(eyes[0], eyes[1])
    for x, y, *validity in (combined, left, right):
        if not table.has(x, y):
            continue
        if validity:
            xy = one_eye(table, x, y, validity[0], meaning)
        else:
            codes = [table.codes(name, meaning) for name in (left[2], right[2]) if table.has(name)]
            bad = np.array([all(c is False for c in row) for row in zip(*codes)] or np.zeros(len(table)), bool)
            xy = np.stack([table.numbers(name, empty=True, nan_where=bad) for name in (x, y)], axis=1)
            xy[bad | np.isnan(xy).any(axis=1)] = np.nan
        return xy[:, 0], xy[:, 1]
    raise InputError(f"{table.path}: has {combined[0]!r} or its like without the y next to it: export both")


def need_samples(table: Table) -> None:
    """Refuse a table of which only event rows are left.

    Raises:
        InputError: there is no sample.
    """
    if not len(table):
        raise InputError(f"{table.path}: has event rows only, and no gaze sample: export the gaze data too")
