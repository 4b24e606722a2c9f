"""One body under one pose: where the beams meet it, and the maps into which it is drawn."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from phantom.acoustics import Tissue
from phantom.probe import PolarGrid


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

    def to_probe(self, u: float, v: float) -> tuple[float, float]:
        """Body coordinates to probe coordinates, mm."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return self.x + c * u - s * v, self.y + s * u + c * v

    def cut(self, u: float, v: float) -> float:
        """Elevation of the scan plane at a place in the body, mm."""
        return self.elevation + self.tilt_u * u + self.tilt_v * v

    def of(self, part: Placement) -> Pose:
        """The pose of another body that lies in this one's coordinates."""
        c, s = math.cos(part.angle), math.sin(part.angle)
        return Pose(
            *self.to_probe(part.u, part.v),
            self.angle + part.angle,
            self.cut(part.u, part.v) - part.e,
            c * self.tilt_u + s * self.tilt_v,
            c * self.tilt_v - s * self.tilt_u,
        )


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a body lies in another one's coordinates.

    Attributes:
        u, v, e: its origin, mm. angle: of its u axis from the other's, radians.
    """

    u: float
    v: float
    e: float
    angle: float

    def to_other(self, u: float, v: float) -> tuple[float, float]:
        """A place in this body, in the other one's coordinates, mm."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return self.u + c * u - s * v, self.v + s * u + c * v

    def inverse(self) -> Placement:
        """Where the other body lies in this one's coordinates."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return Placement(-c * self.u - s * self.v, s * self.u - c * self.v, -self.e, -self.angle)


class Section:
    """One body under one pose, ready to be drawn into tissue maps.

    Along a line of the grid every coordinate of the body is linear in depth. So a solid is
    given by a few numbers for each line, and drawn with few operations for each sample.
    """

    def __init__(self, grid: PolarGrid, tissue: Tissue, pose: Pose) -> None:
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

    def conic(self, window: tuple[slice, slice], u: float, v: float, angle: float, a: float, b: float) -> Conic:
        """An ellipse about (u, v) with half-axes a and b, the first at `angle`, on the lines of a window."""
        grid, (rows, columns) = self.grid, window
        x, y = self.pose.to_probe(u, v)
        y += grid.probe.radius_mm
        radius = math.hypot(x, y)
        turn = self.pose.angle + angle
        c, s = math.cos(turn), math.sin(turn)
        weights = []
        for p, q, offset in ((a**-2, b**-2, 1.0), (a**-4, b**-4, 0.0)):
            xx, xy, yy = p * c * c + q * s * s, (p - q) * c * s, p * s * s + q * c * c
            gx, gy = xx * x + xy * y, xy * x + yy * y
            weights += [
                (xx, xy, yy, 0, 0, 0),
                (radius * xx, radius * xy, radius * yy, -gx, -gy, 0),
                (*(radius**2 * n for n in (xx, xy, yy)), -2 * radius * gx, -2 * radius * gy, gx * x + gy * y - offset),
            ]
        lines = (np.array(weights) @ grid.forms[:, columns]).astype(np.float32)
        depth = grid.depth[rows, None] + np.float32(grid.probe.radius_mm - radius)
        return Conic(depth, lines[:3], lines[3:])

    def paint(self, window: tuple[slice, slice], share: np.ndarray, echo: np.float32, attenuation: float) -> None:
        """Replace a share (0 to 1) of what is there."""
        maps = self.tissue.maps[(slice(None), *window)]
        change = np.array((echo, attenuation, 0), np.float32)[:, None, None] - maps
        change *= share
        maps += change

    def paint_at(self, places: np.ndarray, share: np.ndarray, echo: np.float32, attenuation: float) -> None:
        """The same for single samples, by their number in the grid."""
        flat = self.tissue.maps.reshape(3, -1)
        old = flat[:, places]
        flat[:, places] = old + share * (np.array((echo, attenuation, 0), np.float32)[:, None] - old)

    def reflect_at(self, places: np.ndarray, amplitude: np.ndarray) -> None:
        """Add a wall at single samples; where two overlap the stronger one is seen."""
        flat = self.tissue.specular.reshape(-1)
        flat[places] = np.maximum(flat[places], amplitude)

    def places(self, window: tuple[slice, slice], local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


@dataclasses.dataclass(frozen=True)
class Conic:
    """An ellipse's equation Q = (p/a)² + (q/b)² − 1 along lines, where it is quadratic in depth.

    Attributes:
        depth: float32 [k, 1] along the lines, from the ellipse's own depth.
        value: float32 [3, w]: Q = value[0]·depth² + 2·value[1]·depth + value[2].
        steep: float32 [3, w]: the same for |∇Q/2|².
    """

    depth: np.ndarray
    value: np.ndarray
    steep: np.ndarray

    @property
    def empty(self) -> bool:
        return self.depth.size * self.value.size == 0

    def distance(self) -> tuple[np.ndarray, np.ndarray]:
        """Distance from the outline, mm, and |∇Q|, both float32 [k, w]; inside it is negative.

        Exact to first order: Q/|∇Q|.
        """
        value = _parabola(self.depth, self.value)
        slope = _parabola(self.depth, 4 * self.steep)
        np.maximum(slope, np.float32(1e-8), out=slope)
        np.sqrt(slope, out=slope)
        value /= slope
        return value, slope


def _parabola(depth: np.ndarray, lines: np.ndarray) -> np.ndarray:
    out = depth * lines[0]
    out += 2 * lines[1]
    out *= depth
    out += lines[2]
    return out
