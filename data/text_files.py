"""Text files from anywhere, as text: regular files of a bounded size, in any usual encoding."""

from __future__ import annotations

import codecs
import errno
import os
import stat
import zlib
from pathlib import Path

from common.errors import InputError, disk_errors

# Three hours at 1,200 Hz with every column that a tracker's software offers come to about this.
MAX_BYTES = 4 << 30
GZIP_MAGIC = b"\x1f\x8b"
# Real tables shrink to a tenth or a twentieth; a bomb to a thousandth.
_MAX_GZIP_RATIO = 200
_SMALL_BYTES = 1 << 20


def read_file(path: str | os.PathLike) -> bytes:
    """The bytes of a regular file.

    Raises:
        InputError: no such file, a folder, a pipe or a device (which may never end), an empty
            file, one larger than `MAX_BYTES`, or one that can't be read.
    """
    path = Path(path)
    shown = printable(os.fspath(path), 200)
    with disk_errors(shown):
        status = _stat(path, shown)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder", shown)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{shown}: is a pipe or a device, not a file: copy what it gives into a file")
        if status.st_size > MAX_BYTES:
            raise InputError(
                f"{shown}: has {status.st_size / 1e9:.1f} GB, over {MAX_BYTES / 1e9:.1f} GB: export fewer columns "
                "or a shorter part"
            )
        data = path.read_bytes()
    if not data.strip():
        raise InputError(f"{shown}: the file is empty: export it again")
    return data


def _stat(path: Path, shown: str) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        # Without its file name, which may be of any length.
        raise OSError(error.errno, error.strerror) from error
    except ValueError as error:
        raise InputError(f"{shown}: can't be read ({error}): correct the name") from error


def unpack_gzip(data: bytes, path: str | os.PathLike) -> bytes:
    """The content of a gzip file, within `MAX_BYTES`.

    Raises:
        InputError: damaged, cut short, or grown beyond reason.
    """
    limit = min(MAX_BYTES, max(_SMALL_BYTES, _MAX_GZIP_RATIO * len(data)))
    content, rest = b"", data
    try:
        while rest[:2] == GZIP_MAGIC:
            unpacker = zlib.decompressobj(wbits=31)
            content += unpacker.decompress(rest, limit + 1 - len(content))
            if len(content) > limit:
                raise InputError(f"{path}: unpacks to over {limit / 1e6:,.0f} MB: unpack it and give the text file")
            if not unpacker.eof:
                raise InputError(f"{path}: the gzip file is cut short: copy it again")
            rest = unpacker.unused_data
    except zlib.error as error:
        raise InputError(f"{path}: the gzip file is damaged ({error}): copy it again") from error
    return content


def decode_text(data: bytes) -> str:
    """UTF-8, UTF-16 or UTF-32 with a byte order mark (or two), UTF-16 without one, or Windows-1252."""
    return _decoded(data).lstrip("\ufeff")


def _decoded(data: bytes) -> str:
    if data[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return data.decode("utf-32", errors="replace")
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return data.decode("utf-16", errors="replace")
    start = data[:4096]
    # Western text in UTF-16 has a zero in every second byte and nowhere else.
    even, odd = start[::2].count(0), start[1::2].count(0)
    if odd > 0.4 * len(start[1::2]) and not even:
        return data.decode("utf-16-le", errors="replace")
    if even > 0.4 * len(start[::2]) and not odd:
        return data.decode("utf-16-be", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Older exports: a participant's name or a stimulus in the Windows code page.
        return data.decode("cp1252", errors="replace")


def printable(text: str, limit: int = 80) -> str:
    """`text` for a message: control characters as "?", cut to `limit` characters."""
    shown = "".join(character if character.isprintable() else "?" for character in text[: limit + 1])
    return shown if len(text) <= limit else shown[:limit] + "..."
