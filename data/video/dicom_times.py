"""When the frames of a DICOM are shown: FrameTimeVector, FrameTime, CineRate, or the rate that is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset

from common.errors import InputError
from data.video.clip import MAX_FPS, MIN_FPS, RateMissing, check_fps

EXPORT_AGAIN = "export it again"


def number(path: Path, header: FileDataset, field: str) -> float | None:
    """A finite number above 0 of the header, or None where it says none."""
    value = header.get(field)
    if value in (None, "", 0):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = np.nan
    if not (np.isfinite(found) and found >= 0):
        raise InputError(f"{path}: the DICOM field {field} is {str(value)[:50]!r}, no usable number: {EXPORT_AGAIN}")
    return found or None


def frame_times(path: Path, header: FileDataset, count: int, fps: float | None) -> tuple[np.ndarray, float]:
    """Times of the frames, s, the first 0; and how long the last one stays, s."""
    if count == 1 and fps is None:
        interval_s = (number(path, header, "FrameTime") or 0.0) / 1000
        return np.zeros(1), interval_s
    vector = header.get("FrameTimeVector")
    if vector is not None and count > 1:
        return _vector_times(path, vector, count, fps)
    frame_ms = number(path, header, "FrameTime")
    rate = number(path, header, "CineRate") or number(path, header, "RecommendedDisplayFrameRate")
    if fps is not None and (frame_ms or rate):
        raise InputError(f"{path}: fps {fps:g} is given, but this DICOM tells its frame times: leave fps empty")
    rate = 1000 / frame_ms if frame_ms else rate or fps
    if not rate:
        raise RateMissing(
            f"{path}: has {count} frames and neither FrameTimeVector, FrameTime nor CineRate: "
            "give fps (in a manifest, its column fps)"
        )
    if not MIN_FPS <= rate <= MAX_FPS:
        raise InputError(f"{path}: tells {rate:g} frames per s, which no scanner has: {EXPORT_AGAIN}")
    return np.arange(count) / rate, 1 / rate


def _vector_times(path: Path, vector: Any, count: int, fps: float | None) -> tuple[np.ndarray, float]:
    try:
        steps_s = np.atleast_1d(np.asarray(vector, dtype=np.float64))[1:] / 1000
    except (TypeError, ValueError):
        steps_s = np.zeros(0)
    fault = f"has {len(steps_s) + 1} entries for {count} frames"
    if len(steps_s) == count - 1:
        fault = "has no times in ms that a scanner would have"
    if not (np.isfinite(steps_s).all() and (steps_s > 0).all()):
        fault = "has a step that is not above 0"
    usable = len(steps_s) == count - 1 and np.isfinite(steps_s).all() and (steps_s > 0).all()
    # Some write the times themselves, or seconds: no scanner's steps grow by one amount, or are of microseconds.
    growing = usable and len(steps_s) > 2 and np.allclose(np.diff(steps_s), steps_s[0], rtol=0.1)
    usable = usable and not growing and MIN_FPS <= 1 / np.median(steps_s) <= MAX_FPS
    if usable and fps is None:
        return np.concatenate([[0.0], np.cumsum(steps_s)]), float(np.median(steps_s))
    if usable:
        raise InputError(f"{path}: fps {fps:g} is given, but this DICOM tells its frame times: leave fps empty")
    if fps is None:
        raise RateMissing(
            f"{path}: FrameTimeVector {fault}: export it again, or give fps (in a manifest, its column fps)"
        )
    check_fps(path, fps)
    return np.arange(count) / fps, 1 / fps
