"""The stream of the Tobii Pro SDK, as recorded by scripts, by Titta and by this project's simulation.

One row a sample; µs of the tracker's clock or, where that was not kept, of the computer's; each
eye's point on the display, normalised, in one cell or two; a flag for each eye.
"""

from __future__ import annotations

import numpy as np

from data.gaze.clock import read_times
from data.gaze.eyes import FLAG, mean_of_eyes
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table

_CLOCKS = ("device_time_stamp", "system_time_stamp")
_POINT = "{}_gaze_point_on_display_area"
_VALID = ("{}_gaze_point_validity", "{}_gaze_point_valid", "{}_gaze_point_available")


def parse(table: Table) -> RawGaze:
    """NaN and validity 0 where missing."""
    eyes = []
    for eye in ("left", "right"):
        ok = np.array(table.codes(table.first(*(name.format(eye) for name in _VALID)), FLAG), bool)
        point = _POINT.format(eye)
        if table.has(point):
            xy = table.pairs(point, nan_where=~ok)
        else:
            xy = np.stack([table.numbers(f"{point}_{c}", empty=True, nan_where=~ok) for c in "xy"], axis=1)
        xy[~ok] = np.nan
        eyes.append(xy)
    time_s, unit = read_times(table, table.first(*_CLOCKS), "µs")
    return RawGaze(time_s, *mean_of_eyes(*eyes), in_pixels=False, unit=unit)


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """Both eyes at the same point."""
    rows = [
        ";".join(
            ["device_time_stamp", _POINT.format("left"), "left_gaze_point_validity", _POINT.format("right"),
             "right_gaze_point_validity", "system_time_stamp"]
        )
    ]  # fmt: skip
    for t, px, py in zip(np.round(time_s * 1e6).astype(int), x.tolist(), y.tolist()):
        point, ok = (f"({px!r}, {py!r})", 1) if np.isfinite(px) else ("(nan, nan)", 0)
        rows.append(f"{t};{point};{ok};{point};{ok};{t}")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="Tobii Pro SDK stream",
    tool="Tobii Pro SDK, Titta, psychopy's ioHub for Tobii",
    export="the gaze data as CSV or TSV, with validity and device_time_stamp",
    signature=(
        _CLOCKS,
        *((_POINT.format(eye), _POINT.format(eye) + "_x") for eye in ("left", "right")),
        *(tuple(name.format(eye) for name in _VALID) for eye in ("left", "right")),
    ),
    optional=tuple(_POINT.format(eye) + "_y" for eye in ("left", "right")),
    parse=parse,
    example=example,
)
