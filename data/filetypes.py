"""What a file is, by its first bytes, and what to do with one that is not read here."""

from __future__ import annotations

import codecs
import dataclasses
import os
import re

from common.files import check_file

_HEAD_BYTES = 4096
_TO_MP4 = "export it as MP4, AVI, DICOM or numbered PNGs"
_TO_CSV = "save the table as CSV in UTF-8"
_UNPACK = "unpack it and name the file inside"
_INTERVALS = "write its intervals as a CSV of start_s,end_s,label (seconds of the video)"
_SAMPLES = "write its gaze samples as CSV with time_s,x,y"
_EXPORT = "export the gaze samples as a text table (TSV or CSV)"
_TRACKER = "give the eye tracker's text export"
_NO_GAZE = "it has labels and no gaze, so give the tracker's export"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file that is no text table, and no clip by itself or one of another suffix.

    Attributes:
        what: with its article, for "is ...".
        cure: what to do where a table, an image or a clip is wanted.
        gaze_cure: what to do where an eye tracker's file is wanted.
        is_clip: an image or a video, which is read where one is wanted.
    """

    what: str
    cure: str
    gaze_cure: str = _TRACKER
    is_clip: bool = False


def _clip(what: str) -> Kind:
    return Kind(what, "name the file for what it is", is_clip=True)


_ARCHIVE = (_UNPACK, "unpack it and give the text file")
_PICKLE = Kind("a Python pickle", "write the table as CSV (pickles are never loaded)", _SAMPLES)
_SOUND = Kind("a sound file", "name the video")
_ZIP = Kind("a ZIP archive", *_ARCHIVE)
_NIFTI = Kind("a NIfTI image", f"NIfTI holds no frame times: {_TO_MP4}")
# From which byte on, which bytes, and what the file is.
_BINARY: tuple[tuple[int, bytes, Kind], ...] = (
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        Kind("an HDF5 file (MATLAB 7.3, EyeTribe, PsychoPy)", "export text (CSV), or frames as numbered PNGs", _EXPORT),
    ),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("an old Office document (XLS, DOC)", _TO_CSV, "save it as CSV")),
    (0, b"SQLite format 3\0", Kind("an SQLite database", _TO_CSV, _EXPORT)),
    (
        0,
        b"XDF:",
        Kind("a Lab Streaming Layer recording (XDF)", "export its streams as CSV, for example with pyxdf", _SAMPLES),
    ),
    (0, b"MATLAB 5.0 MAT", Kind("a MATLAB file", "write its table as CSV, its frames as numbered PNGs", _SAMPLES)),
    (344, b"n+1\0", _NIFTI),
    (344, b"ni1\0", _NIFTI),
    (4, b"n+2\0", _NIFTI),
    (0, b"\x5c\x01\0\0", _NIFTI),
    (0, b"NRRD", Kind("an NRRD image", _TO_MP4)),
    (0, b"\x93NUMPY", Kind("a NumPy array", "write its frames as numbered PNGs, its table as CSV", _SAMPLES)),
    (0, b"%PDF", Kind("a PDF", "name the recording itself")),
    (0, b"PK\x03\x04", _ZIP),
    (0, b"PK\x05\x06", _ZIP),
    (0, b"\x1f\x8b", Kind("a gzip archive", "unpack it (gunzip) and name the file inside", _ARCHIVE[1])),
    (0, b"BZh", Kind("a bzip2 archive", *_ARCHIVE)),
    (0, b"\xfd7zXZ\0", Kind("an xz archive", *_ARCHIVE)),
    (0, b"\x28\xb5\x2f\xfd", Kind("a Zstandard archive", *_ARCHIVE)),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", *_ARCHIVE)),
    (0, b"Rar!\x1a\x07", Kind("a RAR archive", *_ARCHIVE)),
    (257, b"ustar", Kind("a tar archive", *_ARCHIVE)),
    (0, b"PAR1", Kind("a Parquet file", _TO_CSV, "write it as CSV")),
    (0, b"ARROW1", Kind("an Arrow or Feather file", _TO_CSV, "write it as CSV")),
    (
        0,
        b"SR_RESEARCH",
        Kind("an EyeLink recording (EDF)", "convert it with edf2asc and name the .asc", "convert it with edf2asc"),
    ),
    (0, b"\x80\x02", _PICKLE),
    (0, b"\x80\x04", _PICKLE),
    (0, b"#!AMR", _SOUND),
    (0, b"fLaC", _SOUND),
    *((0, b"ID3" + bytes([version]), _SOUND) for version in (2, 3, 4)),
    (0, b"RIFF", _clip("an AVI or WAV file")),
    (0, b"\x1aE\xdf\xa3", _clip("a Matroska video")),
    (0, b"\x89PNG", _clip("a PNG image")),
    (0, b"\xff\xd8\xff", _clip("a JPEG image")),
    (0, b"GIF8", _clip("a GIF")),
    (128, b"DICM", _clip("a DICOM file")),
    (4, b"ftyp", _clip("an MP4 video")),
)
# What stands in the first bytes of a ZIP archive that is one file to its user.
_OFFICE = (
    (b"xl/", Kind("an Excel workbook (XLSX)", _TO_CSV, "save it as CSV or TSV")),
    (b"word/", Kind("a Word document", _TO_CSV)),
    (b"opendocument.spreadsheet", Kind("a spreadsheet (ODS)", _TO_CSV, "save it as CSV")),
    (b"[Content_Types].xml", Kind("an Office document", _TO_CSV, "save it as CSV or TSV")),
)


def _labels(what: str, cure: str = _INTERVALS) -> Kind:
    return Kind(what, cure, _NO_GAZE)


# By the root element of XML.
_ROOTS = {
    "annotation_document": _labels(
        "an annotation file of ELAN (EAF)",
        f"{_INTERVALS}; ELAN exports tab-delimited text with begin and end in seconds",
    ),
    "annotations": _labels(
        "an annotation file of CVAT (XML)", f"{_INTERVALS}; a time is the frame number divided by the frames per s"
    ),
    "annotation": _labels("an annotation file of an image (Pascal VOC XML)"),
    "html": Kind("HTML, perhaps a page that asks to log in", "fetch the file itself"),
    "workbook": Kind("an Excel workbook as XML", _TO_CSV, "save it as CSV"),
}
_JSON_KEYS = (
    (
        r'"gidx"\s*:|"gp3"\s*:',
        Kind(
            "a recording of Tobii Pro Glasses 2 (livedata.json)",
            "name the recording's video",
            "its gaze lies in the scene camera's picture, so map it to the screen first and give the mapped points as "
            "time_s,x,y",
        ),
    ),
    (r'"(videoLabels|timelinelabels|annotations"\s*:\s*\[\s*\{\s*"(id|result))', _labels("Label Studio JSON")),
    (r'"(annotations|completions)"\s*:.*"data"\s*:', _labels("Label Studio JSON")),
    (r'"tracks"\s*:|"tags"\s*:', _labels("CVAT JSON")),
    (r'"_via_|"temporal_segments"|"file_list"', _labels("VIA JSON")),
    (r'"shapes"\s*:.*"imagePath"|"imagePath"', _labels("LabelMe JSON")),
    (r'"annotations"\s*:.*"(categories|images)"|"images"\s*:.*"annotations"', _labels("COCO JSON")),
    (r'"observations"\s*:.*"behaviors_conf"', _labels("a BORIS project")),
)
# By how the text begins.
_TEXT_HEADS = (
    (r"CSV_HEADER = metadata_id|VGG Image Annotator", _labels("a VIA export")),
    (r"(?i)^Observation id,.*Behavior", _labels("a BORIS export")),
    (r"^id,video,videoLabels|timelinelabels", _labels("a Label Studio export")),
    (r"^ObjectType = Image|^NDims =", Kind("a MetaImage (MHD)", _TO_MP4)),
    (r"^#EXTM3U|^ffconcat version|^v=0\r?\no=", Kind("a playlist", "name the video file itself")),
)


def file_kind(path: str | os.PathLike) -> Kind | None:
    """As `known_kind`, of a file, of which the first bytes are read.

    Raises:
        InputError: no such file, or no ordinary one.
    """
    path = check_file(path, "the file")
    with path.open("rb") as stream:
        return known_kind(stream.read(_HEAD_BYTES))


def known_kind(data: bytes) -> Kind | None:
    """What a file is that is known and is no text table, by its first bytes; None otherwise.

    Text is judged by the root element of XML, the keys of JSON, and the first line of exports of
    annotation tools.
    """
    head = data[:_HEAD_BYTES]
    return binary_kind(head) or text_kind(_text(head))


def binary_kind(data: bytes) -> Kind | None:
    """As `known_kind`, for binary formats alone; `data` may be the whole file."""
    for offset, magic, kind in _BINARY:
        if data[offset : offset + len(magic)] == magic:
            ends = data[:_HEAD_BYTES] + data[-_HEAD_BYTES:]  # the names of some members of an archive stand there
            return next((office for part, office in _OFFICE if part in ends), kind) if kind is _ZIP else kind
    return None


def text_kind(text: str) -> Kind | None:
    """As `known_kind`, for text formats, by their first characters."""
    text = text.lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        root = re.search(r"<\s*(?:\w+:)?([A-Za-z_][\w.-]*)", re.sub(r"<[?!][^>]*>", "", text))
        name = root[1] if root else "?"
        return _ROOTS.get(name.casefold()) or Kind(f"XML (root element {name})", "write a CSV", _EXPORT)
    if text[:1] in ("{", "["):
        found = (kind for pattern, kind in _JSON_KEYS if re.search(pattern, text, re.DOTALL))
        return next(found, Kind("JSON", "write a CSV", _SAMPLES))
    return next((kind for pattern, kind in _TEXT_HEADS if re.search(pattern, text)), None)


def _text(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", errors="replace")
    return head.decode("utf-8", errors="replace")
