"""iMotions' sensor data: ms, pixels of the display, lines about the study above `#DATA`."""

from __future__ import annotations

import numpy as np

from data.gaze.clock import read_times
from data.gaze.events import table_events
from data.gaze.eyes import STUDIO_VALIDITY, mean_of_eyes, need_samples, one_eye
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table

_EYES = ("left", "right")


def parse(table: Table) -> RawGaze:
    """-1 or an empty cell where missing; rows of other sensors have no gaze."""
    gaze = tuple(f"et_gaze{eye}{axis}" for eye in _EYES for axis in "xy")
    other = table.blank(*gaze, *(f"et_validity{eye}" for eye in _EYES))
    whole, table = table, table.where(~other)
    need_samples(table)
    eyes = []
    for eye in _EYES:
        xy = one_eye(table, f"et_gaze{eye}x", f"et_gaze{eye}y", f"et_validity{eye}", STUDIO_VALIDITY)
        xy[(xy == -1).all(axis=1)] = np.nan
        eyes.append(xy)
    time_s, unit = read_times(table, "timestamp", "ms", "µs")
    events = table_events(whole, "timestamp", unit, "slideevent")
    return RawGaze(time_s, *mean_of_eyes(*eyes), in_pixels=True, unit=unit, events=events)


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """With the start of a medium, a row of its own."""
    width, height = screen_px
    rows = [
        "#INFO",
        "#Study name,a study",
        "#DATA",
        "Row,Timestamp,EventSource,SlideEvent,SourceStimuliName,Respondent,ET_GazeLeftx,ET_GazeLefty,ET_GazeRightx,"
        "ET_GazeRighty,ET_ValidityLeft,ET_ValidityRight",
        f"0,{time_s[0] * 1e3:.4f},Slide,StartMedia,clip,R1,,,,,,",
    ]
    for i, (t, px, py) in enumerate(zip(time_s * 1e3, x, y), 1):
        eye, code = (f"{px * width:.4f},{py * height:.4f}", 0) if np.isfinite(px) else ("-1,-1", 4)
        rows.append(f"{i},{t:.4f},Tobii,,clip,R1,{eye},{eye},{code},{code}")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="iMotions",
    tool="iMotions",
    export="sensor data as CSV of one respondent, with the eye tracker's ET_ columns",
    signature=(("timestamp",), *((f"et_gaze{eye}{axis}",) for eye in _EYES for axis in "xy")),
    optional=(*(f"et_validity{eye}" for eye in _EYES), "slideevent"),
    texts=("slideevent",),
    parse=parse,
    example=example,
)
