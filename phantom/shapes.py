"""The solids that bodies are made of, and how the scan plane cuts them.

A body has its own coordinates in mm: u and v in the nominal plane, e across it. Each
solid draws its section into the tissue maps.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from phantom.acoustics import from_decibels
from phantom.section import Placement, Pose, Section

# A wall that the beam does not meet head-on sends less back: |cos|^n, n = 2 to 4.
_SPECULAR_POWER = 3
_EDGE_MM = np.float32(0.8)  # over which one tissue gives way to the next
_WALL_SIGMA_MM, _ROD_WALL_SIGMA_MM = 0.5, 0.4
_REACH = 2.6  # of a wall, in its sigmas


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
        """How much of its thickness the plane cuts: 1 through the middle, 0 next to it."""
        return max(0.0, 1 - ((pose.cut(self.u, self.v) - self.e) / self.c) ** 2) ** 0.5

    def draw(self, section: Section) -> None:
        scale = self.visible(section.pose)
        a, b = self.a * scale, self.b * scale
        if min(a, b) < 0.3:
            return
        window = section.window(self.u, self.v, max(a, b) + 2.0)
        conic = section.conic(window, self.u, self.v, self.angle, a, b)
        if conic.empty:
            return
        distance, slope = conic.distance()
        if self.wall_db is not None:
            flat = distance.ravel()
            wall = np.flatnonzero(np.abs(flat) < np.float32(_REACH * _WALL_SIGMA_MM))
            near = flat[wall]
        distance *= -1 / _EDGE_MM
        distance += np.float32(0.5)
        share = np.clip(distance, 0, 1, out=distance)
        section.paint(window, share, from_decibels(self.echo_db), self.attenuation)
        if self.wall_db is not None:
            row, column, places = section.places(window, wall)
            # How fast Q changes along the beam over how fast it changes at most: the cosine of incidence.
            along = conic.depth[row, 0] * conic.value[0, column] + conic.value[1, column]
            cosine = np.abs(2 * along / slope.ravel()[wall])
            height = np.float32(min(1.0, 3 * scale)) * from_decibels(self.wall_db) * cosine**_SPECULAR_POWER
            section.reflect_at(places, height * np.exp(near * near * np.float32(-0.5 / _WALL_SIGMA_MM**2)))


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
        window = section.window(*self.at((low + high) / 2), (high - low) / 2 + abs(self.bow) + self.width + 2.0)
        beams = section.beams(window, self.u, self.v, self.angle)
        if beams.empty:
            return
        across = beams.coordinate(1)
        reach = self.width / 2 + _REACH * _ROD_WALL_SIGMA_MM
        # A bowed rod rises by `bow` at most: what lies further off is not looked at again.
        local = np.flatnonzero(np.abs(across) < reach + abs(self.bow))
        row, column, places = section.places(window, local)
        across = across.ravel()[local]
        along = beams.start[0, column] + beams.depth[row, 0] * beams.slope[0, column]
        across += np.float32(self.bow) * (1 - (along * np.float32(2 / self.length)) ** 2)
        beyond = np.maximum(np.maximum(np.float32(low) - along, along - np.float32(high)), 0)
        distance = np.sqrt(across * across + beyond * beyond) - np.float32(self.width / 2)
        close = np.flatnonzero(distance < _REACH * _ROD_WALL_SIGMA_MM)
        distance, column, places = distance[close], column[close], places[close]
        share = np.clip(0.5 - distance / _EDGE_MM, 0, 1)
        section.paint_at(places, share, from_decibels(self.echo_db), self.attenuation)
        if self.wall_db is not None:
            near = distance if self.hollow else np.maximum(distance, 0)
            wall = np.exp(near * near * np.float32(-0.5 / _ROD_WALL_SIGMA_MM**2))
            wall *= (np.abs(beams.slope[1]) ** _SPECULAR_POWER)[column]
            section.reflect_at(places, from_decibels(self.wall_db) * wall)


@dataclasses.dataclass(frozen=True)
class Reverberation:
    """Haze under the wall of an ellipsoid, on the side of the probe.

    Sound that goes to and fro between probe and wall comes back late and lies over what is
    just below: so the near half of a head is less clear than the far one.

    Attributes:
        u, v, e, a, b, c, angle: of the wall, as for an ellipsoid.
        echo_db: of the haze right below a wall met head-on. decay_mm: depth in which it falls to 1/e.
        name: none: nobody looks at it.
    """

    u: float
    v: float
    e: float
    a: float
    b: float
    c: float
    echo_db: float
    decay_mm: float
    angle: float = 0.0
    name: None = None

    def centre(self, pose: Pose) -> tuple[float, float]:
        return self.u, self.v

    def visible(self, pose: Pose) -> float:
        """As for an ellipsoid."""
        return max(0.0, 1 - ((pose.cut(self.u, self.v) - self.e) / self.c) ** 2) ** 0.5

    def draw(self, section: Section) -> None:
        scale = self.visible(section.pose)
        a, b = self.a * scale, self.b * scale
        if min(a, b) < 1.0:
            return
        window = section.window(self.u, self.v, max(a, b))
        conic = section.conic(window, self.u, self.v, self.angle, a, b)
        if conic.empty:
            return
        square, half, start = conic.value
        met = np.sqrt(np.maximum(half * half - square * start, 0))  # 0 where a line passes by
        entry, leave = (-half - met) / square, (met - half) / square
        steep = conic.steep[0] * entry**2 + 2 * conic.steep[1] * entry + conic.steep[2]
        cosine = met / np.sqrt(np.maximum(steep, np.float32(1e-8)))
        height = cosine**_SPECULAR_POWER * from_decibels(self.echo_db)
        haze = np.exp((entry - conic.depth) / np.float32(self.decay_mm))
        haze *= height
        haze *= (conic.depth > entry) & (conic.depth < leave)
        echo = section.tissue.echo[window]
        np.sqrt(echo * echo + haze * haze, out=echo)


Solid = Ellipsoid | Rod | Reverberation


def moved(solid: Solid, there: Placement) -> Solid:
    """A solid of a placed body, in the coordinates in which the placement is given."""
    u, v = there.to_other(solid.u, solid.v)
    return dataclasses.replace(solid, u=u, v=v, e=there.e + solid.e, angle=solid.angle + there.angle)
