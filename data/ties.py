"""When a time of one file is a frame's time: files round their times, and differences of floats are not exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

# Clocks of whole microseconds are off by half of one, and floats of seconds since 1970 by a quarter.
_FLOAT_S = 0.8e-6
_HALF_MS_S = 0.5e-3


def tie_s(frame_times_s: ArrayLike, times_s: ArrayLike) -> float:
    """How far before a frame a time may lie and still be the frame's own, s.

    Half a millisecond for each side that is rounded to milliseconds, and less than a microsecond beside; at most a
    quarter of the smallest step between frames. Frames at equal steps of whole milliseconds are not rounded.

    Args:
        frame_times_s: [m], ascending, s. times_s: [n], of the file that is compared, on its own clock, s.
    """
    steps = np.diff(np.asarray(frame_times_s, np.float64))
    steps = steps[steps > 0]
    tie = _FLOAT_S + _HALF_MS_S * _in_ms(times_s)
    if not len(steps):
        return tie
    if np.ptp(steps) > 2 * _FLOAT_S:
        tie += _HALF_MS_S * _in_ms(frame_times_s)
    return min(tie, float(steps.min()) / 4)


def _in_ms(times_s: ArrayLike) -> bool:
    """Whether all times are whole milliseconds, but for what a float is off by."""
    times_ms = np.asarray(times_s, np.float64) * 1e3
    return bool((np.abs(times_ms - np.rint(times_ms)) < 1e-3).all())
