"""The export of Tobii Studio 2: TSV, ms, pixels; event rows have neither gaze nor validity nor a sample number."""

from __future__ import annotations

import numpy as np

from data.gaze.clock import read_times
from data.gaze.events import table_events
from data.gaze.eyes import STUDIO_VALIDITY, eyes_or_combined, need_samples
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table

_GAZE = tuple(f"gazepoint{axis}{eye}" for eye in ("", "left", "right") for axis in "xy")


def parse(table: Table) -> RawGaze:
    """Each eye with its code, or the combined columns where an export has only these."""
    event = table.blank(*_GAZE, "validityleft", "validityright") & (
        ~table.blank("event") | (table.blank("number") if table.has("number") else False)
    )
    whole, table = table, table.where(~event)
    need_samples(table)
    x, y = eyes_or_combined(
        table,
        ("gazepointxleft", "gazepointyleft", "validityleft"),
        ("gazepointxright", "gazepointyright", "validityright"),
        ("gazepointx", "gazepointy"),
        STUDIO_VALIDITY,
    )
    time_s, unit = read_times(table, "timestamp", "ms")
    events = table_events(whole, "timestamp", unit, "event", "descriptor")
    return RawGaze(time_s, x, y, in_pixels=True, screen_px=_screen(table), unit=unit, events=events)


def _screen(table: Table) -> tuple[int, int] | None:
    """The screen's size from the media shown on it, which stand in its middle.

    A medium need not fill the screen (and a web page may be longer), so the rows in
    which nothing is shown count first: there the "medium" is the screen.
    """
    if not table.has("mediawidth", "mediaheight"):
        return None
    size = []
    for extent, position in (("mediawidth", "mediaposx"), ("mediaheight", "mediaposy")):
        margin = table.numbers(position, empty=True) if table.has(position) else np.zeros(len(table))
        size.append(table.numbers(extent, empty=True) + 2 * np.nan_to_num(margin))
    known = np.isfinite(size).all(axis=0)
    if table.has("stimuliname"):
        nothing_shown = known & table.is_text("stimuliname", "no media")
        known = nothing_shown if nothing_shown.any() else known
    if not known.any():
        return None
    return int(size[0][known].max()), int(size[1][known].max())


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """Decimal commas, and a mouse click at the end."""
    rows = [
        "Timestamp\tDateTimeStamp\tNumber\tGazePointXLeft\tGazePointYLeft\tValidityLeft\tGazePointXRight\t"
        "GazePointYRight\tValidityRight\tEvent\tStimuliName\tMediaWidth\tMediaHeight\tMediaPosX\tMediaPosY\t"
    ]
    width, height = screen_px
    for i, (t, px, py) in enumerate(zip(time_s * 1e3, x, y)):
        eye = f"{px * width:.4f}\t{py * height:.4f}\t0" if np.isfinite(px) else "-1280.0\t-1024.0\t4"
        cells = f"{eye}\t{eye}".replace(".", ",")
        rows.append(f"{t:.0f}\t15:00:14.438\t{i}\t{cells}\t\tNo media\t{width}\t{height}\t0\t0\t")
    rows.append(f"{time_s[-1] * 1e3:.0f}\t15:00:15.000" + "\t" * 8 + "LeftMouseClick" + "\t" * 6)
    return "\r\n".join(rows) + "\r\n"


FORMAT = TableFormat(
    name="Tobii Studio 2 TSV",
    tool="Tobii Studio 2",
    export="all data as text, with Number or StimuliName",
    # Scripts over older SDKs borrow these names for other units; only Studio has all three kinds.
    signature=(("timestamp",), ("gazepointx", "gazepointxleft"), ("datetimestamp", "number", "stimuliname")),
    optional=(
        *_GAZE,
        "validityleft",
        "validityright",
        "number",
        "event",
        "descriptor",
        "stimuliname",
        "mediawidth",
        "mediaheight",
        "mediaposx",
        "mediaposy",
    ),
    texts=("datetimestamp", "number", "event", "descriptor", "stimuliname"),
    parse=parse,
    example=example,
)
