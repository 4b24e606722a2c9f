"""What is given as a gaze file and is none: named by its first bytes, its root element or its columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from common.errors import InputError
from data.gaze.table import Header
from data.text_files import printable

_EXPORT = "export the gaze samples as a text table (TSV or CSV)"
_NOT_GAZE = "give the eye tracker's text export"
# (first bytes, from which one on, what it is, what to do)
_MAGIC: tuple[tuple[bytes, int, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", 0, "an HDF5 file (PsychoPy ioHub, MATLAB 7.3)", _EXPORT),
    (b"XDF:", 0, "an XDF file of Lab Streaming Layer", "load it with pyxdf and write time_s,x,y"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "an old Excel workbook or another OLE file", "save it as CSV"),
    (b"SR_RESEARCH", 0, "an EyeLink recording (EDF)", "convert it with edf2asc"),
    (b"n+1\0", 344, "a NIfTI image", _NOT_GAZE),
    (b"ni1\0", 344, "a NIfTI image", _NOT_GAZE),
    (b"n+2\0", 4, "a NIfTI image", _NOT_GAZE),
    (b"MATLAB 5.0 MAT-file", 0, "a MATLAB file", "write its gaze samples as CSV with time_s,x,y"),
    (b"PAR1", 0, "a Parquet file", "write it as CSV"),
    (b"ARROW1", 0, "an Arrow or Feather file", "write it as CSV"),
    (b"\x93NUMPY", 0, "a NumPy array", "write it as CSV with time_s,x,y"),
    (b"SQLite format 3\0", 0, "an SQLite data base", _EXPORT),
    (b"%PDF", 0, "a PDF document", _NOT_GAZE),
    (b"DICM", 128, "a DICOM file", _NOT_GAZE),
    (b"\x89PNG", 0, "a PNG image", _NOT_GAZE),
    (b"\xff\xd8\xff", 0, "a JPEG image", _NOT_GAZE),
    (b"GIF8", 0, "a GIF image", _NOT_GAZE),
    (b"ftyp", 4, "an MP4 video", _NOT_GAZE),
    (b"\x1aE\xdf\xa3", 0, "a Matroska video", _NOT_GAZE),
    (b"RIFF", 0, "an AVI or WAV file", _NOT_GAZE),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", "unpack it and give the text file"),
    (b"Rar!", 0, "a RAR archive", "unpack it and give the text file"),
    (b"BZh", 0, "a bzip2 archive", "unpack it and give the text file"),
    (b"\xfd7zXZ", 0, "an xz archive", "unpack it and give the text file"),
    (b"\x28\xb5\x2f\xfd", 0, "a Zstandard archive", "unpack it and give the text file"),
    (b"\x80\x04\x95", 0, "a Python pickle", "write its gaze samples as CSV with time_s,x,y"),
)
# Suffixes of binary files that have no first bytes of their own.
_SUFFIXES = {
    ".pldata": ("raw data of Pupil Capture", "export it with Pupil Player (Surface Tracker)"),
    ".idf": ("an SMI recording", "export it with BeGaze or the IDF converter as text"),
    ".edf": ("an EDF file", "convert an EyeLink recording with edf2asc"),
    ".raw": ("raw binary data", _EXPORT),
}
_ROOTS = {
    "annotation_document": ("an annotation file of ELAN", "it has labels and no gaze, so give the tracker's export"),
    "annotations": ("an annotation file of CVAT", "it has labels and no gaze, so give the tracker's export"),
    "annotation": ("an annotation file of an image (Pascal VOC)", "it has labels and no gaze"),
    "html": ("a web page", _NOT_GAZE),
    "workbook": ("an Excel workbook as XML", "save it as CSV"),
}
_JSON_KEYS = (
    ('"annotations"', '"data"', "an export of Label Studio", "it has labels and no gaze, so give the tracker's export"),
    ('"completions"', '"data"', "an export of Label Studio", "it has labels and no gaze, so give the tracker's export"),
    ('"annotations"', '"images"', "annotations in the format of COCO", "they are labels and no gaze"),
)

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
    (_has("gaze direction left x", "recording timestamp"), "Tobii Pro Lab", 'export "Gaze point X/Y [DACS px]" too'),
)


def refuse_binary(path: Path, data: bytes) -> None:
    """Refuse what is no text, and say what it is.

    Raises:
        InputError: a known binary format, an annotation file, or bytes that are no text.
    """
    for magic, start, what, cure in _MAGIC:
        if data[start : start + len(magic)] == magic:
            raise InputError(f"{path}: is {what}, not a gaze table: {cure}")
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        what, cure = _zip(data)
        raise InputError(f"{path}: is {what}, not a gaze table: {cure}")
    if path.suffix.casefold() in _SUFFIXES and b"\0" in data[:65536]:
        what, cure = _SUFFIXES[path.suffix.casefold()]
        raise InputError(f"{path}: is {what}, not a gaze table: {cure}")


def refuse_markup(path: Path, text: str) -> None:
    """Refuse XML, JSON that is no gaze, and decoded bytes that are no text.

    Raises:
        InputError: as said.
    """
    start = text[:65536]
    if "\0" in start or sum(not (c.isprintable() or c.isspace()) for c in start) > 0.02 * len(start):
        raise InputError(f"{path}: is a binary file, not a gaze table: {_EXPORT}")
    body = start.lstrip()
    if body.startswith("<"):
        root = re.search(r"<\s*(?![?!])(?:\w+:)?([\w.-]+)", body)
        what, cure = _ROOTS.get(root[1].casefold() if root else "", ("an XML file", _EXPORT))
        raise InputError(f"{path}: is {what}, not a gaze table: {cure}")
    if body.startswith(("{", "[")):
        for first, second, what, cure in _JSON_KEYS:
            if first in start and second in start:
                raise InputError(f"{path}: is {what}, not a gaze table: {cure}")
        raise InputError(f"{path}: is JSON of no known tracker: write its gaze samples as CSV with time_s,x,y")


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
            f"{path}: has numbers and no header (as BIDS physio files, whose columns stand in the JSON beside them): "
            "put a line above them such as time_s,x,y"
        )
    shown = printable(", ".join(names) or "none")
    return InputError(
        f"{path}: its columns ({shown}) are of no known gaze format; known are {'; '.join(known)}: export it as one "
        "of these"
    )


def _zip(data: bytes) -> tuple[str, str]:
    # The names of the first members stand in clear in the first bytes.
    start = data[:4096] + data[-4096:]
    if b"xl/" in start:
        return "an Excel workbook (XLSX)", "save it as CSV or TSV"
    if b"word/" in start:
        return "a Word document", _NOT_GAZE
    if b"opendocument.spreadsheet" in start:
        return "a spreadsheet (ODS)", "save it as CSV"
    return "a zip archive", "unpack it and give the text file"
