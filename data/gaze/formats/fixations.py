"""Tables of fixations with durations: each fixation covers the frames that were shown during it.

`start_ms,duration_ms,x,y` (or `_s`, or an end instead of the duration), x and y as in the plain
format; or a fixation report of EyeLink Data Viewer, in pixels or normalised. A fixation becomes one sample every 10 ms
from its start up to its end, and the saccades between stay without samples. Nothing is interpolated across them, nor
across a fixation without a position.
"""

from __future__ import annotations

import numpy as np

from common.errors import InputError
from data.gaze.clock import UNITS_S, unit_named
from data.gaze.formats.plain import MISSING, points
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table

STEP_S = 0.010
# Beyond this a "duration" is a wrong unit; and it bounds the memory.
_LONGEST_S = 60.0
# Fixations last a quarter of a second; a sample that is exported as one lasts 1 ms or more.
_SHORTEST_MEDIAN_S = 0.001
# Data Viewer writes pixels; published tables have its columns as shares of the image, too.
_FARTHEST_NORMALISED = 2.0
_STARTS = ("start_ms", "start_s", "start", "time_s", "time_ms", "current_fix_start")
_LENGTHS = ("duration_ms", "duration_s", "duration", "end_ms", "end_s", "end", "current_fix_duration")
_X, _Y = ("x", "x_px", "x [norm]", "current_fix_x"), ("y", "y_px", "y [norm]", "current_fix_y")


def parse(table: Table) -> RawGaze:
    """A row that lasts no time, or whose x or y is empty or missing, covers no frame.

    Raises:
        InputError: a bad cell, no unit of time, fixations that overlap, or an absurd duration.
    """
    start_s = _seconds(table, table.first(*_STARTS))
    length = table.first(*_LENGTHS)
    duration_s = _seconds(table, length) - (start_s if length.startswith("end") else 0)
    if table.has("current_fix_x"):
        x, y = (table.numbers(f"current_fix_{axis}", empty=True, missing=MISSING) for axis in "xy")
        in_pixels = bool(np.max(np.nan_to_num(np.abs([x, y])), initial=0.0) > _FARTHEST_NORMALISED)
    else:
        x, y, in_pixels = points(table)
    _check(table, start_s, duration_s, length)
    repeats = np.ceil(np.maximum(duration_s, 0) / STEP_S - 1e-9).astype(int)
    row = np.repeat(np.arange(len(table)), repeats)
    since = np.arange(len(row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    if not len(row):
        raise InputError(f"{table.path}: no fixation lasts any time: correct {length!r}")
    return RawGaze(start_s[row] + since * STEP_S, x[row], y[row], in_pixels=in_pixels, fixations=True)


def _seconds(table: Table, column: str) -> np.ndarray:
    unit = {"s": "s", "ms": "ms"}.get(column.rpartition("_")[2]) or unit_named(table.header.unit.get(column, ""))
    if column.startswith("current_fix"):
        unit = "ms"
    if unit is None:
        raise InputError(f"{table.path}: column {column!r} has no unit: name it {column}_ms or {column}_s")
    # Not by their step, as `read_times` finds a unit: fixations have no rate.
    return table.numbers(column) * UNITS_S[unit]


def _check(table: Table, start_s: np.ndarray, duration_s: np.ndarray, length: str) -> None:
    wrong = (duration_s < 0) | (duration_s > _LONGEST_S)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise table.error(
            row, length, table.cells[length][row], f"a fixation of {duration_s[row]:g} s: correct the unit"
        )
    lasting = np.flatnonzero(duration_s > 0)
    if len(lasting) and np.median(duration_s[lasting]) < _SHORTEST_MEDIAN_S * (1 - 1e-6):
        row = int(lasting[0])
        raise table.error(
            row,
            length,
            table.cells[length][row],
            f"fixations of {np.median(duration_s[lasting]):g} s, the median: correct the unit",
        )
    overlap = start_s[:-1] + duration_s[:-1] - start_s[1:]
    # Trackers count whole ms, and the end of a fixation may be its last sample or the next one.
    late = overlap > 0.002
    if late.any():
        row = int(np.argmax(late)) + 1
        raise InputError(
            f"{table.path}: row {table.lines[row]} begins at {start_s[row]:g} s, before the fixation above it has "
            "ended: it holds several recordings or both eyes, so export one, or name it in gaze_recording by a column "
            "such as 'image' or 'participant'"
        )


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """Each sample as a fixation up to the next, in ms."""
    steps = np.diff(time_s, append=2 * time_s[-1] - time_s[-2])
    rows = ["participant,index,start_ms,duration_ms,x,y"]
    for i, (t, step, px, py) in enumerate(zip(time_s.tolist(), steps.tolist(), x.tolist(), y.tolist())):
        point = f"{px!r},{py!r}" if np.isfinite(px) else ","
        rows.append(f"P01,{i},{t * 1e3!r},{step * 1e3!r},{point}")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="fixations",
    tool="any event detector; EyeLink Data Viewer (fixation report)",
    export="CSV with start_ms,duration_ms,x,y, or the report's CURRENT_FIX_START, _DURATION, _X and _Y",
    signature=(_STARTS, _LENGTHS, _X, _Y),
    optional=("valid",),
    parse=parse,
    # Public tables count from the start of each image.
    clock_restarts=True,
    # Its header holds the plain one's columns.
    rank=1,
    example=example,
)
