"""One body under one pose: where the beams meet it, and the maps into which it is drawn."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from data.phantom.acoustics import Tissue
from data.phantom.probe import PolarGrid


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where a body lies under the probe and how the scan plane cuts it.

    Attributes:
        x, y: of the body's origin, mm. angle: of its u axis, radians, from +x towards +y.
        elevation: of the cut at the origin, mm. tilt_u, tilt_v: its slope along u and v.
    """

    x: float
    y: float
    angle: float
    elevation: float = 0.0
    tilt_u: float = 0.0
    tilt_v: float = 0.0

    def to_probe(self, u, v):
        """Body coordinates to probe coordinates, mm."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return self.x + c * u - s * v, self.y + s * u + c * v

    def cut(self, u: float, v: float) -> float:
        """Elevation of the scan plane at a place in the body, mm."""
        return self.elevation + self.tilt_u * u + self.tilt_v * v


class Section:
    """One body under one pose, ready to be drawn into tissue maps.

    Along a line of the grid every coordinate of the body is linear in depth. So a solid is
    given by a few numbers for each line, and drawn with few operations for each sample.
    """

    def __init__(self, grid: PolarGrid, tissue: Tissue, pose: Pose):
        self.grid, self.tissue, self.pose = grid, tissue, pose

    def window(self, u: float, v: float, reach: float) -> tuple[slice, slice]:
        """The part of the grid that holds a disc around (u, v), mm."""
        return self.grid.window(*self.pose.to_probe(u, v), reach)

    def beams(self, window: tuple[slice, slice], u: float, v: float, angle: float = 0.0) -> Beams:
        """The lines of a window in the axes of a solid at (u, v) whose own axis lies at `angle`."""
        grid, (rows, columns) = self.grid, window
        x, y = self.pose.to_probe(u, v)
        y += grid.probe.radius_mm
        turn = self.pose.angle + angle
        c, s = math.cos(turn), math.sin(turn)
        # Measured from the solid's own depth: single precision loses nothing of small things far away.
        radius = math.hypot(x, y)
        depth = grid.depth[rows, None] + np.float32(grid.probe.radius_mm - radius)
        slope = np.array(((c, s), (-s, c)), np.float32) @ grid.beam[:, columns]
        start = np.float32(radius) * slope - np.array(((c * x + s * y,), (c * y - s * x,)), np.float32)
        return Beams(depth, start, slope)

    def paint(self, window, share: np.ndarray, echo: np.float32, attenuation: float) -> None:
        """Replace a share (0 to 1) of what is there."""
        maps = self.tissue
        for map_, value in ((maps.echo, echo), (maps.attenuation, np.float32(attenuation))):
            change = value - map_[window]
            change *= share
            map_[window] += change
        maps.specular[window] *= 1 - share

    def paint_at(self, places: np.ndarray, share: np.ndarray, echo: np.float32, attenuation: float) -> None:
        """The same for single samples, by their number in the grid."""
        maps = self.tissue
        for map_, value in ((maps.echo, echo), (maps.attenuation, np.float32(attenuation)), (maps.specular, None)):
            flat = map_.reshape(-1)
            old = flat[places]
            flat[places] = old + share * ((0 if value is None else value) - old)

    def reflect_at(self, places: np.ndarray, amplitude: np.ndarray) -> None:
        """Add a wall at single samples; where two overlap the stronger one is seen."""
        flat = self.tissue.specular.reshape(-1)
        flat[places] = np.maximum(flat[places], amplitude)

    def places(self, window, local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row and column in a window, and number in the grid, of samples numbered within the window."""
        rows, columns = window
        row, column = np.divmod(local, columns.stop - columns.start)
        return row, column, (row + rows.start) * self.grid.shape[1] + (column + columns.start)


@dataclasses.dataclass(frozen=True)
class Beams:
    """Lines in a solid's own axes: (p, q) = start + depth·slope, mm, float32.

    Attributes:
        depth: [k, 1] along the lines, from the solid's own depth.
        start: [2, w] where each line is there. slope: [2, w] its direction, of length 1.
    """

    depth: np.ndarray
    start: np.ndarray
    slope: np.ndarray

    @property
    def empty(self) -> bool:
        return self.depth.size * self.slope.size == 0

    def coordinate(self, axis: int) -> np.ndarray:
        """p (axis 0) or q (axis 1) of every sample, mm, [k, w]."""
        return self.line(self.start[axis], self.slope[axis])

    def line(self, start: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """start + depth·slope at every sample, [k, w]."""
        out = self.depth * slope
        out += start
        return out

    def parabola(self, start: np.ndarray, half: np.ndarray, square: np.ndarray) -> np.ndarray:
        """start + 2·depth·half + depth²·square at every sample, [k, w]."""
        out = self.line(2 * half, square)
        out *= self.depth
        out += start
        return out
