"""Write gaze as a tracker would: the Tobii Pro SDK stream format.

The simulator writes its gaze through here, so that simulated recordings pass
the same reader as real ones.
"""

from __future__ import annotations

import os

import numpy as np

from common.files import write_text
from data.gaze.formats.tobii_pro_sdk import FORMAT


def write_tobii_sdk_stream(
    path: str | os.PathLike, time_s: np.ndarray, x: np.ndarray, y: np.ndarray, valid: np.ndarray
) -> None:
    """Write gaze samples as a `;`-separated Tobii Pro SDK stream.

    Both eyes get the same point, so that their average is the point given.

    Args:
        path: the file to write; it appears whole or not at all.
        time_s: float [n], tracker clock, s; stored as whole microseconds.
        x, y: float [n], normalised to the screen, origin top left. Values where
            `valid` is false are not looked at.
        valid: bool [n]; a false one is written as (nan, nan) with validity 0.

    Raises:
        ValueError: arrays of different lengths, or a time or a valid point that is not finite.
        InputError: the file can't be written.
    """
    time_s, x, y = (np.asarray(values, np.float64) for values in (time_s, x, y))
    valid = np.asarray(valid, bool)
    if not time_s.shape == x.shape == y.shape == valid.shape or time_s.ndim != 1:
        raise ValueError(f"shapes {time_s.shape}, {x.shape}, {y.shape}, {valid.shape} are not one [n]")
    if not (np.isfinite(time_s).all() and np.isfinite(x[valid]).all() and np.isfinite(y[valid]).all()):
        raise ValueError("times and valid points must be finite")
    x, y = np.where(valid, x, np.nan), np.where(valid, y, np.nan)
    write_text(path, FORMAT.example(time_s, x, y, (1, 1)))
