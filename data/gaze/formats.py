"""The eye-tracker formats that are read, one table entry each, recognised by their header."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

from common.errors import InputError
from data.gaze import parsers as parsers
from data.gaze.parsers import RawGaze
from data.gaze.table import Header, Table, read_table


@dataclasses.dataclass(frozen=True)
class GazeFormat:
    """One format.

    Attributes:
        name: as reports show it.
        signature: the header must have one column of each group; lower case.
        optional: further columns that `parse` reads where they are there.
        parse: from the table of these columns to samples.
    """

    name: str
    signature: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...]
    parse: Callable[[Table], RawGaze]

    def matches(self, header: Header) -> bool:
        return all(any(name in header for name in group) for group in self.signature)

    @property
    def columns(self) -> tuple[str, ...]:
        groups = (*self.signature, self.optional)
        return tuple(dict.fromkeys(name for group in groups for name in group))


def read_raw_gaze(path: str | os.PathLike) -> tuple[str, int, RawGaze]:
    """Read any known gaze file.

    Returns:
        (name of the format, data rows in the file, samples).

    Raises:
        InputError: unknown format, missing or empty file, or a bad cell; names the row
            and the column.
    """

    def recognise(header: Header):
        return next(((known, known.columns) for known in FORMATS if known.matches(header)), None)

    found, table = read_table(path, recognise)
    if found is None:
        shown = ", ".join(table) or "none"
        shown = shown if len(shown) <= 80 else shown[:80] + "..."
        raise InputError(
            f"{path}: its columns ({shown}) are of no known gaze format; known are "
            f"{'; '.join(known.name for known in FORMATS)}: export it as one of these"
        )
    return found.name, len(table), found.parse(table)


# The plain contract comes last: its columns are the least particular.
FORMATS = (
    GazeFormat(
        "Tobii Pro SDK stream",
        (
            ("device_time_stamp",),
            *parsers.STREAM_POINTS,
            ("left_gaze_point_validity",),
            ("right_gaze_point_validity",),
        ),
        tuple(f"{eye}_gaze_point_on_display_area_y" for eye in ("left", "right")),
        parsers.pro_sdk_stream,
    ),
    GazeFormat(
        "Tobii SDK TSV",
        (("tettime", "timestampsec"), *((f"{a}gazepos{e}eye",) for a in "xy" for e in ("left", "right"))),
        ("timestampmicrosec", "validitylefteye", "validityrighteye"),
        parsers.sdk_tsv,
    ),
    GazeFormat(
        "Tobii Studio 3 TSV",
        (("recordingtimestamp",), tuple(name for name in parsers.STUDIO_3_GAZE if "x (" in name)),
        (
            *parsers.STUDIO_3_GAZE,
            "validityleft",
            "validityright",
            "gazepointindex",
            "recordingresolution",
            *parsers.STUDIO_3_EVENTS,
        ),
        parsers.studio_3,
    ),
    GazeFormat(
        "Tobii Pro Lab TSV",
        (("recording timestamp",), tuple(name for name in parsers.PRO_LAB_GAZE if name.endswith("x"))),
        (
            *parsers.PRO_LAB_GAZE,
            "validity left",
            "validity right",
            "event",
            "sensor",
            "recording resolution width",
            "recording resolution height",
        ),
        parsers.pro_lab,
    ),
    GazeFormat(
        "Tobii Studio 2 TSV",
        # Scripts over older SDKs borrow these names for other units; only Studio has all three kinds.
        (("timestamp",), ("gazepointx", "gazepointxleft"), ("datetimestamp", "number", "stimuliname")),
        (
            *parsers.STUDIO_2_GAZE,
            "validityleft",
            "validityright",
            "number",
            "event",
            "stimuliname",
            "mediawidth",
            "mediaheight",
            "mediaposx",
            "mediaposy",
        ),
        parsers.studio_2,
    ),
    GazeFormat("Gazepoint CSV", (("time",), ("bpogx",), ("bpogy",)), ("bpogv",), parsers.gazepoint),
    GazeFormat("plain", (("time_s", "time_ms"), ("x",), ("y",)), ("valid",), parsers.plain),
)
