"""The chunks of an AVI: which of its frames are empty, that is, show the one before again."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def frame_chunks(path: Path, stream: int) -> list[bool] | None:
    """For each chunk of a video stream, in file order, whether it holds a frame.

    Capture programs write a chunk of no bytes for "as before"; FFmpeg steps over it, so that
    only the count in the header tells, which a file cut short has too.

    Args:
        path: of the AVI.
        stream: number of the stream in the file.

    Returns:
        One bool per chunk; None where the file ends within a chunk, or is built otherwise.
    """
    name = b"%02d" % stream
    found: list[bool] = []
    end = path.stat().st_size
    with path.open("rb") as file:
        try:
            for kind, size in _chunks(file, 0, end):
                if kind[:2] == name and kind[2:] in (b"dc", b"db", b"DC", b"DB"):
                    found.append(size > 0)
        except (EOFError, struct.error):
            return None
    return found


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """(name, bytes) of every chunk that is no list, through RIFF, movi and rec lists."""
    while start + 8 <= end:
        file.seek(start)
        kind, size = struct.unpack("<4sI", file.read(8))
        if start + 8 + size > end:
            raise EOFError
        if kind in (b"RIFF", b"LIST"):
            if file.read(4) in (b"AVI ", b"AVIX", b"movi", b"rec "):
                yield from _chunks(file, start + 12, start + 8 + size)
        else:
            yield kind, size
        start += 8 + size + size % 2
