"""This project's own contract: `time_s,x,y` with points normalised to the screen.

`time_ms`, or `time [ms]` with any unit, does as well; `x [px],y [px]` or `x_px,y_px` are pixels
of a screen whose size the manifest gives; `valid` is a flag.
"""

from __future__ import annotations

import re

import numpy as np

from common.errors import InputError
from data.gaze.clock import read_times, unit_named
from data.gaze.eyes import FLAG, one_eye
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table
from data.text_files import printable

_TIMES = {"time_s": "s", "time_ms": "ms", "time_us": "µs", "time_ns": "ns"}
# With their unit in brackets behind them.
_BARE_TIMES = ("time", "timestamp", "t")
_AXES = {axis: (axis, f"{axis}_px", f"{axis} [norm]") for axis in "xy"}
# What other programs call the column `valid`, in letters alone; their codes differ, so none is guessed.
_VALIDITY = re.compile(r"(left|right|[lr])?(eye)?(gaze)?(is)?(valid(ity)?|confidence)(left|right|[lr])?(eye)?")
# What many scripts write for a sample without gaze; a gaze that is really there hardly ever comes back to such a point.
_LOST_CODES = ((0.0, 0.0), (-1.0, -1.0))
_LOST_SAMPLES, _LOST_SHARE = 2, 0.01
# What scripts write for a value that is not there.
MISSING = frozenset({"NA", "NaN", "nan", "NAN", "n/a", "N/A", "."})
# Gaze strays off a screen, but hardly ever farther than the screen is wide.
_FARTHEST_NORMALISED = 2.0


def parse(table: Table) -> RawGaze:
    """An empty cell or one of `MISSING` is a missing sample, and so is one whose flag is 0.

    Raises:
        InputError: a bad cell, a time without a unit, points that are not what the names say, lost gaze that is
            written as a point, or a validity of another name.
    """
    time_s, unit = _time(table)
    x, y, in_pixels = points(table)
    return RawGaze(time_s, x, y, in_pixels=in_pixels, unit=unit)


def points(table: Table) -> tuple[np.ndarray, np.ndarray, bool]:
    """x and y, float64 [n], and whether they are pixels.

    Raises:
        InputError: as `parse`, but for the times.
    """
    _check_validity(table)
    x, y = (table.first(*_AXES[axis]) for axis in "xy")
    units = {table.header.unit.get(name, "") or ("px" if name.endswith("_px") else "") for name in (x, y)}
    in_pixels = units == {"px"} or units == {"pixel"} or units == {"pixels"}
    if not in_pixels and units != {""}:
        raise InputError(f"{table.path}: columns {x!r} and {y!r} are in {'/'.join(sorted(units))}: give px or none")
    xy = one_eye(table, x, y, "valid", FLAG, missing=MISSING)
    seen = xy[~np.isnan(xy).any(axis=1)]
    _check_lost(table, seen)
    seen = np.abs(seen)
    typical = float(np.median(seen.max(axis=1))) if len(seen) else 0.0
    if not in_pixels and typical > _FARTHEST_NORMALISED:
        what = "percent (divide by 100)" if seen.max() <= 100 else "pixels (name them x_px and y_px)"
        raise InputError(
            f"{table.path}: columns 'x' and 'y' look like {what}, with a median of {typical:g}: this format has them "
            "normalised to the screen, 0 to 1 from its top left"
        )
    return xy[:, 0], xy[:, 1], in_pixels


def _check_validity(table: Table) -> None:
    if table.has("valid"):
        return
    for name in table.header.index:
        if _VALIDITY.fullmatch(re.sub(r"[^a-z]", "", name)):
            raise InputError(
                f"{table.path}: column {printable(name, 60)!r} is not read in this format: add a column named valid, "
                "with 1 where gaze was found and 0 where it was lost, or delete it"
            )


def _check_lost(table: Table, seen: np.ndarray) -> None:
    """Refuse points [n, 2] of which many are a code for lost gaze: they would be looked at as gaze."""
    for code in _LOST_CODES:
        count = int((seen == code).all(axis=1).sum())
        if count > _LOST_SAMPLES and count > _LOST_SHARE * len(seen):
            raise InputError(
                f"{table.path}: {count} of {len(seen)} points are exactly {code[0]:g},{code[1]:g}, a code for lost "
                "gaze: leave lost samples empty, or add a column valid with 0 for them"
            )


def _time(table: Table) -> tuple[np.ndarray, str]:
    for name, unit in _TIMES.items():
        if table.has(name):
            return read_times(table, name, unit)
    name = table.first(*_BARE_TIMES)
    if not unit_named(table.header.unit.get(name, "")):
        raise InputError(f"{table.path}: column {name!r} has no unit: name it time_s or time_ms")
    return read_times(table, name, "s")


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """Empty cells where missing."""
    rows = ["time_s,x,y"]
    for t, px, py in zip(time_s.tolist(), x.tolist(), y.tolist()):
        rows.append(f"{t!r},{px!r},{py!r}" if np.isfinite(px) else f"{t!r},,")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="plain",
    tool="anything else (a script of yours)",
    export="CSV with time_s,x,y: s, and shares of the screen's width and height from its top left; empty = missing",
    signature=((*_TIMES, *_BARE_TIMES), *_AXES.values()),
    optional=("valid",),
    parse=parse,
    # The least particular header of all.
    rank=2,
    example=example,
)
