"""One writer at a time: a lock that ends with its process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from common.console import notice
from common.errors import InputError, disk_errors

# File systems (some network shares) that know no locks: work goes on without one.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_RETRY_S = 0.5


def link_target(path: str | os.PathLike) -> Path:
    """Where an output goes: what a symbolic link leads to, though it need not exist yet; any other path as it is.

    So a folder on another disk stays there, and two names of one output have one lock.

    Raises:
        InputError: a link into a folder that does not exist.
    """
    path = Path(path)
    if not os.path.islink(path):
        return path
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise InputError(f"{path}: links to {target}, and there is no folder {target.parent}: make it, or correct it")
    return target


@contextlib.contextmanager
def exclusive(path: str | os.PathLike, *, wait: bool = False) -> Iterator[None]:
    """Hold `path` (a folder or file to be written) for this process alone.

    The lock is `.NAME.lock` next to it (of a symbolic link: next to its target), held by the
    operating system: it ends with its process, however that ends, so that the file that a
    killed process leaves is no lock.

    Args:
        path: what is written. wait: until another process that holds it is done, instead of an error.

    Raises:
        InputError: another process holds it; names that process and since when. Or as `link_target`.
    """
    path = link_target(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.parent / f".{path.name}.lock"
        descriptor = _acquire(file, path, wait)
        try:
            os.ftruncate(descriptor, 0)
            holder = {"process": os.getpid(), "machine": platform.node(), "since": _now()}
            os.write(descriptor, json.dumps(holder).encode())
            yield
        finally:
            # Removed while still held: whoever waits for it sees another file under the name and tries again.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file)
            os.close(descriptor)


def _acquire(file: Path, path: Path, wait: bool) -> int:
    said = False
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            if wait:
                if not said:
                    notice(f"{path}: {holder} writes there; waiting for it")
                said = True
                time.sleep(_RETRY_S)
                continue
            raise InputError(f"{path}: {holder} writes there: wait for it or end it, or name another one") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
        try:
            current = os.stat(file).st_ino == os.fstat(descriptor).st_ino
        except FileNotFoundError:
            current = False
        if current:
            return descriptor
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
        where = f" on {found['machine']}" if found["machine"] != platform.node() else ""
        return f"process {int(found['process'])}{where}, since {found['since']},"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
