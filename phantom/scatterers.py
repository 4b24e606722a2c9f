"""The scatterers of a body: they move with it, so that its speckle does."""

from __future__ import annotations

import numpy as np

from phantom.acoustics import k_scatterers
from phantom.probe import PolarGrid
from phantom.section import Beams, Section

_BITS = 9
_SIZE = 1 << _BITS
_THICKNESS_MM = 2.5  # of the beam across the plane
_SHAPES = (3.0, 15.0)  # of the density's gamma distribution, from patchy to even tissue


class Lattice:
    """A periodic square of scatterers in a body's coordinates.

    Two sheets of them are mixed by the elevation: the speckle changes as the
    plane moves across the body, as over the beam's thickness.
    """

    def __init__(self, grid: PolarGrid, depth_mm: float, speckle_size: float, rng: np.random.Generator) -> None:
        """A lattice whose density is even within a resolution cell at `depth_mm`."""
        self._pitch = 0.8 * grid.step
        cell_mm = 2.355 * float(grid.probe.lateral_sigma_mm(np.asarray(depth_mm))) * speckle_size
        grain = int(np.clip(round(cell_mm / self._pitch), 2, 32))
        mu = rng.uniform(*_SHAPES)
        # One quarter, turned four times, and the whole as a second sheet far from itself: where speckle is
        # random nobody sees it again, and drawing it all would be a tenth of a short clip's time.
        quarter = k_scatterers(rng, (_SIZE // 2, _SIZE // 2), mu, grain)
        sheet = np.block([[quarter, np.rot90(quarter)], [np.rot90(quarter, 2), np.rot90(quarter, 3)]])
        sheets = sheet, np.roll(sheet, (_SIZE // 3, _SIZE // 5), axis=(0, 1))
        # Both sheets side by side, as one 16-byte element: one look-up in memory, not two.
        self._sheets = np.stack(sheets, axis=-1).view(np.complex128).ravel()

    def at(self, section: Section) -> np.ndarray:
        """Scatterers where the grid is shown, complex64 [k, m]."""
        grid, pose = section.grid, section.pose
        rows = slice(grid.first_row, grid.shape[0])
        beams = section.beams((rows, slice(0, grid.shape[1])), 0.0, 0.0)
        u, v = self._cell(beams, 0), self._cell(beams, 1)
        u <<= _BITS
        u |= v
        pairs = self._sheets.take(u, mode="clip").view(np.complex64)
        phase = pose.elevation / _THICKNESS_MM
        out = pairs[:, ::2] * np.float32(np.cos(phase))
        out += pairs[:, 1::2] * np.float32(np.sin(phase))
        return out

    def _cell(self, beams: Beams, axis: int) -> np.ndarray:
        """Number of the lattice's row or column at every sample, int32 [k, m]."""
        scale = np.float32(1 / self._pitch)
        # Made positive first: then cutting off the fraction is rounding down.
        start = beams.start[axis] * scale + np.float32(8 * _SIZE)
        cell = beams.line(start, beams.slope[axis] * scale).astype(np.int32)
        cell &= _SIZE - 1
        return cell
