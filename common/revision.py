"""Which commit of this project is running."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve()


@functools.cache
def revision() -> str | None:
    """The commit, with "+changes" behind it where tracked files differ from it; None outside a clone."""
    if not _git("ls-files", "--", _HERE.name):
        return None  # installed elsewhere, or in somebody else's repository
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*words: str) -> str:
    """What git prints, "" where it fails or is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(_HERE.parent), *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
