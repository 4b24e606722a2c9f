"""How many frames the pixels of a DICOM hold, whatever its header says; nothing is decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import pydicom

# How the codestream of a frame begins: JPEG and JPEG-LS, JPEG 2000.
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
_PIXEL_DATA = (0x7FE0, 0x0010)
_ITEM = (0xFFFE, 0xE000)
_OF_UNKNOWN_LENGTH = 0xFFFFFFFF


def stored_frames(path: Path, frame_bytes: int) -> int | None:
    """The number of whole frames in the pixel data; None where they can't be told apart without decoding.

    Args:
        path: of a DICOM whose elements are not compressed as a whole.
        frame_bytes: of a frame that is not compressed.
    """
    with path.open("rb") as file:
        header = pydicom.dcmread(file, force=True, stop_before_pixels=True)
        order = "<" if header.original_encoding[1] else ">"
        try:
            tag = struct.unpack(f"{order}HH", file.read(4))
            head = file.read(4)
            # Some elements are explicit in a file that says that it is implicit, and the other way round.
            if head[:2] in (b"OB", b"OW"):
                head = file.read(4)
            (length,) = struct.unpack(f"{order}I", head)
        except struct.error:
            return None
        if tag != _PIXEL_DATA:
            return None
        return length // frame_bytes if length != _OF_UNKNOWN_LENGTH else _codestreams(file)


def _codestreams(file: BinaryIO) -> int | None:
    """Fragments that begin a codestream; None for other codecs."""
    count = number = 0
    while (head := file.read(8)) and len(head) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) != _ITEM:
            break
        start = file.tell()
        # The first item is the table of offsets.
        count += number > 0 and file.read(4).startswith(_STARTS)
        number += 1
        file.seek(start + length)
    return count or None
