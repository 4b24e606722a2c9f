"""What resembles a landmark and is none: a vessel next to the midline, a loop of bowel, a shorter bone.

They lie in the plane's clips and in background alike, so that what tells a plane is not that something
of the kind is there but that the landmark itself is, where it belongs. Textbook variation, not measurement.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phantom.bodies import bone_attenuation
from phantom.shapes import Ellipsoid, Rod, Solid


def of_cavum(
    rng: np.random.Generator, mean_count: float, bpd: float, ofd: float, dark_db: float, line_db: float
) -> list[Solid]:
    """Dark slits between two bright lines: the third ventricle on the midline, sulci and vessels next to it."""
    solids: list[Solid] = []
    ventricle = int(rng.uniform() < min(1.0, mean_count / 4))
    for number in range(ventricle + rng.poisson(mean_count)):
        u, v = rng.uniform(-0.28, 0.28) * ofd, rng.choice((-1, 1)) * rng.uniform(0.13, 0.33) * bpd
        if number < ventricle:
            u, v = rng.uniform(-0.24, -0.06) * ofd, 0.0
        e, c = rng.uniform(-0.2, 0.2) * bpd, rng.uniform(0.08, 0.16) * bpd
        long, wide = rng.uniform(0.09, 0.15) * ofd, rng.uniform(0.05, 0.085) * bpd
        angle = 0.0 if number < ventricle else rng.uniform(-0.5, 0.5)
        solids.append(Ellipsoid(u, v, e, long / 2, wide / 2, c, angle=angle, echo_db=dark_db))
        for sign in (-1, 1):
            beside = u - sign * wide / 2 * np.sin(angle), v + sign * wide / 2 * np.cos(angle)
            solids.append(Rod(*beside, e, long, 0.7, 0.9 * c, angle=angle, echo_db=line_db, wall_db=-2.0))
    return solids


def of_stomach_and_vein(rng: np.random.Generator, mean_count: float, d: float, fluid_db: float) -> list[Solid]:
    """Fluid-filled loops and vessels at any level of the abdomen: bowel, gall bladder, portal branches."""
    solids: list[Solid] = []
    for _ in range(rng.poisson(mean_count)):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.08, 0.36) * d
        u, v, e = far * np.cos(turn), far * np.sin(turn), rng.uniform(-0.6, 0.5) * d
        c, angle = rng.uniform(0.15, 0.45) * d, rng.uniform(0, np.pi)
        if rng.uniform() < 0.5:
            a, b = rng.uniform(0.06, 0.13) * d, rng.uniform(0.04, 0.08) * d
            solids.append(Ellipsoid(u, v, e, a, b, c, angle=angle, echo_db=fluid_db, attenuation=0.05, wall_db=-6))
        else:
            long, wide = rng.uniform(0.12, 0.26) * d, rng.uniform(0.05, 0.08) * d
            inside: dict[str, Any] = {"echo_db": fluid_db + 2, "attenuation": 0.1, "wall_db": -4, "hollow": True}
            solids.append(Rod(u, v, e, long, wide, c, angle=angle, **inside))
    return solids


def of_femur(
    rng: np.random.Generator, mean_count: float, length: float, beside_mm: float, echo_db: float
) -> list[Solid]:
    """Bright rods next to the femur that are too short for one: other bones, cut at a slant.

    Their shadow is faint: one that hid the femur would make the label untrue.
    """
    solids: list[Solid] = []
    for _ in range(rng.poisson(mean_count)):
        wide = rng.uniform(0.7, 1.3) + 0.008 * length
        solids.append(
            Rod(
                rng.uniform(-0.6, 0.6) * length,
                rng.choice((-1, 1)) * rng.uniform(0.6, 2.2) * beside_mm,
                rng.uniform(-0.2, 0.2) * length,
                rng.uniform(0.25, 0.65) * length,
                wide,
                rng.uniform(0.1, 0.3) * length,
                angle=rng.uniform(-0.6, 0.6),
                bow=rng.uniform(-0.03, 0.03) * length,
                echo_db=echo_db,
                attenuation=bone_attenuation(rng.uniform(3, 6), wide),
                wall_db=echo_db + 9,
            )
        )
    return solids
