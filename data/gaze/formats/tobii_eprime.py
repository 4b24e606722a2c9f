"""`.gazedata` of the E-Prime Extensions for Tobii, and older SDK scripts: `XGazePosLeftEye` and its like.

Points normalised to the display, validity as in Studio. The clock stands in `TimestampSec` and
`TimestampMicrosec`, or in `TETTime`, which some write in µs and some in ms.
"""

from __future__ import annotations

import numpy as np

from data.gaze.clock import read_times
from data.gaze.eyes import STUDIO_VALIDITY, mean_of_eyes, one_eye
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table


def parse(table: Table) -> RawGaze:
    """-1 where missing."""
    if table.has("timestampsec", "timestampmicrosec"):
        time_s, unit = table.numbers("timestampsec") + table.numbers("timestampmicrosec") / 1e6, "s"
    else:
        time_s, unit = read_times(table, "tettime", "µs", "ms")
    eyes = []
    for eye in ("lefteye", "righteye"):
        xy = one_eye(table, f"xgazepos{eye}", f"ygazepos{eye}", f"validity{eye}", STUDIO_VALIDITY)
        xy[(xy == -1).all(axis=1)] = np.nan
        eyes.append(xy)
    return RawGaze(time_s, *mean_of_eyes(*eyes), in_pixels=False, unit=unit)


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """Both eyes at the same point; the clock in ms with decimals."""
    eye = "XGazePos{0}Eye\tYGazePos{0}Eye\tValidity{0}Eye"
    rows = [f"Subject\tSession\tTETTime\t{eye.format('Left')}\t{eye.format('Right')}"]
    for t, px, py in zip(time_s, x.tolist(), y.tolist()):
        cells = f"{px!r}\t{py!r}\t0" if np.isfinite(px) else "-1\t-1\t4"
        rows.append(f"1\t1\t{t * 1e3:.3f}\t{cells}\t{cells}")
    return "\n".join(rows) + "\n"


FORMAT = TableFormat(
    name="Tobii SDK TSV",
    tool="E-Prime Extensions for Tobii (.gazedata)",
    export="the .gazedata file of one subject and session",
    signature=(("tettime", "timestampsec"), *((f"{a}gazepos{e}eye",) for a in "xy" for e in ("left", "right"))),
    optional=("timestampmicrosec", "validitylefteye", "validityrighteye"),
    parse=parse,
    example=example,
)
