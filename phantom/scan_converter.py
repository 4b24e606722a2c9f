"""From the polar grid to the screen."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from phantom.probe import PolarGrid, View

_OFFSETS_PX = (-0.25, 0.25)  # along the beam, where the grid is finer than the frame


class ScanConverter:
    """From the polar grid to a frame, as one sparse matrix.

    Each pixel is the mean of two points a half pixel apart along the beam, each interpolated
    bilinearly between four polar samples; a pixel's equal size in mm everywhere is what
    makes distances on screen true.

    Attributes:
        sector: share of each pixel inside the sector, float32 [H, W]: the sector's edge
            falls off over one pixel.
    """

    def __init__(self, grid: PolarGrid, view: View) -> None:
        radius = grid.probe.radius_mm
        x = view.left_mm + (np.arange(view.width) + 0.5) * view.mm_per_px
        y = view.top_mm + (np.arange(view.height) + 0.5) * view.mm_per_px + radius
        distance, angle = np.hypot(x, y[:, None]), np.arctan2(x, y[:, None])
        inside_mm = np.minimum(
            (grid.probe.angle / 2 - np.abs(angle)) * distance,
            np.minimum(distance - radius, radius + grid.depth[-1] - distance),
        )
        self.sector = np.clip(0.5 + inside_mm / view.mm_per_px, 0, 1).astype(np.float32)
        seen = np.flatnonzero(self.sector)
        columns = ((angle.ravel()[seen] - grid.angle[0]) / grid.spacing).astype(np.float32)
        rows = ((distance.ravel()[seen] - radius) / grid.step - grid.first_row).astype(np.float32)
        height, width = grid.image_shape
        weights = np.empty((len(seen), len(_OFFSETS_PX), 4), np.float32)
        sources = np.empty(weights.shape, np.int32)
        left = np.clip(columns.astype(np.int32), 0, width - 2)
        right = np.clip(columns - left, 0, 1)
        for point, offset in enumerate(_OFFSETS_PX):
            row = rows + np.float32(offset * view.mm_per_px / grid.step)
            top = np.clip(row.astype(np.int32), 0, height - 2)
            down = np.clip(row - top, 0, 1)
            for corner, (i, j) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
                share = (down if i else 1 - down) * (right if j else 1 - right)
                weights[:, point, corner] = share / len(_OFFSETS_PX)
                sources[:, point, corner] = (top + i) * width + left + j
        starts = np.zeros(self.sector.size + 1, np.int32)
        np.cumsum(self.sector.ravel() > 0, out=starts[1:])
        self._matrix = sparse.csr_matrix(
            (weights.ravel(), sources.ravel(), starts * (4 * len(_OFFSETS_PX))),
            shape=(self.sector.size, height * width),
        )

    def __call__(self, polar: np.ndarray) -> np.ndarray:
        """Convert the shown rows' values [k, m] to a frame [H, W]; 0 where no part of a pixel is in the sector."""
        return (self._matrix @ polar.ravel()).reshape(self.sector.shape)

    def weight(self) -> np.ndarray:
        """How much each polar sample counts in the frame, px, [k·m]."""
        return self._matrix.T @ self.sector.ravel()
