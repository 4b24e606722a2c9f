"""Paths as files that are shared may hold them: nothing of a machine, a home folder or a user.

As a script it passes on what another command prints, so shortened; its arguments are that command's words.
"""

from __future__ import annotations

import contextlib
import getpass
import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_ELSEWHERE = "…"
# Where an absolute path may start in a text: not in a URL, a relative path or a tag.
_START = r"(?:(?<![\w.…~}<:/-])|(?<=\w:)(?!//))"
# It ends at a blank or at what encloses it; one in quotes may hold blanks.
_ABSOLUTE = re.compile(rf"""(?<=["'`])/[^"'`\n]+(?=["'`])|{_START}/[^\s'"`\[\](){{}},;:<>|]+""")


def shown_paths(paths: Sequence[str | os.PathLike]) -> list[str]:
    """Paths to be stored: as given if relative, else below the working directory, else by their last part or parts.

    `/somebody/runs/a/student.keras` and `/somebody/runs/b/student.keras` become `…/a/student.keras` and
    `…/b/student.keras`; one alone becomes `…/student.keras`. Two parts are kept of what lies in several folders, more
    only where two paths would look alike.
    """
    given = [Path(path) for path in paths]
    elsewhere = [path for path in given if path.is_absolute() and not _is_here(path)]
    common = Path(os.path.commonpath({path.parent for path in elsewhere})) if elsewhere else Path()
    most = max(2, _telling_apart(elsewhere))
    return [_shown(path, common, most) for path in given]


def shown_path(path: str | os.PathLike) -> str:
    """One path to be stored; see `shown_paths`."""
    return shown_paths([path])[0]


def shown_text(text: str, words: Sequence[str] = ()) -> str:
    """A command or a line of a log to be stored: each absolute path in it as `shown_path` gives it.

    Args:
        text: to be stored.
        words: of the command, which tell where a path that holds blanks ends.
    """
    values = {part.rstrip("/") for word in words for part in (word, word.partition("=")[2]) if part.startswith("/")}
    for value in sorted(values - {""}, key=len, reverse=True):
        text = re.sub(f"{_START}{re.escape(value)}", shown_path(value).replace("\\", r"\\"), text)
    if Path.cwd() != Path(Path.cwd().anchor):
        text = re.sub(f"{_START}{re.escape(str(Path.cwd()))}/", "", text)
    return _ABSOLUTE.sub(lambda found: shown_path(found[0]), text)


def _telling_apart(paths: Sequence[Path]) -> int:
    """How many of the last parts are needed so that no two different paths look alike."""
    different = set(paths)
    longest = max((len(path.parts) for path in different), default=1)
    return next((n for n in range(1, longest) if len({path.parts[-n:] for path in different}) == len(different)), 1)


def _shown(path: Path, common: Path, most: int) -> str:
    if not path.is_absolute():
        return str(path)
    if _is_here(path):
        return str(path.relative_to(Path.cwd()))
    parts = path.relative_to(common).parts[-most:]
    return "/".join([_ELSEWHERE, *("~" if part in _users() else part for part in parts)])


def _is_here(path: Path) -> bool:
    """Whether it lies below the working directory, which says something unless that is the root of all."""
    return Path.cwd() != Path(path.anchor) and path.is_relative_to(Path.cwd())


def _users() -> set[str]:
    """Names of the user, where the process has one."""
    found = set()
    for ask in (getpass.getuser, lambda: Path.home().name):
        with contextlib.suppress(KeyError, OSError, RuntimeError, ImportError):
            found.add(ask())
    return found


def _main(words: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command says what it leaves when it is interrupted
    for line in io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace"):
        sys.stdout.write(shown_text(line, words))
        sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1:])
