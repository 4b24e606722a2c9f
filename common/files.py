"""Files and folders that are either whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from common.errors import InputError, disk_errors


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike, *, overwrite: bool = False, marker: str | None = None) -> Iterator[Path]:
    """Give a temporary sibling of `path` that takes its name when the block ends well.

    If the block raises, the temporary folder is removed and `path` is as it was.

    Args:
        path: the folder to make. Its parents are made too.
        overwrite: replace a folder that is there; otherwise that is an error.
        marker: replace only a folder that is empty or holds a file of this name, so that a
            slip of the keyboard never costs somebody's own files.

    Raises:
        InputError: `path` exists and may not be replaced, or it can't be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise InputError(f"{path}: the output folder exists already: name another one or give --overwrite")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file, and a folder is to be written there: name another one")
    if marker and path.exists() and any(path.iterdir()) and not (path / marker).is_file():
        raise InputError(
            f"{path}: holds files, and no {marker}: --overwrite replaces only what this command wrote, so name "
            "another folder"
        )
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        # mkdtemp makes it private to its owner; what comes out is an ordinary folder.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        try:
            yield temporary
            _swap(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    """Put `new` at `path`; the old one is deleted only once the new one stands."""
    if not path.exists():
        os.replace(new, path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    os.replace(path, old / "was")
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old / "was", path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary sibling path; it replaces `path` when the block ends well."""
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` as UTF-8; an interrupted write leaves the old file."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_of(paths: Iterable[str | os.PathLike]) -> str:
    """SHA-256 (hex) over the contents of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
