"""Pupil Labs Core: gaze on a surface, as Pupil Player's Surface Tracker exports it.

`gaze_positions_on_surface_NAME.csv`: s, normalised to the surface, whose origin is at the bottom
left; the surface has to be the screen, marked at its corners. A sample of low confidence is
missing, below the 0.6 that Pupil Player itself takes. Gaze in the scene camera's picture
(`gaze_positions.csv`) is not on a screen.
"""

from __future__ import annotations

import numpy as np

from data.gaze.clock import read_times
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table

_LEAST_CONFIDENCE = 0.6


def parse(table: Table) -> RawGaze:
    """Surface coordinates have y upwards; a point off the surface stays."""
    on_surface = table.has("x_norm", "y_norm")
    names = ("x_norm", "y_norm") if on_surface else ("norm_pos_x", "norm_pos_y")
    x, y = (table.numbers(name, empty=True) for name in names)
    if table.has("confidence"):
        low = table.numbers("confidence", empty=True) < _LEAST_CONFIDENCE
        x[low] = y[low] = np.nan
    time_s, unit = read_times(table, "gaze_timestamp", "s")
    scene = "" if on_surface else "gaze_positions.csv of Pupil Player lies in the scene camera's picture"
    return RawGaze(time_s, x, 1 - y, in_pixels=False, unit=unit, scene=scene)


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """The surface is the screen."""
    rows = ["world_timestamp,world_index,gaze_timestamp,x_norm,y_norm,x_scaled,y_scaled,on_surf,confidence"]
    for i, (t, px, py) in enumerate(zip(time_s.tolist(), x.tolist(), y.tolist())):
        px, up, sure = (px, 1 - py, 0.98) if np.isfinite(px) else (0.5, 0.5, 0.0)
        rows.append(f"{t!r},{i // 4},{t!r},{px!r},{up!r},{px!r},{up!r},{0 <= px <= 1 and 0 <= up <= 1},{sure}")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="Pupil Labs Core",
    tool="Pupil Player",
    export="define the screen as a surface (Surface Tracker) and give gaze_positions_on_surface_NAME.csv",
    signature=(("gaze_timestamp",), ("x_norm", "norm_pos_x"), ("y_norm", "norm_pos_y")),
    optional=("confidence",),
    parse=parse,
    example=example,
)
