"""What lies about the body that is looked at: the mother, placenta, fluid, other parts.

Also the background's own subjects: a spine lengthwise, a lower leg, limbs and cord.
"""

from __future__ import annotations

import numpy as np

from phantom.acoustics import Tissue, from_decibels
from phantom.biometry import Fetus
from phantom.bodies import FLUID_DB, Body, bone_attenuation
from phantom.probe import PolarGrid
from phantom.shapes import Ellipsoid, Rod, Solid


def maternal_tissue(
    grid: PolarGrid, rng: np.random.Generator, wall_mm: float, far_mm: float, fluid_share: float
) -> Tissue:
    """Abdominal wall, uterus, fluid and placenta, on the grid.

    Args:
        grid: the polar grid. rng: for the layers' waves and levels.
        wall_mm: depth at which the wall ends and the uterine cavity begins.
        far_mm: depth at which the cavity ends.
        fluid_share: rough share of the cavity that is fluid; the rest is placenta.
    """
    tissue = Tissue.filled(grid, rng.uniform(-9, -4), 0.6)
    depth = grid.depth[:, None]
    ends = np.sort(rng.uniform(0.15, 0.85, 2)) * wall_mm
    layers = (
        (0.0, rng.uniform(1, 5), 0.8, None),
        (rng.uniform(1.5, 3.0), rng.uniform(-12, -6), 0.63, 4.0),
        (float(ends[0]), rng.uniform(-9, -3), 1.0, 6.0),
        (float(ends[1]), rng.uniform(-7, -1), 0.7, 6.0),
    )
    for start, echo_db, attenuation, line_db in layers:
        _fill(tissue, depth - start - _wave(grid, rng, 1.2), echo_db, attenuation, line_db)
    cavity = np.minimum(depth - wall_mm - _wave(grid, rng, 2.5), far_mm + _wave(grid, rng, 6.0) - depth)
    field = _smooth_field(grid, rng)
    level = np.quantile(field, 1 - fluid_share)
    _fill(tissue, cavity, rng.uniform(-6, 0), 0.5, 3.0)
    _fill(tissue, np.minimum(cavity - 1, (field - level) * rng.uniform(3, 12)), FLUID_DB, 0.01, -6.0)
    return tissue


def clutter(rng: np.random.Generator, mean_count: float, near_mm: float, size_mm: float) -> list[Solid]:
    """Limbs cut across, cord loops, fluid pockets and membranes around a body of radius `near_mm`."""
    solids: list[Solid] = []
    for _ in range(rng.poisson(mean_count)):
        turn, far = rng.uniform(0, 2 * np.pi), near_mm * rng.uniform(0.9, 1.5)
        u, v = far * np.cos(turn), far * np.sin(turn)
        kind = rng.integers(5)
        if kind < 2:
            solids += _limb(rng, u, v, size_mm * rng.uniform(0.12, 0.2))
        elif kind == 2:
            radius = rng.uniform(2.0, 3.5)
            for step in range(rng.integers(1, 4)):
                at = (
                    u + 2.2 * radius * step * np.cos(turn + 1.6),
                    v + 2.2 * radius * step * np.sin(turn + 1.6),
                )
                solids.append(
                    Ellipsoid(
                        *at,
                        0,
                        radius,
                        radius,
                        40,
                        echo_db=FLUID_DB + 8,
                        attenuation=0.1,
                        wall_db=2,
                        name="cord",
                    )
                )
        elif kind == 3:
            solids.append(
                Ellipsoid(
                    u,
                    v,
                    0,
                    size_mm * rng.uniform(0.08, 0.25),
                    size_mm * rng.uniform(0.06, 0.15),
                    40,
                    angle=rng.uniform(0, np.pi),
                    echo_db=FLUID_DB,
                    attenuation=0.02,
                )
            )
        else:
            solids.append(
                Rod(
                    u,
                    v,
                    0,
                    size_mm * rng.uniform(0.3, 0.8),
                    1.2,
                    40,
                    angle=turn + np.pi / 2 + rng.uniform(-0.4, 0.4),
                    bow=rng.uniform(-0.1, 0.1) * size_mm,
                    echo_db=3,
                    attenuation=rng.choice((0.6, 3.0)),
                    wall_db=8,
                )
            )
    return solids


def long_spine(fetus: Fetus, rng: np.random.Generator) -> Body:
    """The spine lengthwise: two rows of ossification centres under the back's skin."""
    pitch = fetus.fl * rng.uniform(0.1, 0.14)
    count, gap = int(rng.integers(6, 10)), rng.uniform(0.12, 0.2) * fetus.fl
    solids: list[Solid] = [
        Ellipsoid(0, 0, 0, 0.62 * count * pitch, 2.2 * gap, 60, echo_db=rng.uniform(-9, -4), wall_db=8, name="skin")
    ]
    curve = rng.uniform(-0.02, 0.02)
    for row in (-1, 1):
        for step in range(count):
            u = (step - (count - 1) / 2) * pitch
            v = row * gap / 2 + curve * u * u / pitch
            solids.append(
                Ellipsoid(u, v, 0, 0.36 * pitch, 1.5, 8, echo_db=7, attenuation=6.5, wall_db=12, name="spine")
            )
    return Body(tuple(solids), 0.62 * count * pitch, count * pitch)


