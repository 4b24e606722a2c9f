"""Which scanners a report tells apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def scanners_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The scanners of a report's rows, by their number of frames; [] where there is only one."""
    counts = rows[0].get("per_scanner", {}) if rows else {}
    return sorted(counts, key=lambda name: (-counts[name]["n_frames"], name)) if len(counts) > 1 else []
