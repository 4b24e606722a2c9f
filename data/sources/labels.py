"""Labels in time: CSVs of `start_s,end_s,label`, and the order of classes."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from common.console import notice
from common.errors import InputError
from data.names import name_fault, one_spelling
from data.sources.manifest import Recording
from data.tables import Row, nearest, read_table
from data.ties import tie_s

# "None of the planes" comes after the planes.
_LAST = ("background", "other")
_HINTS = {
    "start_frame": "rename it and write seconds: start_s = start_frame / (frames per s)",
    "frame": "write intervals in seconds: start_s = frame / (frames per s)",
    "start_ms": "rename it and write seconds: start_s = start_ms / 1000",
    "start": "rename it start_s if it is in seconds",
    "Start (s)": "rename it start_s, the end end_s, and the behaviour label",
    "begin": "rename it start_s if it is in seconds",
}


@dataclasses.dataclass(frozen=True)
class Interval:
    """A class from `start_s` up to and without `end_s`, s of the video."""

    start_s: float
    end_s: float
    label: str
    row: Row = dataclasses.field(repr=False, compare=False)


def read_intervals(path: Path) -> list[Interval]:
    """Read a labels CSV; intervals come sorted by time.

    Raises:
        InputError: a column missing or unknown, a number that is none, start not before
            end, or intervals that overlap. Names the line.
    """
    rows = read_table(path, required=("start_s", "end_s", "label"), what="the labels file", hints=_HINTS)
    intervals = sorted((_interval(row) for row in rows), key=lambda i: i.start_s)
    for first, second in itertools.pairwise(intervals):
        if second.start_s < first.end_s:
            raise second.row.error(
                "start_s",
                f"{second.start_s:g} lies in {first.start_s:g} to {first.end_s:g} s, line {first.row.line}",
                "let no two intervals overlap",
            )
    return intervals


def class_names(found: Iterable[str]) -> list[str]:
    """Labels in canonical order: by alphabet, then background, then other."""
    names = set(found)
    return sorted(names - set(_LAST)) + [name for name in _LAST if name in names]


def one_class_each(rows: Sequence[tuple[Row, str]], classes: Sequence[str] | None) -> dict[str, str]:
    """{label as found: the class it is}: labels that differ only in case or blanks are one class, with a notice.

    Args:
        rows: (row, label) of every label there is.
        classes: their spelling wins, and a label that is none of them is refused; None: the
            spelling that is found most often wins.

    Raises:
        InputError: a label that is none of `classes`; names its row.
    """
    counts = Counter(label for _, label in rows)
    chosen = one_spelling(counts, preferred=classes or ())
    for row, label in rows:
        if classes is not None and chosen[label] not in classes:
            raise row.error(
                "label",
                f"unknown class {label!r}{nearest(label, classes)}",
                f"the classes are {', '.join(classes)}",
            )
    for label, meant in chosen.items():
        if label != meant:
            notice(f"label {label!r} ({counts[label]} times) is taken for {meant!r}: it differs only in case or blanks")
    return chosen


def check_within(intervals: Sequence[Interval], duration_s: float, slack_s: float, video: Path) -> None:
    """Refuse an interval outside the video, by more than `slack_s` (labels are rounded).

    Raises:
        InputError: naming the row and the column.
    """
    for interval in intervals:
        for column, value in (("start_s", interval.start_s), ("end_s", interval.end_s)):
            if value < 0 or value > duration_s + slack_s:
                unit = " (are these milliseconds?)" if 0 < value / 1000 <= duration_s + slack_s and value > 100 else ""
                raise interval.row.error(
                    column,
                    f"{value:g} s is outside the video {video}, which lasts {duration_s:.3f} s{unit}",
                    "correct the interval or the video",
                )


def frame_labels(recording: Recording, intervals: Sequence[Interval], times_s: np.ndarray) -> list[str | None]:
    """The label of each frame at `times_s` [n], as its file spells it; None outside every interval.

    A whole-clip label holds for every frame. A frame on the border of two intervals
    belongs to the later one; it is on it up to what files round (`data.ties`).
    """
    if recording.labels is None:
        return [recording.label] * len(times_s)
    starts = np.array([i.start_s for i in intervals])
    ends = np.array([i.end_s for i in intervals])
    times_s = np.asarray(times_s, np.float64) + tie_s(times_s, [*starts, *ends])
    at = np.searchsorted(starts, times_s, side="right") - 1
    return [intervals[k].label if k >= 0 and t < ends[k] else None for k, t in zip(at, times_s)]


def _interval(row: Row) -> Interval:
    label = row.text("label")
    if fault := name_fault(label):
        raise row.error("label", fault, "correct it")
    start_s, end_s = _seconds(row, "start_s"), _seconds(row, "end_s")
    if not start_s < end_s:
        raise row.error("end_s", f"{end_s:g} is not after start_s {start_s:g}", "let each interval end after it starts")
    return Interval(start_s, end_s, label, row)


def _seconds(row: Row, column: str) -> float:
    value = row.number(column)
    if value is None:
        raise row.error(column, "is empty", "give the time in s")
    return value


def require_labels(labels: Iterable[str], path: Path) -> None:
    """Refuse a manifest without a single label when no classes were named.

    Raises:
        InputError: there is no label.
    """
    if not set(labels):
        raise InputError(f"{path}: has no label at all: label the recordings, or name the classes")
