"""The convex probe and its polar grid: resolution, and where the samples of its lines lie.

Positions are (x, y) in mm with the origin at the middle of the probe's face, x to
the right and y into the body; the arc's centre lies at (0, -radius).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import fft

SPEED_OF_SOUND_M_S = 1540.0
_MARGIN_LINES = 3  # beyond each side of what is shown: the lateral filter wraps around there
_FULL_WIDTH = 2.355  # of a Gaussian at half its height, in standard deviations
_SINC_WIDTH = 1.207  # of sin(pi x)/(pi x) at half its height


@dataclasses.dataclass(frozen=True)
class Probe:
    """A convex probe. Frequency, radius and bandwidth are those of a C5-2v, as PyMUST lists it.

    Attributes:
        frequency_mhz: centre frequency. radius_mm: of the arc.
        bandwidth: -6 dB, two-way, as a share of the centre frequency.
        receive_mm: largest receiving aperture. f_number: receiving depth over aperture, as long as that lasts.
        transmit_mm: transmitting aperture. focus_mm: depth of the transmit focus.
        angle: of the whole sector, radians.
    """

    frequency_mhz: float = 3.57
    radius_mm: float = 49.57
    bandwidth: float = 0.79
    receive_mm: float = 20.0
    f_number: float = 3.0
    transmit_mm: float = 8.0
    focus_mm: float = 60.0
    angle: float = np.deg2rad(66.0)

    @property
    def wavelength_mm(self) -> float:
        return SPEED_OF_SOUND_M_S / self.frequency_mhz * 1e-3

    def axial_sigma_mm(self) -> float:
        """Standard deviation of the pulse's envelope along the beam, mm.

        A Gaussian spectrum of -6 dB width B·f has sigma_f = B·f/2.355 (two-way) and an
        envelope of sigma_z = c / (2·2π·sigma_f).
        """
        sigma_f = self.bandwidth * self.frequency_mhz * 1e6 / _FULL_WIDTH
        return SPEED_OF_SOUND_M_S / (2 * 2 * np.pi * sigma_f) * 1e3

    def lateral_sigma_mm(self, depth_mm: np.ndarray) -> np.ndarray:
        """Standard deviation of the two-way beam across, mm, at each depth.

        Both beams are taken for Gaussians; the two-way beam is their product, 1/w² = 1/w_t² + 1/w_r²
        in full widths at half the amplitude. An aperture D in its focus has w = 1.207·λ·z/D (its
        beam is a sinc). Reception is focused at every depth with D = z/f_number up to its
        largest; transmission at one depth F only, and widens on both sides of it by D·|z − F|/F.
        """
        depth = np.asarray(depth_mm, float)
        wave = _SINC_WIDTH * self.wavelength_mm
        receive = wave * np.maximum(self.f_number, depth / self.receive_mm)
        unfocused = self.transmit_mm * np.abs(depth - self.focus_mm) / self.focus_mm
        transmit = np.maximum(np.hypot(wave * depth / self.transmit_mm, unfocused), 1e-3)
        return 1 / np.hypot(1 / receive, 1 / transmit) / _FULL_WIDTH


class PolarGrid:
    """Samples along and across the beams, and where they lie in mm.

    Args:
        probe: the probe. depth_mm: of the last sample; the first lies on the face.
        samples: along a line. lines: across the whole sector.
        view: lines that it does not show are left out, and `first_row` is the first row that
            it shows (the loss above counts, the echo does not); None shows all.

    Attributes:
        depth: float32 [n] distance from the face, mm. angle: [m] of each line, radians.
        x, y: float32 [n, m], mm. beam: float32 [2, m], direction of each line.
        forms: [6, m], of which every quadratic form of that direction is a weighted sum.
        step: between samples of a line, mm. spacing: between lines, radians.
        shape: (n, m). image_shape: (k, m), of the rows that are shown.
    """

    def __init__(self, probe: Probe, depth_mm: float, samples: int, lines: int, view: View | None = None) -> None:
        self.probe = probe
        self.step = depth_mm / (samples - 1)
        self.spacing = probe.angle / (lines - 1)
        self.depth = np.linspace(0, depth_mm, samples, dtype=np.float32)
        low, high, top = -probe.angle / 2, probe.angle / 2, 0.0
        if view is not None:
            seen, top = view.reach(probe.radius_mm)
            low, high = max(low, seen[0]), min(high, seen[1])
        first = int(np.floor((low + probe.angle / 2) / self.spacing)) - _MARGIN_LINES
        last = int(np.ceil((high + probe.angle / 2) / self.spacing)) + _MARGIN_LINES
        count = fft.next_fast_len(last - first + 1)
        self.angle = -probe.angle / 2 + (first + np.arange(count)) * self.spacing
        # Rows just above the frame reach into it through the pulse's length.
        self.first_row = int(np.clip(top / self.step - 4, 0, samples - 2))
        self.beam = np.stack([np.sin(self.angle), np.cos(self.angle)]).astype(np.float32)
        sine, cosine = np.sin(self.angle), np.cos(self.angle)
        self.forms = np.stack([sine**2, 2 * sine * cosine, cosine**2, sine, cosine, np.ones(count)])
        distance = self.depth[:, None] + np.float32(probe.radius_mm)
        self.x = distance * self.beam[0]
        self.y = distance * self.beam[1] - np.float32(probe.radius_mm)

    @property
    def shape(self) -> tuple[int, int]:
        return self.x.shape

    @property
    def image_shape(self) -> tuple[int, int]:
        return self.shape[0] - self.first_row, self.shape[1]

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """The part of the grid that holds a disc of radius `reach` around (x, y), all mm."""
        radius = self.probe.radius_mm
        distance = math.hypot(x, y + radius)
        rows = self._clip(distance - radius - reach, distance - radius + reach, self.step, self.shape[0])
        if reach >= distance:
            return rows, slice(0, self.shape[1])
        centre, half = math.atan2(x, y + radius) - float(self.angle[0]), math.asin(reach / distance)
        return rows, self._clip(centre - half, centre + half, self.spacing, self.shape[1])

    @staticmethod
    def _clip(low: float, high: float, step: float, size: int) -> slice:
        first, last = math.floor(low / step), math.ceil(high / step) + 1
        return slice(min(max(first, 0), size), min(max(last, 0), size))


@dataclasses.dataclass(frozen=True)
class View:
    """The rectangle of space that a frame shows."""

    left_mm: float
    top_mm: float
    mm_per_px: float
    height: int
    width: int

    def to_frame(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions in mm as frame coordinates: 0 and 1 at opposite edges."""
        return (
            (np.asarray(x) - self.left_mm) / (self.width * self.mm_per_px),
            (np.asarray(y) - self.top_mm) / (self.height * self.mm_per_px),
        )

    def reach(self, radius_mm: float) -> tuple[tuple[float, float], float]:
        """Least and largest angle of a line that it shows, radians, and the least depth, mm."""
        right_mm = self.left_mm + self.width * self.mm_per_px
        heights = radius_mm + self.top_mm + np.array([0.0, self.height * self.mm_per_px])
        angles = np.arctan2([[self.left_mm], [right_mm]], heights)
        nearest = np.hypot(np.clip(0.0, self.left_mm, right_mm), heights[0]) - radius_mm
        return (float(angles.min()), float(angles.max())), float(nearest)
