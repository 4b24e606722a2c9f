"""`User N_all_gaze.csv` of Gazepoint Analysis: s, the best point of gaze, normalised, with a flag."""

from __future__ import annotations

import numpy as np

from common.errors import InputError
from data.gaze.clock import SLOWEST_HZ, rate_hz, read_times
from data.gaze.events import table_events
from data.gaze.eyes import FLAG, one_eye
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table


def parse(table: Table) -> RawGaze:
    """Every sample has a point; BPOGV tells whether it is one of gaze.

    Raises:
        InputError: a bad cell, or the file of fixations, which has these columns too.
    """
    xy = one_eye(table, "bpogx", "bpogy", "bpogv", FLAG)
    time_s, unit = read_times(table, "time", "s")
    if table.has("fpogid") and len(table) > 1:
        ids = [cell for cell in table.cells["fpogid"] if cell]
        rate = rate_hz(time_s)
        if len(set(ids)) == len(ids) and rate is not None and rate < SLOWEST_HZ:
            raise InputError(
                f"{table.path}: has one row a fixation (FPOGID never repeats, {rate:.2g} rows a second): "
                "give User N_all_gaze.csv, which has all samples"
            )
    return RawGaze(
        time_s, xy[:, 0], xy[:, 1], in_pixels=False, unit=unit, events=table_events(table, "time", unit, "user")
    )


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """A comma at the end of each line, as the software leaves it."""
    rows = ["MEDIA_ID,MEDIA_NAME,CNT,TIME(2024/01/01 10:00:00.000),TIMETICK(f=10000000),FPOGX,FPOGY,FPOGID,FPOGV,"
            "BPOGX,BPOGY,BPOGV,USER,"]  # fmt: skip
    for i, (t, px, py) in enumerate(zip(time_s, x, y)):
        px, py, valid = (px, py, 1) if np.isfinite(px) else (0.0, 0.0, 0)
        mark = "SYNC" if i == 1 else ""
        rows.append(f"0,clip.mp4,{i},{t:.5f},{i},{px:.5f},{py:.5f},1,{valid},{px:.5f},{py:.5f},{valid},{mark},")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="Gazepoint CSV",
    tool="Gazepoint Analysis",
    export="User N_all_gaze.csv of one medium, with BPOGX, BPOGY, BPOGV and TIME; not User N_fixations.csv",
    signature=(("time",), ("bpogx",), ("bpogy",)),
    optional=("bpogv", "fpogid", "user"),
    texts=("fpogid", "user"),
    marks=("user",),
    parse=parse,
    clock_restarts=True,
    example=example,
)
