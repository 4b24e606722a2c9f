"""The mother on the way to the fetus: abdominal wall, uterus, fluid and placenta."""

from __future__ import annotations

import numpy as np

from phantom.acoustics import Tissue, from_decibels
from phantom.bodies import FLUID_DB
from phantom.probe import PolarGrid


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
