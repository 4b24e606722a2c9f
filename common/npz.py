"""NumPy archives (`.npz`) that may have come from anywhere: no objects, nothing that grows beyond reason."""

from __future__ import annotations

import os
import zipfile

import numpy as np

_MOST_BYTES = 4 << 30
# Arrays of weights hardly compress; masks and zeros do, and are small.
_MOST_RATIO = 200
_SMALL_BYTES = 16 << 20


def read_npz(file: str | os.PathLike) -> dict[str, np.ndarray]:
    """All arrays of an archive, by name, in the order of the file.

    Raises:
        ValueError, EOFError, KeyError, zipfile.BadZipFile: a damaged archive, one with Python objects in it, or
            one that unpacks to more than 4 GiB or 200 times its size.
    """
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > min(_MOST_BYTES, max(_SMALL_BYTES, _MOST_RATIO * os.path.getsize(file))):
        raise ValueError(f"unpacks to {unpacked:,} bytes")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except MemoryError as error:
        raise ValueError(str(error)) from error
