"""The head: what the transventricular plane shows and what lies above and below it.

Skull and brain have the fetus' diameters; where and how large the landmarks are, and their
echogenicities, is textbook anatomy, spread widely and meant as variation rather than measurement.
"""

from __future__ import annotations

import numpy as np

from phantom.biometry import Fetus
from phantom.bodies import Body, bone_attenuation
from phantom.difficulty import Difficulty
from phantom.lookalikes import of_cavum
from phantom.shapes import Ellipsoid, Reverberation, Rod, Solid


def head(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> Body:
    """Transventricular plane: +u is the forehead, +v the far hemisphere."""
    bpd, ofd = fetus.bpd, fetus.ofd
    contrast = difficulty.landmark_contrast * rng.uniform(0.75, 1.25)
    brain_db = rng.uniform(-12, -4)
    thick = rng.uniform(1.2, 2.2)
    bone = {"attenuation": bone_attenuation(rng.uniform(9.5, 11.5), thick)}
    high = rng.uniform(0.085, 0.115) * bpd  # half-thickness of the cavum
    cavum_u, cavum_long = rng.uniform(0.13, 0.2) * ofd, rng.uniform(0.11, 0.15) * ofd
    cavum_wide = rng.uniform(0.055, 0.085) * bpd
    line_db = brain_db + contrast * rng.uniform(10, 15)
    solids: list[Solid] = [
        Ellipsoid(0, 0, 0, ofd / 2 + 2.5, bpd / 2 + 2.5, 0.5 * ofd, echo_db=-6, wall_db=0),
        Ellipsoid(0, 0, 0, ofd / 2, bpd / 2, 0.48 * ofd, echo_db=9, wall_db=19, name="skull", **bone),
        Ellipsoid(0, 0, 0, ofd / 2 - thick, bpd / 2 - thick, 0.47 * ofd, echo_db=brain_db, attenuation=0.4),
    ]
    for _ in range(rng.integers(10, 26)):  # sulci and vessels
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 0.9)
        place = 0.46 * ofd * far * np.cos(turn), 0.46 * bpd * far * np.sin(turn)
        solids.append(
            Rod(
                *place,
                rng.uniform(-0.25, 0.25) * bpd,
                rng.uniform(0.04, 0.12) * ofd,
                rng.uniform(0.6, 1.2),
                0.15 * bpd,
                angle=rng.uniform(0, np.pi),
                echo_db=brain_db + rng.uniform(4, 13),
            )
        )
    side = rng.choice((-1.0, 1.0))
    dark = brain_db - contrast * rng.uniform(5, 9)
    for sign in (-1, 1):
        solids.append(
            Ellipsoid(
                -0.03 * ofd,
                sign * 0.1 * bpd,
                -0.05 * bpd,
                0.11 * ofd,
                0.075 * bpd,
                0.14 * bpd,
                angle=sign * 0.3,
                echo_db=dark,
                name="thalamus",
            )
        )
    vent = fetus.ventricle / 2 * rng.uniform(0.85, 1.3)
    vent_u, vent_v, vent_e = -0.2 * ofd, side * 0.23 * bpd, rng.uniform(0, 0.06) * bpd
    solids.append(
        Ellipsoid(
            vent_u,
            vent_v,
            vent_e,
            0.15 * ofd,
            vent,
            0.13 * bpd,
            angle=-side * 0.2,
            echo_db=brain_db - contrast * 18,
            wall_db=-8,
            name="lateral ventricle",
        )
    )
    solids.append(
        Ellipsoid(
            vent_u + 0.02 * ofd,
            vent_v,
            vent_e,
            0.08 * ofd,
            0.6 * vent,
            0.1 * bpd,
            echo_db=line_db - 2,
            name="choroid plexus",
        )
    )
    # The falx reaches from the roof down to the cavum's level; above the cavum it is unbroken.
    falx = {"width": rng.uniform(0.5, 1.0), "echo_db": line_db, "wall_db": -2.0}
    front, back = 0.43 * ofd, -0.4 * ofd
    cavum_end, cavum_start = cavum_u + cavum_long / 2, cavum_u - cavum_long / 2
    for low, high_u, bottom in (
        (cavum_end, front, -1.4),
        (back, cavum_start, -1.4),
        (cavum_start, cavum_end, 1.0),
    ):
        base, top = bottom * high, 0.42 * bpd
        solids.append(
            Rod(
                (low + high_u) / 2,
                0,
                (base + top) / 2,
                high_u - low,
                c=(top - base) / 2,
                name="midline",
                **falx,
            )
        )
    solids.append(
        Ellipsoid(
            cavum_u,
            0,
            0,
            cavum_long / 2,
            cavum_wide / 2,
            high,
            echo_db=brain_db - contrast * 20,
            name="cavum",
        )
    )
    for sign in (-1, 1):
        solids.append(
            Rod(
                cavum_u,
                sign * cavum_wide / 2,
                0,
                cavum_long,
                0.7,
                0.9 * high,
                echo_db=line_db,
                wall_db=-2.0 + 4 * (contrast - 1),
            )
        )
    solids += of_cavum(rng, difficulty.lookalikes, bpd, ofd, brain_db - contrast * 20, line_db)
    # Below: the wings of the skull base and the cerebellum.
    for sign in (-1, 1):
        solids.append(
            Rod(
                0.1 * ofd,
                sign * 0.2 * bpd,
                -0.36 * bpd,
                0.28 * ofd,
                2.5,
                0.11 * bpd,
                angle=sign * 0.7,
                echo_db=6,
                attenuation=bone_attenuation(10, 2.5),
                wall_db=10,
                name="skull base",
            )
        )
        solids.append(
            Ellipsoid(
                -0.27 * ofd,
                sign * 0.14 * bpd,
                -0.26 * bpd,
                0.1 * ofd,
                0.13 * bpd,
                0.11 * bpd,
                echo_db=brain_db - 5,
                wall_db=-4,
                name="cerebellum",
            )
        )
    inner = ofd / 2 - thick, bpd / 2 - thick, 0.47 * ofd
    solids.append(Reverberation(0, 0, 0, *inner, brain_db + rng.uniform(5, 9), rng.uniform(0.14, 0.2) * bpd))
    return Body(
        tuple(solids),
        ofd / 2 + 3,
        0.5 * (ofd + bpd),
        defining=("cavum",),
        reach=(1.4 * high, 1.05 * high),
        off_limit=(0.42 * bpd, 0.36 * bpd),
    )
