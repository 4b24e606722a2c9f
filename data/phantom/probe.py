"""The convex probe: its polar grid, its resolution, and the way to the screen.

Positions are (x, y) in mm with the origin at the middle of the probe's face, x to
the right and y into the body; the arc's centre lies at (0, -radius).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import sparse

SPEED_OF_SOUND_M_S = 1540.0
_MARGIN_LINES = 3  # beyond each side of the sector: the lateral filter wraps around there


@dataclasses.dataclass(frozen=True)
class Probe:
    """A convex probe. The defaults are those of a C5-2v, as PyMUST lists it."""

    frequency_mhz: float = 3.57
    radius_mm: float = 49.57
    bandwidth: float = 0.79  # -6 dB, as a share of the centre frequency
    aperture_mm: float = 20.0  # active, gives the lateral width at the focus
    focus_mm: float = 60.0
    angle: float = np.deg2rad(66.0)  # of the whole sector

    def axial_sigma_mm(self) -> float:
        """Standard deviation of the pulse's envelope along the beam, mm.

        A Gaussian spectrum of -6 dB width B·f has sigma_f = B·f/2.355 (two-way) and an
        envelope of sigma_z = c / (2·2π·sigma_f).
        """
        sigma_f = self.bandwidth * self.frequency_mhz * 1e6 / 2.355
        return SPEED_OF_SOUND_M_S / (2 * 2 * np.pi * sigma_f) * 1e3

    def lateral_sigma_mm(self, depth_mm: np.ndarray) -> np.ndarray:
        """Standard deviation of the beam across, mm, at each depth.

        At the focus the full width is wavelength·focus/aperture; it grows to both sides,
        slower towards the probe, where dynamic receive focusing helps.
        """
        wavelength = SPEED_OF_SOUND_M_S / self.frequency_mhz * 1e-3
        waist = wavelength * self.focus_mm / self.aperture_mm
        slope = np.where(depth_mm > self.focus_mm, 0.055, 0.02)
        return np.hypot(waist, slope * (depth_mm - self.focus_mm)) / 2.355


class PolarGrid:
    """Samples along and across the beams, and where they lie in mm.

    Attributes:
        depth: [n] distance from the face, mm. angle: [m] of each line, radians.
        x, y: float32 [n, m], mm. beam_x, beam_y: [1, m] direction of each line.
        step: between samples of a line, mm.
    """

    def __init__(self, probe: Probe, depth_mm: float, samples: int, lines: int):
        self.probe = probe
        self.step = depth_mm / (samples - 1)
        self.depth = np.linspace(0, depth_mm, samples, dtype=np.float32)
        spacing = probe.angle / (lines - 1)
        index = np.arange(-_MARGIN_LINES, lines + _MARGIN_LINES, dtype=np.float32)
        self.angle = -probe.angle / 2 + index * spacing
        self.spacing = spacing
        self.beam_x = np.sin(self.angle)[None]
        self.beam_y = np.cos(self.angle)[None]
        distance = self.depth[:, None] + probe.radius_mm
        self.x = (distance * self.beam_x).astype(np.float32)
        self.y = (distance * self.beam_y - probe.radius_mm).astype(np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        return self.x.shape

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """The part of the grid that holds a disc of radius `reach` around (x, y), all mm."""
        distance = float(np.hypot(x, y + self.probe.radius_mm))
        rows = (distance - self.probe.radius_mm + np.array([-reach, reach])) / self.step
        if reach >= distance:
            return _clip_slice(rows, self.shape[0]), slice(0, self.shape[1])
        centre, half = np.arctan2(x, y + self.probe.radius_mm), np.arcsin(reach / distance)
        columns = (centre + np.array([-half, half]) - self.angle[0]) / self.spacing
        return _clip_slice(rows, self.shape[0]), _clip_slice(columns, self.shape[1])


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


class ScanConverter:
    """From the polar grid to a frame, as one sparse matrix.

    Each pixel is the mean of 2×2 points, each interpolated bilinearly between four
    polar samples; its equal spacing in mm is what makes distances on screen true.
    """

    def __init__(self, grid: PolarGrid, view: View):
        offsets = (np.arange(2 * view.width) + 0.5) / 2, (np.arange(2 * view.height) + 0.5) / 2
        x = view.left_mm + offsets[0][None] * view.mm_per_px
        y = view.top_mm + offsets[1][:, None] * view.mm_per_px
        radius = grid.probe.radius_mm
        row = (np.hypot(x, y + radius) - radius) / grid.step
        angle = np.arctan2(x, y + radius)
        column = (angle - grid.angle[0]) / grid.spacing
        inside = (row >= 0) & (row <= grid.shape[0] - 1) & (np.abs(angle) <= grid.probe.angle / 2)
        pixel = (np.arange(2 * view.height) // 2)[:, None] * view.width + (np.arange(2 * view.width) // 2)[None]
        row, column, pixel = row[inside], column[inside], pixel[inside]
        top = np.minimum(row.astype(np.int32), grid.shape[0] - 2)
        left = np.minimum(column.astype(np.int32), grid.shape[1] - 2)
        down, right = row - top, column - left
        weights, sources = [], []
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weights.append((down if i else 1 - down) * (right if j else 1 - right) / 4)
            sources.append((top + i) * grid.shape[1] + left + j)
        size = view.height * view.width
        self._matrix = sparse.csr_matrix(
            (np.concatenate(weights).astype(np.float32), (np.tile(pixel, 4), np.concatenate(sources))),
            shape=(size, grid.x.size),
        )
        self._shape = (view.height, view.width)
        # Share of a pixel inside the sector: the sector's edge falls off over one pixel.
        self.sector = (np.bincount(pixel, minlength=size) / 4).reshape(self._shape).astype(np.float32)

    def __call__(self, polar: np.ndarray) -> np.ndarray:
        """Convert [n, m] values to a frame [H, W]; 0 outside the sector."""
        return (self._matrix @ polar.ravel()).reshape(self._shape)

    def weight(self) -> np.ndarray:
        """How much each polar sample counts in the frame, px, [n·m]."""
        return np.asarray(self._matrix.sum(axis=0)).ravel()


def _clip_slice(bounds: np.ndarray, size: int) -> slice:
    low, high = int(np.floor(bounds[0])), int(np.ceil(bounds[1])) + 1
    return slice(min(max(low, 0), size), min(max(high, 0), size))
