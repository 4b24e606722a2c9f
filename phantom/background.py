"""What else a sonographer passes on the way to a plane, and what no plane is made of.

A spine lengthwise, a lower leg, limbs and cord, the placenta: the background's own subjects. Their sizes
follow the fetus' femur length; all else is textbook anatomy, spread widely.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phantom.biometry import Fetus
from phantom.bodies import FLUID_DB, Body, bone_attenuation
from phantom.clutter import clutter, limb
from phantom.shapes import Ellipsoid, Rod, Solid


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
        solids += limb(rng, float(u), float(v), size * rng.uniform(0.13, 0.24))
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
        lake: dict[str, Any] = {"echo_db": level - rng.uniform(6, 20), "attenuation": 0.3}
        solids.append(Ellipsoid(u, v, 0, rng.uniform(0.02, 0.07) * size, rng.uniform(0.04, 0.12) * thick, 30, **lake))
    if rng.uniform() < 0.5:
        at = rng.uniform(-0.5, 0.5) * size
        vessel: dict[str, Any] = {
            "width": 0.1 * size,
            "c": 20,
            "echo_db": FLUID_DB + 6,
            "wall_db": 2,
            "hollow": True,
            "name": "cord",
        }
        solids.append(Rod(at, -1.3 * thick, 0, 0.8 * thick, angle=np.pi / 2 + rng.uniform(-0.5, 0.5), **vessel))
    return Body(tuple(solids), size, 1.5 * size)
