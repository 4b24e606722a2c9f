"""Files and folders that are either whole or absent, and inputs that are ordinary files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from common.console import notice
from common.errors import InputError, disk_errors
from common.locks import exclusive, link_target

# In the name of a temporary file: the machine and the process that write it.
_WRITER = r"([0-9a-f]{8})-([0-9]+)"
_LEFT_S = 24 * 3600.0


def path_kind(path: str | os.PathLike) -> str | None:
    """ "file", "folder" or None (absent) of an input.

    Raises:
        InputError: a FIFO, a device or a socket, which could be waited on for ever; a name that
            no file can have (too long, a NUL byte); a folder above that may not be read.
    """
    kind = _kind(path)
    if kind not in ("file", "folder", None):
        raise InputError(f"{path}: is {kind}, and an ordinary file is expected: copy its content into one")
    return kind


def _kind(path: str | os.PathLike) -> str | None:
    if "\0" in os.fspath(path):
        raise InputError(f"{os.fspath(path)!r}: a path can't hold a NUL byte: correct it")
    with disk_errors(path):
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "a pipe (FIFO)" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"


def check_file(path: str | os.PathLike, what: str) -> Path:
    """The path of an input that is an ordinary file.

    Args:
        path: to look at.
        what: what it should be, for the message ("the recording manifest").

    Raises:
        InputError: absent, a folder, or no ordinary file.
    """
    kind = path_kind(path)
    if kind is None:
        raise InputError(f"{path}: there is no such file ({what}): check the path")
    if kind == "folder":
        raise InputError(f"{path}: is a folder, and {what} is a file: name the file")
    return Path(path)


def check_output_file(path: str | os.PathLike) -> None:
    """Refuse an output path that is a folder, a device or a pipe, or a link into a folder that does not exist.

    Raises:
        InputError: naming what is there.
    """
    if (kind := _kind(link_target(path))) not in ("file", None):
        raise InputError(
            f"{path}: is {kind.replace('folder', 'a folder')}, and a file is to be written there: name another one"
        )


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike, *, overwrite: bool = False, marker: str | None = None) -> Iterator[Path]:
    """Give a temporary sibling of `path` that takes its name when the block ends well.

    A symbolic link is followed: its target is made or replaced, next to the target, and the link stays.
    If the block raises, the temporary folder is removed and `path` is as it was. `path` is
    locked for this process meanwhile; first what killed processes left next to it is cleaned up,
    with a notice: a folder that an interrupted overwriting had set aside comes back, half-written ones are removed.

    Args:
        path: the folder to make. Its parents are made too.
        overwrite: replace a folder that is there; otherwise that is an error.
        marker: replace only a folder that is empty or holds a file of this name, so that a
            slip of the keyboard never costs somebody's own files.

    Raises:
        InputError: `path` exists and may not be replaced, another process writes it, it can't be
            written, or it links into a folder that does not exist.
    """
    path = link_target(path)
    # "." and ".." have no name from which a sibling's name could be made.
    path = path if path.name not in ("", "..") else path.resolve()
    if (kind := _kind(path)) not in ("folder", None):
        raise InputError(
            f"{path}: is {kind.replace('file', 'a file')}, and a folder is to be written there: name another one"
        )
    _check_replaceable(path, overwrite, marker)
    with exclusive(path), disk_errors(path):
        clear_leftovers(path)
        _check_replaceable(path, overwrite, marker)
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


def _check_replaceable(path: Path, overwrite: bool, marker: str | None) -> None:
    if not path.exists():
        return
    if not overwrite:
        raise InputError(f"{path}: the output folder exists already: name another one, or set overwrite")
    if marker and any(path.iterdir()) and not (path / marker).is_file():
        raise InputError(
            f"{path}: holds files, and no {marker}: overwrite replaces only what an earlier run wrote, so name "
            "another folder"
        )


def set_aside(path: str | os.PathLike) -> Path | None:
    """The folder that an interrupted overwriting moved away from `path` and did not replace; None if there is none."""
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    if path_kind(path) is not None or not path.name or not path.parent.is_dir():
        return None
    return next((old / "was" for old in _siblings(path, ".old") if (old / "was").is_dir()), None)


def clear_leftovers(path: Path) -> None:
    """Clean up what killed processes left next to `path`, and say so. Call it with `path` locked."""
    if old := set_aside(path):
        os.replace(old, path)
        notice(f"{path}: an interrupted overwriting had set it aside; it is back")
    for folder in (*_siblings(path, ".part"), *_siblings(path, ".old")):
        shutil.rmtree(folder)
        notice(f"{folder}: left by an interrupted command, removed")


def clear_leftovers_in(folder: Path) -> None:
    """Remove what killed processes left half-written anywhere in `folder`, and say so. Call it with `folder` locked.

    What a process writes that still runs stays, such as a report that is put there by another command.
    """
    for part in sorted(folder.rglob(".*.part*")):
        if part.is_dir() and (found := re.fullmatch(r"\.(.+)\.[^.]+\.part", part.name)):
            target = part.with_name(found[1])
            with contextlib.suppress(InputError), exclusive(target):
                clear_leftovers(target)
        elif part.is_file() and (found := re.fullmatch(rf"\.(.+)\.{_WRITER}\.part(\.[^.]+)?", part.name)):
            _clear_left_files(part.with_name(found[1] + (found[4] or "")))


def _siblings(path: Path, suffix: str) -> list[Path]:
    prefix = f".{path.name}."
    found = []
    for entry in os.scandir(path.parent):
        random = entry.name.removeprefix(prefix).removesuffix(suffix)
        ours = entry.name == f"{prefix}{random}{suffix}" and random and "." not in random
        if ours and entry.is_dir(follow_symlinks=False):
            found.append(Path(entry.path))
    return sorted(found)


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
    """Give a temporary sibling path; it replaces `path` when the block ends well.

    A symbolic link is followed: its target is replaced, and the link stays.
    What killed processes left next to `path` is removed, with a notice.

    Raises:
        InputError: `path` is a device or a pipe, which must not be replaced, can't be written, or links
            into a folder that does not exist.
    """
    check_output_file(path)
    path = link_target(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_left_files(path)
        temporary = path.with_name(f".{path.stem}.{_this_machine()}-{os.getpid()}.part{path.suffix}")
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _clear_left_files(path: Path) -> None:
    prefix, suffix = f".{path.stem}.", f".part{path.suffix}"
    for entry in os.scandir(path.parent):
        name = entry.name.removeprefix(prefix).removesuffix(suffix)
        writer = re.fullmatch(_WRITER, name) if entry.name == f"{prefix}{name}{suffix}" else None
        if writer and _is_left(Path(entry.path), writer[1], int(writer[2])):
            Path(entry.path).unlink(missing_ok=True)
            notice(f"{entry.path}: left by an interrupted command, removed")


def _is_left(file: Path, machine: str, process: int) -> bool:
    """Whether nobody writes a temporary file any more; of another machine on a shared disk, nobody did for a day."""
    if machine == _this_machine():
        return not _runs(process)
    with contextlib.suppress(FileNotFoundError):
        return time.time() - file.stat().st_mtime > _LEFT_S
    return False


def _this_machine() -> str:
    """Of this machine's name, enough to tell machines apart that share a disk."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


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
