"""The thigh: the plane of the femur's length, and what lies next to the bone.

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
from phantom.tables import Row, sample_row

# Lengths along u and e are shares of the femur's length, v of the thigh's half-width.
MUSCLE: Row = {
    "u": (-0.5, 0.5),
    "v": (-0.8, 0.8),
    "e": (-0.15, 0.15),
    "length": (0.1, 0.4),
    "width": (0.6, 1.0),
    "c": 0.08,
}
EPIPHYSIS: Row = {"u": 0.56, "e": 0.0, "a": 0.075, "b": 0.085, "c": 0.12}


def thigh(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> Body:
    """Femur length plane: the bone lies along u."""
    length = fetus.fl
    muscle_db = rng.uniform(-13, -5)
    contrast = difficulty.landmark_contrast * rng.uniform(0.75, 1.25)
    a, b = length * rng.uniform(0.66, 0.82), length * rng.uniform(0.26, 0.4)
    sizes = dict.fromkeys(("u", "e", "a", "b", "c", "length"), length) | {"v": b}
    solids: list[Solid] = [
        Ellipsoid(0, 0, 0, a, b, 0.5 * length, echo_db=-3, attenuation=0.7, wall_db=rng.uniform(-8, 4), name="skin"),
        Ellipsoid(0, 0, 0, a - 2, b - 2, 0.45 * length, echo_db=muscle_db, attenuation=0.8),
        *_muscles(rng, sizes, muscle_db),
        *of_femur(rng, 0.5 * difficulty.lookalikes, length, b, 6 * contrast),
    ]
    across = rng.uniform(-0.1, 0.1) * b
    for sign in (-1, 1):
        row = sample_row(EPIPHYSIS, rng, sizes)
        row["u"] *= sign
        solids.append(Ellipsoid(**row, v=across, echo_db=muscle_db - contrast * 12, name="epiphysis"))
    bone = _bone(rng, length, across, contrast)
    return Body(
        (*solids, bone),
        a,
        1.15 * length,
        defining=("femur",),
        held=0.97,
        gone=0.72,
        reach=(1.05 * bone.c, 1.05 * bone.c),
        off_limit=(0.25 * length, 0.25 * length),
        tilt=2 * bone.c / (0.7 * length),
        ends=(-length / 2, length / 2),
    )


def _muscles(rng: np.random.Generator, sizes: dict[str, float], muscle_db: float) -> list[Solid]:
    """Fibres along the bone; every other one has a bright sheath."""
    return [
        Rod(
            **sample_row(MUSCLE, rng, sizes),
            angle=rng.uniform(-0.15, 0.15),
            echo_db=muscle_db + rng.uniform(4, 10),
            wall_db=-6 if rng.uniform() < 0.5 else None,
            name="muscle",
        )
        for _ in range(rng.integers(5, 11))
    ]


def _bone(rng: np.random.Generator, length: float, across: float, contrast: float) -> Rod:
    thick = 0.03 * length + 1.6  # half-thickness of bone and beam
    wide = rng.uniform(0.7, 1.3) + 0.01 * length
    return Rod(
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
