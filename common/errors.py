"""The one exception for bad input, and how a command line shows it."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class InputError(ValueError):
    """Input that is wrong and that the user can correct.

    The message is one line that names the file, the row or field, what was
    found and what to do. Commands print it alone and exit with 2.

    Attributes:
        parameter: the library's parameter that is the cure, where the message speaks of one
            whose flag can't be guessed from it; commands name its flag.
        code: exit code of a command that ends with it.
    """

    code = 2

    def __init__(self, message: object = "", *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class WorkerLost(InputError):
    """Another machine of the run ended or can't be reached: nothing to correct, the same command may be tried again."""

    code = 75  # EX_TEMPFAIL of sysexits.h


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; what cleans up after Ctrl-C cleans up after it too."""


# Errors of the file system that a user can cure, and the cure.
_DISK_CURES = {
    errno.ENOSPC: "the disk is full: free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another folder",
    errno.EROFS: "the disk is read-only: choose a folder that you may write to",
    errno.EACCES: "permission denied: choose a folder that you may read and write",
    errno.EPERM: "not permitted: choose a folder that you may read and write",
    errno.ENOENT: "there is no such file or folder: check the path",
    errno.EEXIST: "a file of this name is in the way: choose another path",
    errno.ENOTDIR: "a part of the path is a file, not a folder: check the path",
    errno.EISDIR: "this is a folder, a file was expected: check the path",
    errno.ENAMETOOLONG: "the name is too long for the file system: choose a shorter one",
    errno.ELOOP: "its symbolic links lead in a circle: correct them",
}

_WORDS = {
    "no space left": _DISK_CURES[errno.ENOSPC],
    "read-only file system": _DISK_CURES[errno.EROFS],
    "permission denied": _DISK_CURES[errno.EACCES],
}
# Where TensorFlow and HDF5 name the file in what they say.
_NAMED = re.compile(r"(?:^|\s)(\S+); (?:no space|read-only|permission)|name = '([^']+)'", re.IGNORECASE)
# What `common.locks` and `common.files` make in a folder until an output is whole there.
_UNFINISHED = re.compile(r"\.[^/]+\.(?:lock|part|old)(?:\.[^./]+)?")


def in_words(error: BaseException, limit: int = 200) -> str:
    """What a library's error says, on one line and not longer than `limit`; its type's name if it says nothing."""
    said = getattr(error, "strerror", None) or error
    return " ".join(str(said).split())[:limit] or type(error).__name__


@contextmanager
def disk_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turn the file-system errors that a user can cure into `InputError`.

    TensorFlow reports them by exceptions of its own, which are not `OSError`;
    both kinds are recognised here so that a full disk never ends in a traceback.
    The file is the one that the error names, which may be an input; `path` where it names none. Of a file that
    nobody asked for, such as a lock, it is the folder.
    """
    try:
        yield
    except Exception as error:
        cure = _cure(error)
        if cure is None:
            raise
        raise InputError(f"{_asked_for(_file_of(error)) or path}: {cure}") from error


def _asked_for(file: str | None) -> str | None:
    """A file; of one that is there until an output is whole, or is in such a folder, the folder that it is in."""
    parts = [] if file is None else file.split(os.sep)
    for number, part in enumerate(parts):
        if _UNFINISHED.fullmatch(part):
            return os.sep.join(parts[:number]) or (os.sep if number else os.curdir)
    return file


def _file_of(error: Any) -> str | None:
    """The file that an error of the file system names."""
    if getattr(error, "filename", None) is not None:
        return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    found = _NAMED.search(str(error))
    return (found[1] or found[2]) if found else None


def _cure(error: Exception) -> str | None:
    """What to do about a file-system error; None if it is none, or none that a user can cure."""
    if isinstance(error, OSError) and error.errno in _DISK_CURES:
        return _DISK_CURES[error.errno]
    # HDF5 raises OSError without a number, TensorFlow its own exceptions: both say it in words.
    if isinstance(error, OSError) or type(error).__module__.startswith("tensorflow"):
        text = str(error).lower()
        for words, cure in _WORDS.items():
            if words in text:
                return cure
    return None


def run_command(main: Callable[[list[str]], int | None], argv: list[str] | None = None) -> int:
    """Run a command's `main`, and return its exit code.

    Bad input is one line on standard error and code 2, a lost worker one and code 75; `--debug` anywhere on
    the command line shows the traceback as well. Ctrl-C and SIGTERM end it in
    order, with 130 and 143. What a terminal can't show becomes "?". Without `argv` it is the process's own command,
    with which the process ends.
    """
    if argv is None:
        end_soon()
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv
    argv = [word for word in argv if word != "--debug"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        for word in argv:
            if "\0" in word:
                raise InputError(f"{word!r}: holds a NUL byte: correct it")
            check_encoded(word)
        check_encoded(os.getcwd())
        with _sigterm_raises(), disk_errors("a file or folder that the command uses"):
            return main(argv) or 0
    except InputError as error:
        if debug:
            traceback.print_exc()
        # A name in a file must not steer the terminal.
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(str(error).split()))
        flag = f" ({flag_of(error.parameter)})" if error.parameter else ""
        print(f"error: {line}{flag}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt as stop:
        word, code = ("terminated", 143) if isinstance(stop, Terminated) else ("interrupted", 130)
        print(f"{word}: what was finished is kept, nothing is half-written", file=sys.stderr)
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def flag_of(parameter: str) -> str:
    """A parameter's flag: --teacher-options, but --loss.gaze_uniform_share."""
    group, dot, name = parameter.partition(".")
    return f"--{group.replace('_', '-')}{dot}{name}"


def end_soon() -> None:
    """Let the process end without its last search for garbage: about a second, where TensorFlow is imported."""
    atexit.register(gc.freeze)


def check_encoded(text: str) -> None:
    """Refuse a name whose bytes are no UTF-8: TensorFlow and LiteRT take none, and JSON can't hold it.

    `run_command` looks at the words of the command line; names that are found in a folder are for their finder.

    Raises:
        InputError: such a name.
    """
    try:
        text.encode()
        return
    except UnicodeEncodeError:
        pass
    try:
        os.fsencode(text).decode()
    except UnicodeError:
        raise InputError(f"{text!a}: the name is no UTF-8: rename the file or folder") from None
    # A name in UTF-8 that a Python without UTF-8 has taken apart.
    raise InputError(f"{text!a}: the locale's encoding has no such characters: set PYTHONUTF8=1")


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """SIGTERM raises `Terminated` in the block; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
