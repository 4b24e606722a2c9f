"""The solids that bodies are made of, and how the scan plane cuts them.

A body has its own coordinates in mm: u and v in the nominal plane, e across it. A
pose says where the probe sees that plane, how far off it cuts (elevation) and how
obliquely (tilt). Each solid draws its section into the tissue maps.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data.phantom.acoustics import Tissue
from data.phantom.probe import PolarGrid

# A wall that the beam does not meet head-on sends less back: |cos|^n, n = 2 to 4.
_SPECULAR_POWER = 3


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
        c, s = np.cos(self.angle), np.sin(self.angle)
        return self.x + c * u - s * v, self.y + s * u + c * v

    def cut(self, u: float, v: float) -> float:
        """Elevation of the scan plane at a place in the body, mm."""
        return self.elevation + self.tilt_u * u + self.tilt_v * v


class Section:
    """One body under one pose, ready to be drawn into tissue maps."""

    def __init__(self, grid: PolarGrid, tissue: Tissue, pose: Pose):
        self.grid, self.tissue, self.pose = grid, tissue, pose
        c, s = np.float32(np.cos(pose.angle)), np.float32(np.sin(pose.angle))
        x, y = grid.x - np.float32(pose.x), grid.y - np.float32(pose.y)
        self.u = c * x + s * y
        self.v = c * y - s * x
        self.beam_u = c * grid.beam_x + s * grid.beam_y
        self.beam_v = c * grid.beam_y - s * grid.beam_x

    def paint(self, window, share: np.ndarray, echo_db: float, attenuation: float) -> None:
        """Replace a share (0 to 1) of what is there."""
        maps = self.tissue
        maps.echo_db[window] += share * (np.float32(echo_db) - maps.echo_db[window])
        maps.attenuation[window] += share * (np.float32(attenuation) - maps.attenuation[window])
        maps.specular[window] *= 1 - share

    def reflect(self, window, amplitude: np.ndarray) -> None:
        """Add a wall; where two overlap the stronger one is seen."""
        np.maximum(self.tissue.specular[window], amplitude, out=self.tissue.specular[window])


@dataclasses.dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid with one kind of inside and, perhaps, a bright wall.

    Attributes:
        u, v, e: centre. a, b: half-axes in the plane; c: across it, all mm.
        angle: of `a` from the u axis, radians.
        echo_db, attenuation: of the inside (dB to soft tissue; dB/cm/MHz).
        wall_db: amplitude of the wall met head-on; None = no wall.
        name: what an observer would call it; None = nothing to look at.
    """

    u: float
    v: float
    e: float
    a: float
    b: float
    c: float
    angle: float = 0.0
    echo_db: float = 0.0
    attenuation: float = 0.5
    wall_db: float | None = None
    name: str | None = None

    def centre(self, pose: Pose) -> tuple[float, float]:
        return self.u, self.v

    def visible(self, pose: Pose) -> float:
        """How much of its thickness the plane cuts: 1 through the middle, 0 beside it."""
        return max(0.0, 1 - ((pose.cut(self.u, self.v) - self.e) / self.c) ** 2) ** 0.5

    def draw(self, section: Section) -> None:
        scale = self.visible(section.pose)
        a, b = self.a * scale, self.b * scale
        if min(a, b) < 0.3:
            return
        x, y = section.pose.to_probe(self.u, self.v)
        window = section.grid.window(x, y, max(a, b) + 2.0)
        ca, sa = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        du, dv = section.u[window] - np.float32(self.u), section.v[window] - np.float32(self.v)
        if du.size == 0:
            return
        p = (ca * du + sa * dv) * np.float32(1 / a)
        q = (ca * dv - sa * du) * np.float32(1 / b)
        rho = np.sqrt(p * p + q * q) + np.float32(1e-6)
        gp, gq = p * np.float32(1 / a), q * np.float32(1 / b)
        gradient = np.sqrt(gp * gp + gq * gq) + np.float32(1e-6)
        distance = (rho - 1) * rho / gradient  # mm from the surface, exact to first order
        section.paint(window, np.clip(0.5 - distance / np.float32(0.8), 0, 1), self.echo_db, self.attenuation)
        if self.wall_db is not None:
            beam_p = ca * section.beam_u[:, window[1]] + sa * section.beam_v[:, window[1]]
            beam_q = ca * section.beam_v[:, window[1]] - sa * section.beam_u[:, window[1]]
            incidence = np.abs(gp * beam_p + gq * beam_q) / gradient
            amplitude = np.float32(min(1.0, 3 * scale) * 10 ** (self.wall_db / 20))
            wall = np.exp(distance * distance * np.float32(-0.5 / 0.5**2))
            section.reflect(window, amplitude * incidence**_SPECULAR_POWER * wall)


