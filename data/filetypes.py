"""What a file is, by its first bytes, and what to do with one that is not read here."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

from common.errors import InputError
from common.files import check_file

# First bytes, what the file is, and the cure.
_TO_MP4 = "export it as MP4, AVI, DICOM or numbered PNGs"
_TO_CSV = "save the table as CSV in UTF-8"
_BINARY: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 (MATLAB 7.3, EyeTribe, PsychoPy)", "export text (CSV), or frames as numbered PNGs"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (XLS, DOC)", _TO_CSV),
    (0, b"SQLite format 3\0", "an SQLite database", _TO_CSV),
    (0, b"XDF:", "a Lab Streaming Layer recording (XDF)", "export its streams as CSV, for example with pyxdf"),
    (0, b"MATLAB 5.0 MAT", "a MATLAB file", "write its table as CSV, its frames as numbered PNGs"),
    (344, b"n+1\0", "NIfTI", f"NIfTI holds no frame times: {_TO_MP4}"),
    (344, b"ni1\0", "a NIfTI header", f"NIfTI holds no frame times: {_TO_MP4}"),
    (0, b"\x5c\x01\0\0", "NIfTI", f"NIfTI holds no frame times: {_TO_MP4}"),
    (0, b"NRRD", "NRRD", _TO_MP4),
    (0, b"\x93NUMPY", "a NumPy array", "write its frames as numbered PNGs, its table as CSV"),
    (0, b"%PDF", "a PDF", "name the recording itself"),
    (0, b"PK\x03\x04", "a ZIP archive", "unpack it and name the file inside"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it (gunzip) and name the file inside"),
    (0, b"BZh", "a bzip2 archive", "unpack it and name the file inside"),
    (0, b"\xfd7zXZ\0", "an xz archive", "unpack it and name the file inside"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and name the file inside"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it and name the file inside"),
    (257, b"ustar", "a tar archive", "unpack it and name the file inside"),
    (0, b"PAR1", "Parquet", _TO_CSV),
    (0, b"SR_RESEARCH", "an EyeLink EDF", "convert it with edf2asc and name the .asc"),
    (0, b"\x80\x02", "a Python pickle", "write the table as CSV (pickles are never loaded)"),
    (0, b"\x80\x04", "a Python pickle", "write the table as CSV (pickles are never loaded)"),
    (0, b"#!AMR", "a sound file", "name the video"),
    (0, b"fLaC", "a sound file", "name the video"),
    (0, b"ID3", "a sound file", "name the video"),
    (0, b"\x1aE\xdf\xa3", "a Matroska video", "name the file for what it is"),
    (0, b"\x89PNG", "a PNG image", "name the file for what it is"),
    (0, b"\xff\xd8\xff", "a JPEG image", "name the file for what it is"),
    (0, b"GIF8", "a GIF", "name the file for what it is"),
    (128, b"DICM", "a DICOM", "name the file for what it is"),
    (4, b"ftyp", "an MP4 video", "name the file for what it is"),
)
_OFFICE = {b"xl/": ("an Excel workbook (XLSX)", _TO_CSV), b"word/": ("a Word document", _TO_CSV)}

_INTERVALS = "write its intervals as a CSV of start_s,end_s,label (seconds of the video)"
_ROOTS = {
    "annotation_document": f"ELAN (EAF): {_INTERVALS}; ELAN exports tab-delimited text with begin and end in seconds",
    "annotations": f"CVAT XML: {_INTERVALS}; a time is the frame number divided by the frames per s",
    "html": "HTML, perhaps a page that asks to log in: fetch the file itself",
    "kmlroot": "XML: write a CSV",
    "annotation": f"Pascal VOC XML: {_INTERVALS}",
}
_JSON_KEYS = (
    (re.compile(r'"(videoLabels|timelinelabels|annotations"\s*:\s*\[\s*\{\s*"(id|result))'), "Label Studio JSON"),
    (re.compile(r'"tracks"\s*:|"tags"\s*:'), "CVAT JSON"),
    (re.compile(r'"_via_|"temporal_segments"|"file_list"'), "VIA JSON"),
    (re.compile(r'"shapes"\s*:.*"imagePath"|"imagePath"', re.DOTALL), "LabelMe JSON"),
    (re.compile(r'"annotations"\s*:.*"categories"', re.DOTALL), "COCO JSON"),
    (re.compile(r'"observations"\s*:.*"behaviors_conf"', re.DOTALL), "a BORIS project"),
)
_TEXT_HEADS = (
    (re.compile(r"CSV_HEADER = metadata_id|VGG Image Annotator"), "a VIA export"),
    (re.compile(r"^Observation id,.*Behavior", re.IGNORECASE), "a BORIS export"),
    (re.compile(r"^id,video,videoLabels|timelinelabels"), "a Label Studio export"),
    (re.compile(r"^ObjectType = Image|^NDims ="), "MetaImage (MHD)"),
    (re.compile(r"^#EXTM3U|^ffconcat version|^v=0\r?\no="), "a playlist"),
)


def other_kind(path: str | os.PathLike) -> str | None:
    """A known file that is no text table and no video by itself: "is HDF5: export ..."; None otherwise.

    Reads at most 4 kB. Text is judged by the root element of XML, the keys of JSON, and the
    first line of exports of annotation tools.

    Raises:
        InputError: no such file, or no ordinary one.
    """
    path = check_file(path, "the file")
    with path.open("rb") as stream:
        head = stream.read(4096)
    return binary_kind(head) or text_kind(head)


def binary_kind(head: bytes) -> str | None:
    """As `other_kind`, for binary formats, by the first bytes of the file."""
    if head.startswith(b"PK\x03\x04"):
        for part, (what, cure) in _OFFICE.items():
            if part in head:
                return f"is {what}: {cure}"
        if b"[Content_Types].xml" in head:
            return f"is an Office document (XLSX): {_TO_CSV}"
    for offset, magic, what, cure in _BINARY:
        if head[offset : offset + len(magic)] == magic:
            return f"is {what}: {cure}"
    return None


def text_kind(head: bytes) -> str | None:
    """As `other_kind`, for text formats of annotation tools."""
    text = _text(head).lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        root = re.search(r"<([A-Za-z_][\w.-]*)", re.sub(r"<[?!][^>]*>", "", text))
        name = root[1] if root else "?"
        known = _ROOTS.get(name.casefold())
        return f"is {known}" if known else f"is XML (root element {name}): write a CSV"
    if text[:1] in ("{", "["):
        what = next((what for pattern, what in _JSON_KEYS if pattern.search(text)), "JSON")
        return f"is {what}: {_INTERVALS if what != 'JSON' else 'write a CSV'}"
    for pattern, what in _TEXT_HEADS:
        if pattern.search(text):
            cures = {"MetaImage (MHD)": _TO_MP4, "a playlist": "name the video file itself"}
            return f"is {what}: {cures.get(what, _INTERVALS)}"
    return None


def _text(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", errors="replace")
    return head.decode("utf-8", errors="replace")


def refuse_other_kind(path: Path) -> None:
    """Raise `InputError` where `other_kind` knows what the file is.

    Raises:
        InputError: as said.
    """
    if kind := other_kind(path):
        raise InputError(f"{path}: {kind}")
