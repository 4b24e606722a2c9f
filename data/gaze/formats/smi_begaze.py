"""SMI BeGaze and its IDF converter: raw data as text, pixels of the calibration area.

Two generations of names: `Time` in µs with `L POR X [px]`, and `RecordingTime [ms]` with `Point
of Regard Left X [px]`. 0 or "-" is a missing eye; rows of messages stand between the samples.
"""

from __future__ import annotations

import re

import numpy as np

from common.errors import InputError
from data.gaze.clock import read_times
from data.gaze.events import table_events
from data.gaze.eyes import mean_of_eyes, need_samples
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Header, Table

_CLOCKS = ("time", "recordingtime")
_EYES = {
    "l": tuple((f"l por {c}", f"point of regard left {c}") for c in "xy"),
    "r": tuple((f"r por {c}", f"point of regard right {c}") for c in "xy"),
    # Binocular exports of the RED average the eyes themselves.
    "b": tuple((f"b por {c}", f"point of regard binocular {c}") for c in "xy"),
}
_AREA = re.compile(r"Calibration Area:?\s*(\d{1,6})\s+(\d{1,6})", re.IGNORECASE)


def parse(table: Table) -> RawGaze:
    """Rows of type SMP, or of the category "Eye" (or with no text in it), are samples.

    Raises:
        InputError: no samples, a bad cell, or an eye's x without its y.
    """
    clock = table.first(*_CLOCKS)
    whole = table
    if table.has("type"):
        table = table.where(table.is_text("type", "smp"))
    elif table.has("category group"):
        table = table.where(table.is_text("category group", "eye"))
    need_samples(table)
    time_s, unit = read_times(table, clock, *(("µs", "ms") if clock == "time" else ("ms",)))
    eyes = [eye for names in _EYES.values() if (eye := _eye(table, *names)) is not None]
    if not eyes:
        raise InputError(f"{table.path}: has an eye's x without its y: export both")
    x, y = mean_of_eyes(eyes[0], eyes[1]) if len(eyes) > 1 else eyes[0].T
    area = next((found for line in table.above if (found := _AREA.search(line))), None)
    return RawGaze(
        time_s,
        x,
        y,
        in_pixels=True,
        screen_px=(int(area[1]), int(area[2])) if area else None,
        unit=unit,
        events=_messages(whole, clock, unit),
    )


def _eye(table: Table, x_names: tuple[str, str], y_names: tuple[str, str]) -> np.ndarray | None:
    x, y = (next((name for name in names if table.has(name)), None) for names in (x_names, y_names))
    if x is None or y is None:
        return None
    xy = np.stack([table.numbers(name, empty=True, missing=("-",)) for name in (x, y)], axis=1)
    # One coordinate may really be 0; both are only where the eye was not found.
    xy[(xy == 0).all(axis=1) | np.isnan(xy).any(axis=1)] = np.nan
    return xy


def _first_value(header: Header) -> tuple[str, ...]:
    """The column after those of time, type and trial: a row of a message has its text there, whatever its name."""
    after = header.index.get("trial", header.index.get("type", -1)) + 1
    return (header.names[after].casefold(),) if 0 < after < len(header.names) else ()


def _messages(table: Table, clock: str, unit: str) -> tuple:
    if table.has("type"):
        rows = table.where(table.is_text("type", "msg"))
        fields = [name for name in ("message", *_first_value(table.header)) if rows.has(name)]
        texts = table_events(rows, clock, unit, *fields)
        return texts or table_events(rows, clock, unit, "type")
    return table_events(table, clock, unit, "annotation name", "content")


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """The older names."""
    width, height = screen_px
    rows = [
        "## [BeGaze]",
        f"## Calibration Area:\t{width}\t{height}",
        "## Sample Rate:\t125",
        "Time\tType\tTrial\tL Dia X [px]\tL POR X [px]\tL POR Y [px]\tR POR X [px]\tR POR Y [px]\tL Validity",
    ]
    for t, px, py in zip(np.round(time_s * 1e6).astype(int), x, y):
        eye = f"{px * width:.4f}\t{py * height:.4f}" if np.isfinite(px) else "0.00\t0.00"
        rows.append(f"{t}\tSMP\t1\t23.00\t{eye}\t{eye}\t1")
    rows.append(f"{t}\tMSG\t1\t# Message: clip.avi")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="SMI BeGaze",
    tool="SMI BeGaze, SMI IDF converter",
    export="raw data as text: time, point of regard of both eyes in px, with the header lines (calibration area)",
    signature=(_CLOCKS, tuple(name for names in _EYES.values() for name in names[0])),
    optional=(
        *(name for names in _EYES.values() for pair in names for name in pair),
        "type",
        "message",
        "category group",
        "annotation name",
        "content",
    ),
    further=_first_value,
    texts=("type", "message", "category group", "annotation name", "content"),
    parse=parse,
    ragged=True,
    example=example,
)
