"""What lies about the body that is looked at: limbs cut across, cord, pockets of fluid, membranes."""

from __future__ import annotations

from typing import Any

import numpy as np

from phantom.bodies import FLUID_DB, bone_attenuation
from phantom.shapes import Ellipsoid, Rod, Solid


def clutter(rng: np.random.Generator, mean_count: float, near_mm: float, size_mm: float) -> list[Solid]:
    """Solids around a body.

    Args:
        mean_count: of a Poisson distribution. near_mm: radius of the body. size_mm: its extent.
    """
    solids: list[Solid] = []
    for _ in range(rng.poisson(mean_count)):
        turn, far = rng.uniform(0, 2 * np.pi), near_mm * rng.uniform(0.9, 1.5)
        make = _KINDS[rng.integers(len(_KINDS))]
        solids += make(rng, far * np.cos(turn), far * np.sin(turn), turn, size_mm)
    return solids


def limb(rng: np.random.Generator, u: float, v: float, radius: float) -> list[Solid]:
    """A limb of this radius (mm), cut across: soft tissue around a bone."""
    bone = max(1.2, 0.2 * radius)
    inside: dict[str, Any] = {
        "echo_db": 7,
        "attenuation": bone_attenuation(15, 2 * bone),
        "wall_db": 12,
        "name": "bone",
    }
    wide = radius * rng.uniform(1, 1.3)
    return [
        Ellipsoid(u, v, 0, wide, radius, 40, echo_db=rng.uniform(-10, -4), wall_db=8, name="limb"),
        Ellipsoid(u, v, 0, bone, bone, 40, **inside),
    ]


def _limb(rng: np.random.Generator, u: float, v: float, turn: float, size_mm: float) -> list[Solid]:
    return limb(rng, u, v, size_mm * rng.uniform(0.12, 0.2))


def _cord(rng: np.random.Generator, u: float, v: float, turn: float, size_mm: float) -> list[Solid]:
    """One to three loops of the cord."""
    radius = rng.uniform(2.0, 3.5)
    look: dict[str, Any] = {"echo_db": FLUID_DB + 8, "attenuation": 0.1, "wall_db": 2, "name": "cord"}
    return [
        Ellipsoid(
            u + 2.2 * radius * step * np.cos(turn + 1.6),
            v + 2.2 * radius * step * np.sin(turn + 1.6),
            0,
            radius,
            radius,
            40,
            **look,
        )
        for step in range(rng.integers(1, 4))
    ]


def _pocket(rng: np.random.Generator, u: float, v: float, turn: float, size_mm: float) -> list[Solid]:
    """A pocket of fluid."""
    a, b = size_mm * rng.uniform(0.08, 0.25), size_mm * rng.uniform(0.06, 0.15)
    return [Ellipsoid(u, v, 0, a, b, 40, angle=rng.uniform(0, np.pi), echo_db=FLUID_DB, attenuation=0.02)]


def _membrane(rng: np.random.Generator, u: float, v: float, turn: float, size_mm: float) -> list[Solid]:
    return [
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
    ]


_KINDS = (_limb, _limb, _cord, _pocket, _membrane)  # limbs are twice as common
