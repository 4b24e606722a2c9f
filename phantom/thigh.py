"""The thigh: the plane of the femur's length, and what lies beside the bone.

The diaphysis has the fetus' femur length; the muscles about it are textbook anatomy, spread
widely and meant as variation rather than measurement.
"""

from __future__ import annotations

import numpy as np

from phantom.biometry import Fetus
from phantom.bodies import Body, bone_attenuation
from phantom.difficulty import Difficulty
from phantom.lookalikes import of_femur
from phantom.shapes import Ellipsoid, Rod, Solid


def thigh(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> Body:
    """Femur length plane: the bone lies along u."""
    length = fetus.fl
    muscle_db = rng.uniform(-13, -5)
    contrast = difficulty.landmark_contrast * rng.uniform(0.75, 1.25)
    a, b = length * rng.uniform(0.66, 0.82), length * rng.uniform(0.26, 0.4)
    solids: list[Solid] = [
        Ellipsoid(0, 0, 0, a, b, 0.5 * length, echo_db=-3, attenuation=0.7, wall_db=rng.uniform(-8, 4), name="skin"),
        Ellipsoid(0, 0, 0, a - 2, b - 2, 0.45 * length, echo_db=muscle_db, attenuation=0.8),
    ]
    for _ in range(rng.integers(5, 11)):
        solids.append(
            Rod(
                rng.uniform(-0.5, 0.5) * length,
                rng.uniform(-0.8, 0.8) * b,
                rng.uniform(-0.15, 0.15) * length,
                rng.uniform(0.1, 0.4) * length,
                rng.uniform(0.6, 1.0),
                0.08 * length,
                angle=rng.uniform(-0.15, 0.15),
                echo_db=muscle_db + rng.uniform(4, 10),
                wall_db=-6 if rng.uniform() < 0.5 else None,
                name="muscle",
            )
        )
    solids += of_femur(rng, 0.5 * difficulty.lookalikes, length, b, 6 * contrast)
    across = rng.uniform(-0.1, 0.1) * b
    thick = 0.03 * length + 1.6  # half-thickness of bone and beam
    for sign in (-1, 1):
        solids.append(
            Ellipsoid(
                sign * 0.56 * length,
                across,
                0,
                0.075 * length,
                0.085 * length,
                0.12 * length,
                echo_db=muscle_db - contrast * 12,
                name="epiphysis",
            )
        )
    wide = rng.uniform(0.7, 1.3) + 0.01 * length
    solids.append(
        Rod(
            0,
            across,
            0,
            length,
            wide,
            thick,
            bow=rng.choice((-1.0, 1.0)) * rng.uniform(0.01, 0.05) * length,
            echo_db=6 * contrast,
            attenuation=bone_attenuation(rng.uniform(13, 16), wide),
            wall_db=12 + 4 * contrast,
            name="femur",
        )
    )
    return Body(
        tuple(solids),
        a,
        1.15 * length,
        defining=("femur",),
        held=0.97,
        gone=0.72,
        reach=(1.05 * thick, 1.05 * thick),
        off_limit=(0.25 * length, 0.25 * length),
        tilt=2 * thick / (0.7 * length),
        ends=(-length / 2, length / 2),
    )
