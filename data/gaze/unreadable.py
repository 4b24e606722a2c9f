"""Files of other kinds, given as gaze files: recognised by first bytes, root element or columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from common.errors import InputError
from data.filetypes import binary_kind, text_kind
from data.gaze.table import Header
from data.text_files import printable

_EXPORT = "export the gaze samples as a text table (TSV or CSV)"
_TEXT_CHARACTERS = 8192
# Suffixes of binary files that have no first bytes of their own.
_SUFFIXES = {
    ".pldata": ("raw data of Pupil Capture", "export it with Pupil Player (Surface Tracker)"),
    ".idf": ("an SMI recording", "export it with BeGaze or the IDF converter as text"),
    ".edf": ("an EDF file", "convert an EyeLink recording with edf2asc"),
    ".raw": ("raw binary data", _EXPORT),
}

Names = frozenset[str]


def _has(*words: str) -> Callable[[Names], bool]:
    return lambda names: all(any(word in name for name in names) for word in words)


# Tables of trackers whose columns don't tell a point on a screen.
_TABLES: tuple[tuple[Callable[[Names], bool], str, str], ...] = (
    (
        _has("gaze_angle_x", "gaze_0_x"),
        "OpenFace",
        "it gives directions of gaze from a webcam and no point on a screen",
    ),
    (
        _has("worldintersection.objectpoint"),
        "Smart Eye",
        "write time_s (TimeStamp / 1e7), x and y (objectPoint.x and .y over the screen's width and height)",
    ),
    (_has("fixation x [px]", "start timestamp [ns]"), "Pupil Labs fixations", "give gaze.csv of the Marker Mapper"),
    (
        _has("gaze position in reference image x"),
        "Reference Image Mapper",
        "map gaze to the screen by the Marker Mapper",
    ),
    (
        lambda names: (
            "timestamp" in names and any(re.fullmatch(r"(left|right|average)_gaze_x", name) for name in names)
        ),
        "EyeLink Data Viewer (sample report)",
        "convert the EDF with edf2asc -p GAZE and give the .asc, or write TIMESTAMP as time_ms and GAZE_X and _Y as "
        "x_px and y_px",
    ),
    (
        _has("x_coordinate", "y_coordinate"),
        "BIDS eye tracking",
        "write its columns as time_s (or time_ms), x_px and y_px",
    ),
    (_has("gaze direction left x", "recording timestamp"), "Tobii Pro Lab", 'export "Gaze point X/Y [DACS px]" too'),
)


def refuse_binary(path: Path, data: bytes) -> None:
    """Refuse a known binary format, and say what it is.

    Raises:
        InputError: as said.
    """
    if kind := binary_kind(data):
        raise _not_gaze(path, kind.what, kind.gaze_cure)
    if path.suffix.casefold() in _SUFFIXES and b"\0" in data[:65536]:
        raise _not_gaze(path, *_SUFFIXES[path.suffix.casefold()])


def refuse_markup(path: Path, text: str) -> None:
    """Refuse XML, JSON that is no gaze, and decoded bytes that are no text.

    Raises:
        InputError: as said.
    """
    start = text[:65536]
    if "\0" in start or sum(not (c.isprintable() or c.isspace()) for c in start) > 0.02 * len(start):
        raise _not_gaze(path, "a binary file", _EXPORT)
    if kind := text_kind(start[:_TEXT_CHARACTERS]):
        raise _not_gaze(path, kind.what, kind.gaze_cure)


def _not_gaze(path: Path, what: str, cure: str) -> InputError:
    return InputError(f"{path}: is {what}, not a gaze table: {cure}")


def refuse_table(path: Path, lines: list[str], names: list[str], known: list[str]) -> InputError:
    """The error for a text table of no known format: the tracker, if its columns tell."""
    header = Header(names)
    lower = frozenset(header.index)
    for matches, tool, cure in _TABLES:
        if matches(lower):
            return InputError(f"{path}: a table of {tool}: {cure}")
    systems = [unit for base, units in header.other.items() if "gaze" in base and base.endswith("x") for unit in units]
    if systems:
        return InputError(
            f"{path}: holds gaze in {', '.join(map(repr, dict.fromkeys(systems)))} only: export it in pixels of the "
            "display too (Pro Lab: 'Gaze point X [DACS px]', Studio: 'GazePointX (ADCSpx)')"
        )
    if names and all(re.fullmatch(r"-?[\d.,]+(e[+-]?\d+)?|n/a|nan", name, re.IGNORECASE) for name in names):
        return InputError(
            f"{path}: has numbers and no header (as BIDS physio files, whose columns are named in a JSON file): "
            "put a line above them such as time_s,x,y"
        )
    shown = printable(", ".join(names) or "none")
    return InputError(
        f"{path}: its columns ({shown}) are of no known gaze format; known are {'; '.join(known)}: export it as one "
        "of these"
    )