def lower_leg(fetus: Fetus, rng: np.random.Generator) -> Body:
    """Two long bones side by side: like a femur, and none."""
    length = fetus.fl * rng.uniform(0.8, 0.95)
    apart = rng.uniform(0.14, 0.2) * length
    solids: list[Solid] = [
        Ellipsoid(
            0,
            0,
            0,
            0.7 * length,
            0.25 * length + apart / 2,
            40,
            echo_db=rng.uniform(-12, -6),
            wall_db=rng.uniform(-8, 4),
            name="skin",
        )
    ]
    for sign, share in ((-1, 1.0), (1, rng.uniform(0.8, 0.95))):
        wide = rng.uniform(0.9, 1.6)
        solids.append(
            Rod(
                0,
                sign * apart / 2,
                0,
                share * length,
                wide,
                8,
                angle=sign * rng.uniform(0, 0.08),
                bow=rng.uniform(-0.03, 0.03) * length,
                echo_db=6,
                attenuation=bone_attenuation(rng.uniform(10, 15), wide),
                wall_db=16,
                name="bone",
            )
        )
    return Body(tuple(solids), 0.7 * length, 1.15 * length)


def limbs(fetus: Fetus, rng: np.random.Generator) -> Body:
    """Limbs cut across and cord, in fluid or against the placenta."""
    solids: list[Solid] = []
    size = fetus.fl
    for _ in range(rng.integers(2, 5)):
        u, v = rng.uniform(-0.6, 0.6, 2) * size
        solids += _limb(rng, float(u), float(v), size * rng.uniform(0.13, 0.24))
    solids += clutter(rng, 3.0, 0.6 * size, size)
    return Body(tuple(solids), 0.8 * size, 1.3 * size)


def placenta(fetus: Fetus, rng: np.random.Generator) -> Body:
    """The placenta on the uterine wall, with the cord's insertion or without it; some lakes in it."""
    size = fetus.fl * rng.uniform(0.9, 1.3)
    thick = rng.uniform(0.2, 0.32) * size
    level = rng.uniform(-5, 1)
    solids: list[Solid] = [
        Ellipsoid(0, -thick, 0, 1.1 * size, 1.9 * thick, 60, echo_db=FLUID_DB, attenuation=0.02),
        Ellipsoid(0, 0, 0, size, thick, 60, echo_db=level, attenuation=0.6, wall_db=2, name="placenta"),
    ]
    for _ in range(rng.integers(0, 6)):
        u, v = rng.uniform(-0.7, 0.7) * size, rng.uniform(-0.5, 0.5) * thick
        lake = {"echo_db": level - rng.uniform(6, 20), "attenuation": 0.3}
        solids.append(Ellipsoid(u, v, 0, rng.uniform(0.02, 0.07) * size, rng.uniform(0.04, 0.12) * thick, 30, **lake))
    if rng.uniform() < 0.5:
        at = rng.uniform(-0.5, 0.5) * size
        vessel = {"width": 0.1 * size, "c": 20, "echo_db": FLUID_DB + 6, "wall_db": 2, "hollow": True, "name": "cord"}
        solids.append(Rod(at, -1.3 * thick, 0, 0.8 * thick, angle=np.pi / 2 + rng.uniform(-0.5, 0.5), **vessel))
    return Body(tuple(solids), size, 1.5 * size)


def _limb(rng: np.random.Generator, u: float, v: float, radius: float) -> list[Solid]:
    bone = max(1.2, 0.2 * radius)
    return [
        Ellipsoid(
            u,
            v,
            0,
            radius * rng.uniform(1, 1.3),
            radius,
            40,
            echo_db=rng.uniform(-10, -4),
            wall_db=8,
            name="limb",
        ),
        Ellipsoid(
            u, v, 0, bone, bone, 40, echo_db=7, attenuation=bone_attenuation(15, 2 * bone), wall_db=12, name="bone"
        ),
    ]


def _fill(tissue: Tissue, inside: np.ndarray, echo_db: float, attenuation: float, line_db: float | None) -> None:
    """Fill where `inside` (mm into the region) is positive, with a bright line at its start."""
    share = np.clip(0.5 + inside, 0, 1).astype(np.float32)
    tissue.echo += share * (from_decibels(echo_db) - tissue.echo)
    tissue.attenuation += share * (np.float32(attenuation) - tissue.attenuation)
    tissue.specular *= 1 - share
    if line_db is not None:
        line = np.exp(-0.5 * (inside / 0.5) ** 2).astype(np.float32) * from_decibels(line_db)
        np.maximum(tissue.specular, line, out=tissue.specular)


def _wave(grid: PolarGrid, rng: np.random.Generator, height_mm: float) -> np.ndarray:
    """A boundary's undulation along the lines, mm, [1, m]."""
    out = np.zeros((1, grid.shape[1]), np.float32)
    for _ in range(3):
        out += height_mm / 2 * rng.normal() * np.sin(grid.angle * rng.uniform(1, 9) + rng.uniform(0, 2 * np.pi))
    return out


def _smooth_field(grid: PolarGrid, rng: np.random.Generator) -> np.ndarray:
    """A random field of unit size that varies over 30 to 90 mm."""
    field = np.zeros(grid.shape, np.float32)
    for _ in range(6):
        wave, turn, phase = (
            2 * np.pi / rng.uniform(30, 90),
            rng.uniform(0, 2 * np.pi),
            rng.uniform(0, 2 * np.pi),
        )
        kx, ky = np.float32(wave * np.cos(turn)), np.float32(wave * np.sin(turn))
        field += np.sin(kx * grid.x + ky * grid.y + np.float32(phase))
    return field * np.float32(3**-0.5)
