"""Pupil Labs Neon and Invisible: `gaze.csv` of Pupil Cloud.

The Marker Mapper's has gaze on a surface, normalised, origin top left: the screen, if that was
marked. The one of the recording itself has it in the scene camera's picture. Time is UTC in ns.
"""

from __future__ import annotations

import numpy as np

from data.gaze.clock import read_times
from data.gaze.eyes import FLAG, Codes
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table

_SURFACE = tuple(f"gaze position on surface {axis} [normalized]" for axis in "xy")
_SCENE = ("gaze x", "gaze y")
_WORN: Codes = {**FLAG, "": None}


def parse(table: Table) -> RawGaze:
    """Empty where the surface was not found; not worn is missing."""
    on_surface = table.has(*_SURFACE)
    x, y = (table.numbers(name, empty=True) for name in (_SURFACE if on_surface else _SCENE))
    if table.has("worn"):
        off = np.array([code is False for code in table.codes("worn", _WORN)], bool)
        x[off] = y[off] = np.nan
    missing = np.isnan(x) | np.isnan(y)
    x[missing] = y[missing] = np.nan
    time_s, unit = read_times(table, "timestamp", "ns")
    scene = "" if on_surface else "gaze.csv of Neon and Invisible lies in the scene camera's picture"
    return RawGaze(time_s, x, y, in_pixels=not on_surface, unit=unit, scene=scene)


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """As the Marker Mapper gives it."""
    rows = [
        "section id,recording id,timestamp [ns],gaze detected on surface,"
        "gaze position on surface x [normalized],gaze position on surface y [normalized],fixation id,blink id"
    ]
    for t, px, py in zip(np.round(time_s * 1e6).astype(int), x.tolist(), y.tolist()):
        point = f"True,{px!r},{py!r}" if np.isfinite(px) else "False,,"
        rows.append(f"s1,r1,{t}000,{point},,")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="Pupil Labs Neon or Invisible",
    tool="Pupil Cloud",
    export="run the Marker Mapper on the screen and give its gaze.csv (one recording)",
    signature=(("timestamp",), (_SURFACE[0], _SCENE[0]), (_SURFACE[1], _SCENE[1])),
    optional=("worn",),
    parse=parse,
    example=example,
)
