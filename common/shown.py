"""Paths as files that are shared may hold them: nothing of a machine, a home folder or a user."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_ELSEWHERE = "…"


def shown_paths(paths: Sequence[str | os.PathLike]) -> list[str]:
    """Paths to be stored: as given if relative, else below the working directory, else by what tells them apart.

    `/somebody/runs/a/student.keras` and `/somebody/runs/b/student.keras` become `…/a/student.keras` and
    `…/b/student.keras`; one alone becomes `…/student.keras`.
    """
    elsewhere = [path for path in map(Path, paths) if path.is_absolute() and not path.is_relative_to(Path.cwd())]
    common = Path(os.path.commonpath({path.parent for path in elsewhere})) if elsewhere else Path()
    return [_shown(Path(path), common) for path in paths]


def shown_path(path: str | os.PathLike) -> str:
    """One path to be stored; see `shown_paths`."""
    return shown_paths([path])[0]


def _shown(path: Path, common: Path) -> str:
    if not path.is_absolute():
        return str(path)
    if path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return f"{_ELSEWHERE}/{path.relative_to(common)}"
