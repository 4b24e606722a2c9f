"""Whether gaze moves with the image: at the right offset the eye stays on the same tissue while the probe moves.

For a shift of the gaze in time, the patch of the image at the gaze point is compared with the
patch at the gaze point 0.3 s later, by their normalised cross-correlation. Smooth pursuit keeps
the two alike; gaze of another time does not. The shift at which the mean is largest is the lag.
It is a check, not a measurement: where nothing moves, no shift stands out, and the report says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

WIDTH_PX = 128
SHIFTS_S = np.round(np.arange(-20, 21) * 0.1, 1)
_APART_S = 0.3
_RADIUS_PX = 6
# A farther step is a saccade, which follows nothing.
_SACCADE_PX = 8.0
_FEWEST_PAIRS = 3
_STRETCH_S = 6.0
_FEWEST_STRETCHES = 5
# Of `Lag.height`. Gaze of other recordings reached 2.7 in twelve trials on simulated ones, the
# right gaze 4.0.
CLEAR = 3.0


@dataclasses.dataclass(frozen=True)
class Clip:
    """Frames and gaze of one recording, on one clock.

    Attributes:
        times_s: of the frames, float64 [n], ascending.
        frames: grey, uint8 [n, h, WIDTH_PX].
        gaze_s, x, y: of the gaze samples, float64 [m]; x and y normalised to the frame.
    """

    times_s: np.ndarray
    frames: np.ndarray
    gaze_s: np.ndarray
    x: np.ndarray
    y: np.ndarray


@dataclasses.dataclass(frozen=True)
class Lag:
    """The shift that fits best.

    Attributes:
        shift_s: gaze of so much later matches the frame; add it to `gaze_offset_s`.
        height: how far the curve stands out there over its course 0.3 to 0.5 s to either side:
            the mean over stretches of the recordings in units of its standard error.
        scores: mean correlation for each of `SHIFTS_S`.
    """

    shift_s: float
    height: float
    scores: np.ndarray

    @property
    def clear(self) -> bool:
        """Whether the peak stands out enough to be believed."""
        return self.height >= CLEAR


def find_lag(clips: Iterable[Clip]) -> Lag | None:
    """The lag over some recordings together; None where too little gaze moves.

    Recordings are pooled because seconds of one seldom suffice; they must share their fault,
    as they do where one clock was read wrongly everywhere.
    """
    curves = np.array([_curve(clip, start_s) for clip in clips for start_s in _starts(clip)])
    if not len(curves):
        return None
    heights = np.full(len(SHIFTS_S), -np.inf)
    for i, shift in enumerate(SHIFTS_S):
        away = SHIFTS_S - shift
        sides = [curves[:, (side * away > 0.25) & (side * away < 0.55)] for side in (-1, 1)]
        # A shift near the end of the range has no course on its other side.
        if min(side.shape[1] for side in sides) < 3:
            continue
        over = curves[:, i] - np.mean([side.mean(axis=1) for side in sides], axis=0)
        over = over[np.isfinite(over)]
        if len(over) >= _FEWEST_STRETCHES and over.std() > 0:
            heights[i] = over.mean() / (over.std(ddof=1) / np.sqrt(len(over)))
    if not np.isfinite(heights).any():
        return None
    best = int(heights.argmax())
    return Lag(float(SHIFTS_S[best]), float(heights[best]), _mean_curve(curves))


def _starts(clip: Clip) -> np.ndarray:
    """Where the stretches of a clip begin, s: they count as independent."""
    return np.arange(clip.times_s[0], max(clip.times_s[-1] - _STRETCH_S / 2, clip.times_s[0] + 1e-9), _STRETCH_S)


def _curve(clip: Clip, start_s: float) -> np.ndarray:
    """Mean correlation at each shift, float64 [shifts], of the frames of one stretch; NaN where too few."""
    frames = (clip.times_s >= start_s) & (clip.times_s < start_s + _STRETCH_S)
    part = dataclasses.replace(clip, times_s=clip.times_s[frames], frames=clip.frames[frames])
    found = (_correlations(part, float(shift)) for shift in SHIFTS_S)
    return np.array([each.mean() if len(each) >= _FEWEST_PAIRS else np.nan for each in found])


def _mean_curve(curves: np.ndarray) -> np.ndarray:
    known = np.isfinite(curves)
    return np.where(known, curves, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _correlations(clip: Clip, shift_s: float) -> np.ndarray:
    """Of each pair of patches along the gaze, float64 [k]."""
    if len(clip.times_s) < 2 or len(clip.gaze_s) < 2:
        return np.zeros(0)
    step_s = float(np.median(np.diff(clip.times_s)))
    apart = max(1, round(_APART_S / step_s))
    rows = len(clip.times_s) - apart
    if rows < 1:
        return np.zeros(0)
    height, width = clip.frames.shape[1:]
    shown = clip.times_s + step_s / 2 + shift_s
    points = np.stack([_at(shown, clip.gaze_s, clip.y) * height, _at(shown, clip.gaze_s, clip.x) * width]) - 0.5
    first, second = points[:, :rows], points[:, apart:]
    step = np.hypot(*(second - first))
    used = np.isfinite(step) & (step < _SACCADE_PX)
    for point in (first, second):
        for values, extent in zip(point, (height, width)):
            used &= (values >= _RADIUS_PX + 1) & (values < extent - _RADIUS_PX - 1)
    i = np.flatnonzero(used)
    before = _patches(clip.frames, i, first[:, used])
    after = _patches(clip.frames, i + apart, second[:, used])
    norm = np.sqrt((before**2).sum(axis=1) * (after**2).sum(axis=1))
    return (before * after).sum(axis=1)[norm > 0] / norm[norm > 0]


def _at(times_s: np.ndarray, gaze_s: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Gaze at some times; NaN where no sample is within 50 ms."""
    order = np.argsort(gaze_s, kind="stable")
    gaze_s, values = gaze_s[order], values[order]
    right = np.searchsorted(gaze_s, times_s).clip(1, len(gaze_s) - 1)
    near = np.minimum(np.abs(gaze_s[right] - times_s), np.abs(gaze_s[right - 1] - times_s))
    return np.where(near <= 0.05, np.interp(times_s, gaze_s, values), np.nan)


def _patches(frames: np.ndarray, i: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Patches less their mean, float64 [k, pixels], of frames i around points (row, column) [2, k]."""
    around = np.arange(-_RADIUS_PX, _RADIUS_PX + 1)
    rows, columns = (np.rint(values).astype(int)[:, None] + around for values in points)
    patches = frames[i[:, None, None], rows[:, :, None], columns[:, None, :]].astype(np.float64)
    patches = patches.reshape(len(i), len(around) ** 2)
    return patches - patches.mean(axis=1, keepdims=True) if len(i) else patches
