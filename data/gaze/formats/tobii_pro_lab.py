"""The "Data export" of Tobii Pro Lab: TSV, gaze in pixels (or normalised) of the display.

The clock is in ms, and in µs in newer versions, often under the same name. Validity is in words
or, in older versions, an empty cell is a missing sample. Rows of events, of the mouse and of
other sensors stand between the samples.
"""

from __future__ import annotations

import numpy as np

from data.gaze.clock import read_times
from data.gaze.events import table_events
from data.gaze.eyes import WORDS, eyes_or_combined, need_samples
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Header, Table

_PX = tuple(f"gaze point {eye}{axis}" for eye in ("", "left ", "right ") for axis in "xy")
_NORM = tuple(f"{name} [norm]" for name in _PX)
# Columns that only recordings of glasses have: there "the display" is the scene camera's picture.
_GLASSES = ("gyro x", "accelerometer x", "gaze point 3d x", "gaze point 3d combined x", "gaze3d x")


def parse(table: Table) -> RawGaze:
    """Samples are the rows of the sensor "Eye Tracker", or without that column those with no event."""
    event = table.blank(*_PX, *_NORM) & ~table.blank("event")
    if table.has("sensor"):
        # Only a file with an eye tracker's rows can have rows of other sensors too.
        event |= ~table.is_text("sensor", "eye tracker")
    whole, table = table, table.where(~event)
    need_samples(table)
    time_s, unit = read_times(table, "recording timestamp", "ms", "µs")
    in_pixels = any(table.has(name) for name in _PX)
    suffix = "" if in_pixels else " [norm]"
    x, y = eyes_or_combined(
        table,
        (f"gaze point left x{suffix}", f"gaze point left y{suffix}", "validity left"),
        (f"gaze point right x{suffix}", f"gaze point right y{suffix}", "validity right"),
        (f"gaze point x{suffix}", f"gaze point y{suffix}"),
        WORDS,
    )
    return RawGaze(
        time_s,
        x,
        y,
        in_pixels=in_pixels,
        screen_px=_screen(table),
        unit=unit,
        events=table_events(whole, "recording timestamp", unit, "event", "event value"),
        scene="glasses record gaze in the scene camera's picture" if _of_glasses(whole) else "",
    )


def _glasses_columns(header: Header) -> tuple[str, ...]:
    bare = {name: name.split(" [")[0].split(" (")[0] for name in header.index}
    return tuple(name for name, base in bare.items() if base in _GLASSES or "mapping gaze" in base)


def _of_glasses(table: Table) -> bool:
    """Whether some row has what only glasses measure; an export of a whole project has the columns of all devices."""
    return not table.blank(*_glasses_columns(table.header)).all()


def _screen(table: Table) -> tuple[int, int] | None:
    """The stated size; of two in one file, none: the screen was not one."""
    columns = [f"recording resolution {side}" for side in ("width", "height")]
    if not table.has(*columns):
        return None
    size = [table.numbers(name, empty=True) for name in columns]
    if not np.isfinite(size).any(axis=1).all():
        return None
    for name, side in zip(columns, size):
        if np.nanmin(side) != np.nanmax(side):
            row = int(np.argmax(side == np.nanmax(side)))
            raise table.error(
                row, name, f"{np.nanmax(side):g}", f"other rows have {np.nanmin(side):g}: export one screen"
            )
    return int(np.nanmax(size[0])), int(np.nanmax(size[1]))


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """The newer columns, with the start of a stimulus between the samples."""
    eye = "Gaze point {0}X [DACS px]\tGaze point {0}Y [DACS px]"
    rows = [
        "Recording timestamp [ms]\tSensor\tParticipant name\tRecording name\tRecording resolution width [px]\t"
        f"Recording resolution height [px]\tEvent\tEvent value\t{eye.format('')}\t{eye.format('left ')}\t"
        f"{eye.format('right ')}\tValidity left\tValidity right"
    ]
    width, height = screen_px
    for i, (t, px, py) in enumerate(zip(time_s * 1e3, x, y)):
        about = f"P01\tRecording1\t{width}\t{height}"
        if i == 1:
            rows.append(f"{t:.0f}\t\t{about}\tVideoStimulusStart\tclip.mp4" + "\t" * 8)
        seen = np.isfinite(px)
        point = f"{px * width:.4f}\t{py * height:.4f}" if seen else "\t"
        codes = "Valid\tValid" if seen else "Invalid\tInvalid"
        rows.append(f"{t:.0f}\tEye Tracker\t{about}\t\t\t{point}\t{point}\t{point}\t{codes}")
    return "\ufeff" + "\r\n".join(rows) + "\r\n"


FORMAT = TableFormat(
    name="Tobii Pro Lab TSV",
    tool="Tobii Pro Lab",
    export='"Data export" as TSV, individual files: Recording timestamp, Sensor, Event, Gaze point X and Y of each eye '
    "[DACS px], validity, Recording resolution; no filter of fixations, full rate",
    signature=(("recording timestamp",), (*_PX[::2], *_NORM[::2])),
    optional=(
        *_PX,
        *_NORM,
        "validity left",
        "validity right",
        "event",
        "event value",
        "sensor",
        "recording resolution width",
        "recording resolution height",
    ),
    further=_glasses_columns,
    texts=("validity left", "validity right", "event", "event value", "sensor"),
    parse=parse,
    example=example,
)
