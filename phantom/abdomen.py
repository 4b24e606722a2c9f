"""The abdomen: what the plane of its circumference shows, and what lies towards pelvis and heart.

The section's circumference is the fetus'; where and how large the landmarks are, and their
echogenicities, is textbook anatomy, spread widely and meant as variation rather than measurement.
"""

from __future__ import annotations

import numpy as np

from phantom.biometry import Fetus
from phantom.bodies import FLUID, Body, bone_attenuation
from phantom.difficulty import Difficulty
from phantom.lookalikes import of_stomach_and_vein
from phantom.shapes import Ellipsoid, Rod, Solid


def abdomen(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> Body:
    """Abdominal circumference plane: +u is the front, -u the spine."""
    d = fetus.ac / np.pi
    contrast = difficulty.landmark_contrast * rng.uniform(0.75, 1.25)
    squeeze = rng.uniform(0.92, 1.08)
    a, b = d / 2 * squeeze**0.5, d / 2 / squeeze**0.5
    skin = rng.uniform(2.0, 4.5)
    liver_db = rng.uniform(-12, -4)
    side = rng.choice((-1.0, 1.0))
    fluid_db = liver_db - contrast * rng.uniform(16, 26)
    thick = rng.uniform(0.1, 0.14) * d  # half-thickness of the level that shows vein and stomach
    solids: list[Solid] = [
        Ellipsoid(0, 0, 0, a, b, 1.3 * d, echo_db=-1, attenuation=0.6, wall_db=12, name="skin"),
        Ellipsoid(0, 0, 0, a - skin, b - skin, 1.25 * d, echo_db=liver_db, attenuation=0.55, wall_db=-4),
    ]
    for _ in range(rng.integers(8, 20)):  # portal branches, bowel: bright or dark specks
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.8)
        solids.append(
            Ellipsoid(
                0.42 * d * far * np.cos(turn),
                0.42 * d * far * np.sin(turn),
                rng.uniform(-0.6, 0.5) * d,
                rng.uniform(0.015, 0.05) * d,
                rng.uniform(0.012, 0.03) * d,
                rng.uniform(0.05, 0.12) * d,
                angle=rng.uniform(0, np.pi),
                echo_db=liver_db + rng.choice((-12.0, 5.0, 8.0)),
            )
        )
    solids += of_stomach_and_vein(rng, difficulty.lookalikes, d, fluid_db)
    ribs = rng.integers(2, 4)
    first, apart = rng.uniform(0.85, 1.15), rng.uniform(0.52, 0.68)
    wide = 1.3 + 0.006 * d
    long = rng.uniform(2.2, 2.7) * wide  # the plane cuts a rib obliquely: a short stretch of it
    reach = rng.uniform(0.2, 0.5) * d
    for sign in (-1, 1):  # the same on both sides
        for step in range(ribs):
            turn = sign * (first + apart * step)
            solids.append(
                Rod(
                    0.97 * (a - skin - 1) * np.cos(turn),
                    0.97 * (b - skin - 1) * np.sin(turn),
                    0.1 * d,
                    long,
                    wide,
                    reach,
                    angle=turn + np.pi / 2,
                    bow=-0.06 * long,
                    echo_db=5,
                    attenuation=bone_attenuation(10, wide),
                    wall_db=9,
                    name="rib",
                )
            )
    size = 0.03 * d + 0.6  # of each of the three ossification centres: body and both halves of the arch
    attenuation = bone_attenuation(rng.uniform(9.8, 11.2), 2 * size)
    bone = {"echo_db": 8, "attenuation": attenuation, "wall_db": 12, "name": "spine"}
    for du, dv in ((0, 0), (-0.075, 0.06), (-0.075, -0.06)):
        solids.append(Ellipsoid(-0.32 * d + du * d, dv * d, 0, size, size, 1.2 * d, **bone))
    solids.append(Ellipsoid(-0.23 * d, side * 0.04 * d, 0, 0.03 * d, 0.03 * d, 1.2 * d, name="aorta", **FLUID))
    stomach_v = side * rng.uniform(0.18, 0.26) * d
    solids.append(
        Ellipsoid(
            rng.uniform(-0.08, 0.1) * d,
            stomach_v,
            rng.uniform(-0.02, 0.02) * d,
            rng.uniform(0.1, 0.16) * d,
            rng.uniform(0.06, 0.1) * d,
            thick * 1.15,
            angle=rng.uniform(-0.7, 0.7),
            echo_db=fluid_db,
            attenuation=0.05,
            wall_db=-6,
            name="stomach",
        )
    )
    # The vein enters from the front and bends away from the stomach: the J.
    vein = {
        "c": thick,
        "echo_db": fluid_db + 2,
        "attenuation": 0.1,
        "wall_db": -4,
        "name": "umbilical vein",
        "hollow": True,
    }
    wide = rng.uniform(0.055, 0.08) * d
    bend = rng.uniform(0.05, 0.1) * d
    solids.append(Rod((0.27 * d + bend) / 2, 0, 0, 0.27 * d - bend, wide, **vein))
    solids.append(Rod(bend - 0.035 * d, -side * 0.075 * d, 0, 0.14 * d, wide, angle=-side * 2.0, **vein))
    # Towards the pelvis: kidneys and bladder. Towards the head: the heart between lungs.
    for sign in (-1, 1):
        at = -0.2 * d, sign * rng.uniform(0.17, 0.22) * d, -0.32 * d
        solids.append(Ellipsoid(*at, 0.1 * d, 0.085 * d, 0.17 * d, echo_db=liver_db - 7, wall_db=-8, name="kidney"))
        solids.append(Ellipsoid(*at, 0.045 * d, 0.02 * d, 0.1 * d, echo_db=fluid_db))
    solids.append(
        Ellipsoid(
            rng.uniform(0.1, 0.2) * d,
            rng.uniform(-0.05, 0.05) * d,
            -0.58 * d,
            rng.uniform(0.07, 0.13) * d,
            rng.uniform(0.06, 0.1) * d,
            0.15 * d,
            echo_db=fluid_db,
            attenuation=0.05,
            wall_db=-4,
            name="bladder",
        )
    )
    heart = 0.06 * d, side * 0.09 * d, 0.42 * d
    solids.append(Ellipsoid(*heart, 0.2 * d, 0.15 * d, 0.2 * d, angle=side * 0.7, echo_db=liver_db - 2, name="heart"))
    for du, dv in ((0.075, 0.05), (0.075, -0.05), (-0.075, 0.05), (-0.075, -0.05)):
        cu, cv = np.cos(side * 0.7), np.sin(side * 0.7)
        solids.append(
            Ellipsoid(
                heart[0] + (cu * du - cv * dv) * d,
                heart[1] + (cv * du + cu * dv) * d,
                heart[2],
                0.062 * d,
                0.04 * d,
                0.15 * d,
                angle=side * 0.7,
                **FLUID,
            )
        )
    return Body(
        tuple(solids),
        d / 2 + 2,
        d,
        defining=("umbilical vein", "stomach"),
        reach=(1.4 * thick, 1.4 * thick),
        off_limit=(0.7 * d, 0.55 * d),
    )