@dataclasses.dataclass(frozen=True)
class Rod:
    """A slightly bowed rod: a long bone, a membrane seen edge-on, a vessel.

    It lies along its length in the plane; a tilted plane cuts out only the part that
    lies within its thickness across the plane, which is what foreshortening is.

    Attributes:
        u, v, e: middle. angle: of its length. length; bow: rise of the middle;
        width: full, in the plane; c: half-thickness across, all mm.
        echo_db, attenuation, wall_db, name: as for an ellipsoid.
        hollow: only its surface reflects (a vessel); otherwise all of it does (a thin bone).
    """

    u: float
    v: float
    e: float
    length: float
    width: float
    c: float
    angle: float = 0.0
    bow: float = 0.0
    echo_db: float = 0.0
    attenuation: float = 0.5
    wall_db: float | None = None
    name: str | None = None
    hollow: bool = False

    def span(self, pose: Pose) -> tuple[float, float]:
        """The part of its length that the plane cuts, mm from the middle; (0, 0) = none."""
        off = pose.cut(self.u, self.v) - self.e
        slope = pose.tilt_u * np.cos(self.angle) + pose.tilt_v * np.sin(self.angle)
        half = self.length / 2
        if abs(slope) < 1e-6:
            return (-half, half) if abs(off) < self.c else (0.0, 0.0)
        ends = sorted(((-self.c - off) / slope, (self.c - off) / slope))
        low, high = max(-half, ends[0]), min(half, ends[1])
        return (float(low), float(high)) if low < high else (0.0, 0.0)

    def visible(self, pose: Pose) -> float:
        """Share of its length that the plane cuts."""
        low, high = self.span(pose)
        return (high - low) / self.length

    def at(self, along: float) -> tuple[float, float]:
        """The point of its axis at a distance from the middle, in body coordinates."""
        rise = -self.bow * (1 - (2 * along / self.length) ** 2)
        c, s = np.cos(self.angle), np.sin(self.angle)
        return self.u + c * along - s * rise, self.v + s * along + c * rise

    def centre(self, pose: Pose) -> tuple[float, float]:
        low, high = self.span(pose)
        return self.at((low + high) / 2)

    def draw(self, section: Section) -> None:
        low, high = self.span(section.pose)
        if high - low < 0.3:
            return
        x, y = section.pose.to_probe(*self.at((low + high) / 2))
        window = section.grid.window(x, y, (high - low) / 2 + abs(self.bow) + self.width + 2.0)
        ca, sa = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        du, dv = section.u[window] - np.float32(self.u), section.v[window] - np.float32(self.v)
        if du.size == 0:
            return
        along, across = ca * du + sa * dv, ca * dv - sa * du
        across += np.float32(self.bow) * (1 - (along * np.float32(2 / self.length)) ** 2)
        beyond = np.maximum(np.maximum(np.float32(low) - along, along - np.float32(high)), 0)
        distance = np.sqrt(across * across + beyond * beyond) - np.float32(self.width / 2)
        section.paint(window, np.clip(0.5 - distance / np.float32(0.7), 0, 1), self.echo_db, self.attenuation)
        if self.wall_db is not None:
            beam = ca * section.beam_v[:, window[1]] - sa * section.beam_u[:, window[1]]
            near = distance if self.hollow else np.maximum(distance, 0)
            wall = np.exp(near * near * np.float32(-0.5 / 0.4**2)) * np.abs(beam) ** _SPECULAR_POWER
            section.reflect(window, np.float32(10 ** (self.wall_db / 20)) * wall)


Solid = Ellipsoid | Rod
