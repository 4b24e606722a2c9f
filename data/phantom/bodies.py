"""Head, abdomen and thigh: what the three planes show and what lies beside them.

Each is a list of solids in the order in which they are drawn, in mm. Because the
solids have thickness across the plane, the same body gives the standard plane at
elevation 0 and honest near misses elsewhere: a skull without cavum, an abdomen
through the kidneys, a femur cut short.

Sources: sizes from the growth charts; landmark sizes and echogenicities from
textbook anatomy, spread widely, and meant as variation rather than measurement.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data.phantom.biometry import Fetus
from data.phantom.difficulty import Difficulty
from data.phantom.shapes import Ellipsoid, Pose, Rod, Solid

FLUID_DB = -45.0
_FLUID = {"echo_db": FLUID_DB, "attenuation": 0.02}


@dataclasses.dataclass(frozen=True)
class Body:
    """A part of the fetus.

    Attributes:
        solids: in the order in which they are drawn.
        radius: of a disc that holds its section, mm. extent: its size in a frame, mm.
        defining: names of the solids that make a cut a standard plane; () = there is none.
        held, gone: share of each of them that the cut must show to be the plane, and
            above which it may show none to be background.
        reach: elevation at which they are just gone, mm, to the negative and to the
            positive side; off_limit: at which there is still something else to see.
        tilt: slope along u at which a cut through the middle is no plane any more; 0 = none is.
    """

    solids: tuple[Solid, ...]
    radius: float
    extent: float
    defining: tuple[str, ...] = ()
    held: float = 0.6
    gone: float = 0.0
    reach: tuple[float, float] = (0.0, 0.0)
    off_limit: tuple[float, float] = (1.0, 1.0)
    tilt: float = 0.0

    def shown(self, pose: Pose) -> tuple[float, float]:
        """How much the cut shows of the defining solid that it shows least, and most; 0 to 1."""
        shares: dict[str, float] = {}
        for solid in self.solids:
            if solid.name in self.defining:
                shares[solid.name] = max(shares.get(solid.name, 0.0), solid.visible(pose))
        return (min(shares.values()), max(shares.values())) if shares else (0.0, 0.0)


def head(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> Body:
    """Transventricular plane: +u is the forehead, +v the far hemisphere."""
    bpd, ofd = fetus.bpd, fetus.ofd
    contrast = difficulty.landmark_contrast * rng.uniform(0.75, 1.25)
    brain_db = rng.uniform(-15, -7)
    bone = {"attenuation": rng.uniform(4, 8)}
    thick = rng.uniform(1.2, 2.2)
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
        Ellipsoid(vent_u + 0.02 * ofd, vent_v, vent_e, 0.08 * ofd, 0.6 * vent, 0.1 * bpd, echo_db=line_db - 2)
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
                attenuation=4,
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
    return Body(
        tuple(solids),
        ofd / 2 + 3,
        0.5 * (ofd + bpd),
        defining=("cavum",),
        reach=(1.4 * high, 1.05 * high),
        off_limit=(0.42 * bpd, 0.36 * bpd),
    )


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
    for sign in (-1, 1):
        for step in range(rng.integers(2, 4)):
            turn = sign * (1.0 + 0.62 * step + rng.uniform(-0.1, 0.1))
            solids.append(
                Rod(
                    (a - skin - 1) * np.cos(turn) * 0.97,
                    (b - skin - 1) * np.sin(turn) * 0.97,
                    0.1 * d,
                    rng.uniform(0.07, 0.14) * d,
                    0.9,
                    rng.uniform(0.2, 0.5) * d,
                    angle=turn + np.pi / 2,
                    bow=-0.5,
                    echo_db=3,
                    attenuation=4,
                    wall_db=7,
                    name="rib",
                )
            )
    bone = {"echo_db": 8, "attenuation": 8, "wall_db": 12, "name": "spine"}
    size = 0.03 * d + 0.6
    for du, dv in ((0, 0), (-0.075, 0.06), (-0.075, -0.06)):
        solids.append(Ellipsoid(-0.32 * d + du * d, dv * d, 0, size * 1.2, size, 1.2 * d, **bone))
    solids.append(Ellipsoid(-0.23 * d, side * 0.04 * d, 0, 0.03 * d, 0.03 * d, 1.2 * d, name="aorta", **_FLUID))
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
                **_FLUID,
            )
        )
    return Body(
        tuple(solids),
        d / 2 + 2,
        d,
        defining=("umbilical vein", "stomach"),
        reach=(1.3 * thick, 1.3 * thick),
        off_limit=(0.7 * d, 0.55 * d),
    )


def thigh(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> Body:
    """Femur length plane: the bone lies along u."""
    length = fetus.fl
    muscle_db = rng.uniform(-13, -5)
    contrast = difficulty.landmark_contrast * rng.uniform(0.75, 1.25)
    a, b = length * rng.uniform(0.66, 0.82), length * rng.uniform(0.26, 0.4)
    solids: list[Solid] = [
        Ellipsoid(0, 0, 0, a, b, 0.5 * length, echo_db=-3, attenuation=0.7, wall_db=8, name="skin"),
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
    solids.append(
        Rod(
            0,
            across,
            0,
            length,
            rng.uniform(1.2, 2.2) + 0.012 * length,
            thick,
            bow=rng.choice((-1.0, 1.0)) * rng.uniform(0.01, 0.05) * length,
            echo_db=6 * contrast,
            attenuation=rng.uniform(5, 9),
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
    )
