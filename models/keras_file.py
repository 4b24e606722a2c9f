"""Reading a `.keras` file that may have come from anywhere: its archive is checked before anything is unpacked.

A `.keras` file is a ZIP archive of `config.json`, `metadata.json` and `model.weights.h5`. Keras
refuses Lambda layers and foreign classes itself (`safe_mode`); what it does not look at is
checked here.
"""

from __future__ import annotations

import contextlib
import os
import resource
import stat
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import keras
import tensorflow as tf

from common.errors import InputError, disk_errors, in_words
from common.files import check_file

# The largest registered model, VGG-16 on 224×288 frames, has 0.66 GB of float32 weights.
MOST_UNPACKED_BYTES = 4 << 30
MOST_MEMBERS = 1000
# Keras stores members without compression, and trained weights hardly compress at all.
MOST_RATIO = 50
_SMALL_BYTES = 1 << 20
# Of addresses, which threads and libraries reserve generously, while a file of weights is loaded.
_SPARE_BYTES = 4 << 30


def read_keras_model(path: str | os.PathLike) -> keras.Model:
    """Load a `.keras` file without compiling it.

    Raises:
        InputError: no such file, an archive with a member outside its folder or that grows
            beyond bounds when it is unpacked, code in it, or anything that is no Keras model.
    """
    from models import registry  # noqa: F401  registers this project's layers

    path = check_file(path, "a .keras file")
    check_archive(path)
    try:
        with disk_errors(path), warnings.catch_warnings(), _memory_bounded(path):
            # Keras would go on with random weights.
            warnings.filterwarnings("error", message="Skipping nested container")
            return keras.saving.load_model(path, compile=False)
    except InputError:
        raise
    except Exception as error:
        # A damaged or hostile configuration makes Keras raise whatever its constructors raise.
        raise unreadable(path, error) from error


@contextlib.contextmanager
def _memory_bounded(path: Path) -> Iterator[None]:
    """Layers that its weights can't fill are refused by the system before they take the machine's memory."""
    # Elsewhere the limit is not kept, and a GPU's driver takes as many addresses as the machine has memory.
    if not sys.platform.startswith("linux") or tf.config.list_physical_devices("GPU"):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + _SPARE_BYTES + 4 * path.stat().st_size
    if soft != resource.RLIM_INFINITY:
        most = min(most, soft)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def unreadable(path: Path, error: BaseException) -> InputError:
    """One line for a file that its library can't read."""
    words = in_words(error)
    return InputError(f"{path}: can't be loaded ({words}): the file is damaged or of another version, export it again")


def check_archive(path: Path) -> None:
    """Refuse a ZIP archive that is damaged, leads out of its folder or is a bomb; reads its directory alone.

    Raises:
        InputError: naming the file and the member.
    """
    try:
        with disk_errors(path), zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except InputError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error
    cure = "do not load it, and ask where it came from"
    if len(members) > MOST_MEMBERS:
        raise InputError(f"{path}: has {len(members)} members, at most {MOST_MEMBERS} were expected: {cure}")
    for member in members:
        if _leads_out(member):
            raise InputError(f"{path}: its member {member.filename[:80]!r} leads out of the archive: {cure}")
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if packed > path.stat().st_size:
        raise InputError(f"{path}: its members overlap: {cure}")
    if unpacked > MOST_UNPACKED_BYTES:
        raise InputError(f"{path}: unpacks to {unpacked:,} bytes, at most {MOST_UNPACKED_BYTES:,} are read: {cure}")
    for member in members:
        if member.file_size > max(_SMALL_BYTES, MOST_RATIO * member.compress_size):
            raise InputError(
                f"{path}: its member {member.filename[:80]!r} grows from {member.compress_size:,} to "
                f"{member.file_size:,} bytes when it is unpacked, more than {MOST_RATIO} times: {cure}"
            )


def check_weights_file(path: Path) -> None:
    """Refuse an HDF5 file that takes anything from another file: a link, outside storage, a virtual array.

    Raises:
        InputError: naming what leads out, or a file that can't be read.
    """
    import h5py

    def walk(group: Any, above: str) -> Iterator[str]:
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                yield above + name
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                yield from walk(item, f"{above}{name}/")
            elif isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                yield above + name

    try:
        with h5py.File(path, "r") as file:
            found = next(walk(file, ""), None)
    except (OSError, RuntimeError, ValueError, KeyError, RecursionError) as error:
        raise unreadable(path, error) from error
    if found is not None:
        raise InputError(
            f"{path}: its {found[:80]!r} leads to another file or place: give a file that holds its weights"
        )


def _leads_out(member: zipfile.ZipInfo) -> bool:
    name = member.orig_filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return is_link or name.startswith("/") or ".." in parts or ":" in name or "\0" in name
