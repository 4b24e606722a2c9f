"""The text that scripts over Tobii's SDK 2 and 3 write, and I2MC reads: `LGazePos2dx` and its like.

Points normalised to the display; validity as in Studio; the clock in µs or ms.
"""

from __future__ import annotations

import numpy as np

from data.gaze.clock import read_times
from data.gaze.eyes import STUDIO_VALIDITY, mean_of_eyes, one_eye
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table

_CLOCKS = ("time", "reltimestamp", "timestamp")


def parse(table: Table) -> RawGaze:
    """-1 where missing; the relative clock is the finer one of some exports."""
    time_s, unit = read_times(table, table.first(*_CLOCKS), "µs", "ms", "s")
    eyes = []
    for eye in ("l", "r"):
        xy = one_eye(table, f"{eye}gazepos2dx", f"{eye}gazepos2dy", f"{eye}validity", STUDIO_VALIDITY)
        xy[(xy == -1).all(axis=1)] = np.nan
        eyes.append(xy)
    return RawGaze(time_s, *mean_of_eyes(*eyes), in_pixels=False, unit=unit)


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """Both eyes at the same point."""
    rows = ["Time\tLGazePos2dx\tLGazePos2dy\tLValidity\tRGazePos2dx\tRGazePos2dy\tRValidity"]
    for t, px, py in zip(np.round(time_s * 1e6).astype(int), x.tolist(), y.tolist()):
        eye = f"{px!r}\t{py!r}\t0" if np.isfinite(px) else "-1\t-1\t4"
        rows.append(f"{t}\t{eye}\t{eye}")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="Tobii SDK 2 text",
    tool="scripts over Tobii's SDK 2 and 3 (TX300; the input of I2MC)",
    export="the text file as it is, with LValidity and RValidity",
    signature=(_CLOCKS, *((f"{eye}gazepos2d{axis}",) for eye in "lr" for axis in "xy")),
    optional=("lvalidity", "rvalidity"),
    parse=parse,
    example=example,
)
