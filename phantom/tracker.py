"""What an eye tracker makes of a scan path: calibration error, drift, jitter, blinks, loss.

The magnitudes are those that were measured with sonographers at work: a median
accuracy of 1.00° and a median precision of 0.16°, which were 50.9 and 8.3 pixels of
their screen, and 0.16° of accuracy lost between calibration and use on a cart-based
scanner (Chatelain et al., IEEE Trans. Cybernetics 2020). Rate: a Tobii 4C's 90 Hz.
How often one blinks and how much is lost at random are round values of ours.
"""

from __future__ import annotations

import dataclasses
from math import hypot, pi, tan
from typing import TypeVar

import numpy as np

RATE_HZ = 90.0
CLOCK_JITTER_S = 2e-4
# Per axis. A radius of two such errors has its median at 1.18 of them: 1.00°.
BIAS_DEGREE = 0.85
JITTER_DEGREE = 0.16
# A random walk: after a session of half an hour the median radius is 0.16°.
DRIFT_DEGREE = 0.16 / 1.1774
SESSION_S = 1800.0
BLINK_S = (0.1, 0.3)
BLINK_EVERY_S = 4.0
LOSS = (0.02, 0.05)  # share of the samples lost at random, drawn for each clip

_Seconds = TypeVar("_Seconds", float, np.ndarray)


@dataclasses.dataclass(frozen=True)
class Screen:
    """The screen, the place of the ultrasound image on it, and how far away the eyes are.

    The manifest holds the pixels: `screen_width_px`, `screen_height_px` and `image_box_px`.

    Attributes:
        width, height: px. box: x, y, width, height of the image, px.
        diagonal_mm: of the screen; 24 inches. distance_mm: from the eyes to its middle, chosen
            so that a degree is the published 50.9 px of a screen 1920 px wide.
    """

    width: int = 1920
    height: int = 1080
    box: tuple[int, int, int, int] = (456, 120, 1008, 784)
    diagonal_mm: float = 609.6
    distance_mm: float = 807.0

    @property
    def px_per_degree(self) -> float:
        """Pixels that one degree of visual angle covers at the screen's middle."""
        px_per_mm = hypot(self.width, self.height) / self.diagonal_mm
        return self.distance_mm * tan(pi / 180) * px_per_mm


@dataclasses.dataclass(frozen=True)
class Gaze:
    """Samples of one clip, each array [n].

    Attributes:
        time_s: from the video's first frame, ascending.
        x, y: normalised to the screen, origin top left; finite also where not valid.
        valid: whether the tracker saw an eye.
    """

    time_s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    valid: np.ndarray


def record_gaze(
    time_s: np.ndarray, pixels: np.ndarray, screen: Screen, bias_degree: np.ndarray, rng: np.random.Generator
) -> Gaze:
    """Sample a scan path with the tracker's errors.

    Args:
        time_s: of the samples, [n], ascending.
        pixels: where the eye looks on the screen, px, [n, 2].
        bias_degree: the calibration's error at the first sample, [2], degrees.
    """
    walk = np.cumsum(rng.normal(0, 1, pixels.shape) * _walk_degree(np.diff(time_s, prepend=time_s[0]))[:, None], axis=0)
    error = bias_degree + walk + rng.normal(0, JITTER_DEGREE, pixels.shape)
    shown = pixels + error * screen.px_per_degree
    valid = ~_lost(time_s, rng)
    return Gaze(time_s, shown[:, 0] / screen.width, shown[:, 1] / screen.height, valid)


def sample_times(start_s: float, end_s: float, rng: np.random.Generator) -> np.ndarray:
    """When a tracker of 90 Hz takes its samples: [n], ascending, as even as its clock is."""
    times = np.arange(start_s, end_s, 1 / RATE_HZ)
    jitter = np.clip(rng.normal(0, CLOCK_JITTER_S, times.shape), -4 * CLOCK_JITTER_S, 4 * CLOCK_JITTER_S)
    return times + jitter


def draw_bias(rng: np.random.Generator) -> np.ndarray:
    """A calibration's error, degrees, [2]: over sessions the median radius is 1.00 degree."""
    return rng.normal(0, BIAS_DEGREE, 2)


def drift(bias_degree: np.ndarray, elapsed_s: float, rng: np.random.Generator) -> np.ndarray:
    """What became of a calibration's error after some time of the session, degrees, [2]."""
    return bias_degree + rng.normal(0, 1, 2) * _walk_degree(elapsed_s)


def _walk_degree(elapsed_s: _Seconds) -> _Seconds:
    """Standard deviation of the drift after a time, degrees per axis."""
    return DRIFT_DEGREE * (elapsed_s / SESSION_S) ** 0.5


def _lost(time_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Samples without gaze: blinks, and some at random."""
    lost = rng.uniform(size=len(time_s)) < rng.uniform(*LOSS)
    # Blinks come more evenly than at random; the clip begins anywhere between two of them.
    blink = time_s[0] + rng.uniform() * _pause_s(rng)
    while blink < time_s[-1]:
        length = rng.uniform(*BLINK_S)
        lost |= (time_s >= blink) & (time_s < blink + length)
        blink += length + _pause_s(rng)
    return lost


def _pause_s(rng: np.random.Generator) -> float:
    return rng.gamma(4.0, BLINK_EVERY_S / 4.0)
