"""NumPy archives (`.npz`) that may have come from anywhere: no objects, nothing that grows beyond reason."""

from __future__ import annotations

import os
import zipfile
import zlib

import numpy as np

from common.errors import InputError, disk_errors

_MOST_BYTES = 4 << 30
# Arrays of weights hardly compress; masks and zeros do, and are small.
_MOST_RATIO = 200
_SMALL_BYTES = 16 << 20


# What the libraries raise for a file that is no archive, a torn one, or one with Python objects in it.
_UNREADABLE = (ValueError, EOFError, KeyError, OSError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def read_npz(file: str | os.PathLike, what: str, cure: str) -> dict[str, np.ndarray]:
    """All arrays of an archive, by name, in the order of the file.

    Args:
        file: of the archive.
        what: it should be, such as "checkpoint", for errors.
        cure: what to do if it is not.

    Raises:
        InputError: no such file, a damaged archive, one with Python objects in it, or one that unpacks to more than
            4 GiB or 200 times its size.
    """
    try:
        with disk_errors(file):
            return _arrays(file)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"{file}: is no readable {what} ({error}): {cure}") from error


def _arrays(file: str | os.PathLike) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > min(_MOST_BYTES, max(_SMALL_BYTES, _MOST_RATIO * os.path.getsize(file))):
        raise ValueError(f"unpacks to {unpacked:,} bytes")
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
