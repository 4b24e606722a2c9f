"""Time in a tracker's file: its unit, its rate, and where its clock jumps."""

from __future__ import annotations

import re

import numpy as np

from common.errors import InputError
from data.gaze.table import Table
from data.text_files import printable

UNITS_S = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
SLOWEST_HZ, FASTEST_HZ = 20.0, 2500.0
# A tracker writes rows also while it sees no eye, and one that doesn't is not without for so
# long: a longer step without a single row is the clock, or a recorder that was restarted.
CLOCK_JUMP_S = 10.0
# Clocks count whole microseconds; a difference of two floats is not exact to that.
CLOCK_RESOLUTION_S = 1e-6
# "10 ms", "ms/2", "ms^2": a multiple or a part of a unit.
_NO_UNIT = re.compile(r"\d\s*[a-zµμ]|[a-zµμ]\s*[/*^]")
_SPELLINGS = {
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "ms": "ms", "msec": "ms", "millisecond": "ms", "milliseconds": "ms",
    "us": "µs", "µs": "µs", "μs": "µs", "usec": "µs", "microsecond": "µs", "microseconds": "µs",
    "ns": "ns", "nsec": "ns", "nanosecond": "ns", "nanoseconds": "ns",
}  # fmt: skip


def read_times(table: Table, column: str, *usual: str) -> tuple[np.ndarray, str]:
    """A column of times in s, and the unit it was read in.

    A unit in the header's brackets is obeyed. Otherwise the unit is the one of `usual` in which
    the median step is one of a tracker: at 20 to 2,500 Hz two units never both fit.

    Args:
        table: of samples alone. column: its time. usual: units that occur, the usual one first.

    Raises:
        InputError: a bad cell, or a unit that is none of time.
    """
    time = table.numbers(column)
    return time * UNITS_S[unit := time_unit(table, column, time, usual)], unit


def time_unit(table: Table, column: str, time: np.ndarray, usual: tuple[str, ...]) -> str:
    """The unit of a column of times, as `read_times` describes.

    Args:
        table: of samples. column: its time. time: what it says, [n]. usual: units that occur, the usual one first.

    Raises:
        InputError: the header names a unit that is none of time.
    """
    written = table.header.unit.get(column, "")
    if _NO_UNIT.search(written.casefold()):
        raise InputError(
            f"{table.path}: column {column!r} is in {printable(written, 40)!r}, which is no unit of time: write it in "
            "s, ms, us or ns"
        )
    if unit := unit_named(written):
        return unit
    for unit in usual:
        rate = rate_hz(time * UNITS_S[unit])
        if rate is not None and SLOWEST_HZ <= rate <= FASTEST_HZ:
            return unit
    return usual[0]


def unit_named(text: str) -> str | None:
    """The unit of time that a header's brackets name ("ms", "in secs"), or None."""
    words = [_SPELLINGS[word] for word in re.findall(r"[a-zµμ]+", text.casefold()) if word in _SPELLINGS]
    return words[0] if len(words) == 1 else None


def rate_hz(time_s: np.ndarray) -> float | None:
    """The usual rate: of the steps near the median one; None where the clock never goes on.

    Their mean, not the median: a clock in whole milliseconds gives 16 and 17 ms at 60 Hz.
    """
    steps = np.diff(time_s)
    steps = steps[steps > 0]
    if not len(steps):
        return None
    # Of an even number the lower of the two in the middle: one of the steps, however far apart they are.
    median = np.quantile(steps, 0.5, method="lower")
    usual = steps[np.abs(steps - median) <= max(0.1 * median, min(0.001 + CLOCK_RESOLUTION_S, median))]
    return float(1 / usual.mean())


def check_rate(time_s: np.ndarray, unit: str, where: str) -> None:
    """Refuse a rate that no eye tracker has, and say in which unit it would be one.

    Raises:
        InputError: a rate outside 20 to 2,500 Hz, or a clock that stands still.
    """
    if len(time_s) < 2:
        return
    rate = rate_hz(time_s)
    if rate is None:
        raise InputError(f"{where}: all {len(time_s):,} samples have one time or a falling one: export it again")
    if SLOWEST_HZ <= rate <= FASTEST_HZ:
        return
    found = f"{where}: read in {unit}, its times make {_shown(rate)} Hz, and eye trackers sample at 20 to 2,500 Hz"
    # People fixate 2 or 3 times a second, which in another unit would be the rate of the fastest trackers.
    fixations = (
        " (or give fixations with their durations as start_ms,duration_ms,x,y)" if 1 <= rate < SLOWEST_HZ else ""
    )
    for other, size in UNITS_S.items():
        as_other = rate * UNITS_S[unit] / size
        if other != unit and SLOWEST_HZ <= as_other <= FASTEST_HZ:
            raise InputError(
                f"{found}: in {other} they would make {_shown(as_other)} Hz, so name that unit in the header, as in "
                f"'time [{other.replace('µ', 'u')}]'{fixations}"
            )
    if rate < SLOWEST_HZ:
        raise InputError(
            f"{found}: it holds fixations or every n-th sample: export all gaze samples, or fixations with their "
            "durations as start_ms,duration_ms,x,y"
        )
    raise InputError(f"{found}: correct the unit of the times")


def clock_jumps(time_s: np.ndarray) -> np.ndarray:
    """Indices i at which the clock jumps between sample i and i + 1.

    A jump is any step back, or a step of more than `CLOCK_JUMP_S` forward with no row in
    between. Missing gaze is not a jump: its rows are there, only invalid.
    """
    steps = np.diff(time_s)
    return np.flatnonzero((steps < 0) | (steps > CLOCK_JUMP_S))


def clock_sections(time_s: np.ndarray) -> np.ndarray:
    """int [n]: number of clock jumps before each sample; equal numbers share one clock."""
    section = np.zeros(len(time_s), int)
    section[clock_jumps(time_s) + 1] = 1
    return np.cumsum(section)


def falls_back(time_s: np.ndarray) -> int | None:
    """The first sample earlier than one before it by more than a usual step, or None.

    Neighbours that were written in the wrong order are not that: they are a step apart.
    """
    steps = np.diff(time_s)
    forward = steps[steps > 0]
    usual = float(np.median(forward)) if len(forward) else 0.0
    late = np.maximum.accumulate(time_s) - time_s > 1.5 * usual + CLOCK_RESOLUTION_S
    return int(np.argmax(late)) if late.any() else None


def _shown(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
