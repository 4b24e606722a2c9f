"""Which commit of this project is running."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve()
_ROOT = _HERE.parents[1]  # where the packages lie, in a clone and where they are installed
_PACKAGES = ("baselines", "common", "data", "evaluation", "losses", "models", "quantization", "training")


@functools.cache
def revision() -> str | None:
    """The commit, with "+changes" behind it where tracked files differ from it; None outside a clone."""
    if not _git("ls-files", "--", _HERE.name):
        return None  # installed elsewhere, or in somebody else's repository
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")


@functools.cache
def code_digest() -> str:
    """SHA-256 (hex) over this project's Python files, names and bytes: what "+changes" alone does not tell apart."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for file in sorted((_ROOT / package).rglob("*.py")):
            digest.update(f"{file.relative_to(_ROOT).as_posix()}\n".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _git(*words: str) -> str:
    """What git prints, "" where it fails or is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(_HERE.parent), *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
