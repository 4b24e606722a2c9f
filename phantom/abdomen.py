"""The abdomen: what the plane of its circumference shows, and what lies towards pelvis and heart.

The section's circumference is the fetus'; where and how large the landmarks are, and their
echogenicities, is textbook anatomy, spread widely and meant as variation rather than measurement.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from phantom.biometry import Fetus
from phantom.bodies import FLUID, Body, bone_attenuation
from phantom.difficulty import Difficulty
from phantom.lookalikes import of_stomach_and_vein
from phantom.shapes import Ellipsoid, Rod, Solid
from phantom.tables import Row, sample_row

# Shares of the section's mean diameter; +u is the front, +e the head. Pairs are ranges.
STOMACH: Row = {
    "v": (0.18, 0.26),
    "u": (-0.08, 0.10),
    "e": (-0.02, 0.02),
    "a": (0.10, 0.16),
    "b": (0.06, 0.10),
    "angle": (-0.7, 0.7),
}
AORTA: Row = {"u": -0.23, "v": 0.04, "e": 0.0, "a": 0.03, "b": 0.03, "c": 1.2}
KIDNEY: Row = {"u": -0.2, "v": (0.17, 0.22), "e": -0.32, "a": 0.1, "b": 0.085, "c": 0.17}
KIDNEYS_PELVIS: Row = {"a": 0.045, "b": 0.02, "c": 0.1}
BLADDER: Row = {"u": (0.1, 0.2), "v": (-0.05, 0.05), "e": -0.58, "a": (0.07, 0.13), "b": (0.06, 0.1), "c": 0.15}
HEART: Row = {"u": 0.06, "v": 0.09, "e": 0.42, "a": 0.2, "b": 0.15, "c": 0.2}
CHAMBER: Row = {"a": 0.062, "b": 0.04, "c": 0.15}
CHAMBERS = ((0.075, 0.05), (0.075, -0.05), (-0.075, 0.05), (-0.075, -0.05))  # along and across the heart's axis
HEARTS_ANGLE = 0.7
# The ossification centres of a vertebra: its body and both halves of the arch.
VERTEBRA = ((0.0, 0.0), (-0.075, 0.06), (-0.075, -0.06))


@dataclasses.dataclass(frozen=True)
class _Traits:
    """What the parts of one abdomen share.

    Attributes:
        d: mean diameter, mm. a, b: half-axes of the section, mm. skin: its thickness, mm.
        thick: half-thickness of the level that shows vein and stomach, mm.
        side: of the stomach, 1 or -1. liver_db, fluid_db: levels to soft tissue.
        lookalikes: mean number of structures that resemble a landmark.
    """

    d: float
    a: float
    b: float
    skin: float
    thick: float
    side: float
    liver_db: float
    fluid_db: float
    lookalikes: float

    @property
    def sizes(self) -> dict[str, float]:
        return dict.fromkeys(("u", "v", "e", "a", "b", "c"), self.d)


def abdomen(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> Body:
    """Abdominal circumference plane: +u is the front, -u the spine."""
    traits = _sample_traits(fetus, rng, difficulty)
    solids = [solid for part in _PARTS for solid in part(traits, rng)]
    d, thick = traits.d, traits.thick
    return Body(
        tuple(solids),
        d / 2 + 2,
        d,
        defining=("umbilical vein", "stomach"),
        reach=(1.4 * thick, 1.4 * thick),
        off_limit=(0.7 * d, 0.55 * d),
    )


def _sample_traits(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> _Traits:
    d = fetus.ac / np.pi
    contrast = difficulty.landmark_contrast * rng.uniform(0.75, 1.25)
    squeeze = rng.uniform(0.92, 1.08)
    a, b = d / 2 * squeeze**0.5, d / 2 / squeeze**0.5
    skin = rng.uniform(2.0, 4.5)
    liver_db = rng.uniform(-12, -4)
    side = rng.choice((-1.0, 1.0))
    fluid_db = liver_db - contrast * rng.uniform(16, 26)
    thick = rng.uniform(0.1, 0.14) * d
    return _Traits(d, a, b, skin, thick, side, liver_db, fluid_db, difficulty.lookalikes)


def _section(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    return [
        Ellipsoid(0, 0, 0, t.a, t.b, 1.3 * t.d, echo_db=-1, attenuation=0.6, wall_db=12, name="skin"),
        Ellipsoid(0, 0, 0, t.a - t.skin, t.b - t.skin, 1.25 * t.d, echo_db=t.liver_db, attenuation=0.55, wall_db=-4),
    ]


def _specks(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """Portal branches and bowel: bright or dark specks."""
    solids: list[Solid] = []
    for _ in range(rng.integers(8, 20)):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.8)
        solids.append(
            Ellipsoid(
                0.42 * t.d * far * np.cos(turn),
                0.42 * t.d * far * np.sin(turn),
                rng.uniform(-0.6, 0.5) * t.d,
                rng.uniform(0.015, 0.05) * t.d,
                rng.uniform(0.012, 0.03) * t.d,
                rng.uniform(0.05, 0.12) * t.d,
                angle=rng.uniform(0, np.pi),
                echo_db=t.liver_db + rng.choice((-12.0, 5.0, 8.0)),
            )
        )
    return solids


def _lookalikes(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    return of_stomach_and_vein(rng, t.lookalikes, t.d, t.fluid_db)


def _ribs(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """Two or three on either side, the same on both."""
    count = rng.integers(2, 4)
    first, apart = rng.uniform(0.85, 1.15), rng.uniform(0.52, 0.68)
    wide = 1.3 + 0.006 * t.d
    long = rng.uniform(2.2, 2.7) * wide  # the plane cuts a rib obliquely: a short stretch of it
    reach = rng.uniform(0.2, 0.5) * t.d
    bone: dict[str, Any] = {"echo_db": 5, "attenuation": bone_attenuation(10, wide), "wall_db": 9, "name": "rib"}
    solids: list[Solid] = []
    for sign in (-1, 1):
        for step in range(count):
            turn = sign * (first + apart * step)
            u, v = 0.97 * (t.a - t.skin - 1) * np.cos(turn), 0.97 * (t.b - t.skin - 1) * np.sin(turn)
            solids.append(Rod(u, v, 0.1 * t.d, long, wide, reach, angle=turn + np.pi / 2, bow=-0.06 * long, **bone))
    return solids


def _spine_and_aorta(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    size = 0.03 * t.d + 0.6  # of each ossification centre
    attenuation = bone_attenuation(rng.uniform(9.8, 11.2), 2 * size)
    bone: dict[str, Any] = {"echo_db": 8, "attenuation": attenuation, "wall_db": 12, "name": "spine"}
    solids: list[Solid] = [
        Ellipsoid(-0.32 * t.d + du * t.d, dv * t.d, 0, size, size, 1.2 * t.d, **bone) for du, dv in VERTEBRA
    ]
    row = sample_row(AORTA, rng, t.sizes)
    row["v"] *= t.side
    return [*solids, Ellipsoid(**row, name="aorta", **FLUID)]


def _stomach(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    row = sample_row(STOMACH, rng, t.sizes)
    row["v"] *= t.side
    look: dict[str, Any] = {"echo_db": t.fluid_db, "attenuation": 0.05, "wall_db": -6, "name": "stomach"}
    return [Ellipsoid(**row, c=t.thick * 1.15, **look)]


def _umbilical_vein(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """It enters from the front and bends away from the stomach: the J."""
    look: dict[str, Any] = {
        "echo_db": t.fluid_db + 2,
        "attenuation": 0.1,
        "wall_db": -4,
        "name": "umbilical vein",
        "hollow": True,
    }
    wide, bend = rng.uniform(0.055, 0.08) * t.d, rng.uniform(0.05, 0.1) * t.d
    turn = -t.side * 2.0
    return [
        Rod((0.27 * t.d + bend) / 2, 0, 0, 0.27 * t.d - bend, wide, t.thick, **look),
        Rod(bend - 0.035 * t.d, -t.side * 0.075 * t.d, 0, 0.14 * t.d, wide, t.thick, angle=turn, **look),
    ]


def _towards_the_pelvis(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """Kidneys and bladder."""
    solids: list[Solid] = []
    for sign in (-1, 1):
        row = sample_row(KIDNEY, rng, t.sizes)
        row["v"] *= sign
        inner = row | sample_row(KIDNEYS_PELVIS, rng, t.sizes)
        solids.append(Ellipsoid(**row, echo_db=t.liver_db - 7, wall_db=-8, name="kidney"))
        solids.append(Ellipsoid(**inner, echo_db=t.fluid_db))
    look: dict[str, Any] = {"echo_db": t.fluid_db, "attenuation": 0.05, "wall_db": -4, "name": "bladder"}
    return [*solids, Ellipsoid(**sample_row(BLADDER, rng, t.sizes), **look)]


def _towards_the_head(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """The heart with its four chambers."""
    row = sample_row(HEART, rng, t.sizes)
    row["v"] *= t.side
    angle = t.side * HEARTS_ANGLE
    solids: list[Solid] = [Ellipsoid(**row, angle=angle, echo_db=t.liver_db - 2, name="heart")]
    c, s = np.cos(angle), np.sin(angle)
    for du, dv in CHAMBERS:
        u, v = row["u"] + (c * du - s * dv) * t.d, row["v"] + (s * du + c * dv) * t.d
        solids.append(Ellipsoid(u, v, row["e"], **sample_row(CHAMBER, rng, t.sizes), angle=angle, **FLUID))
    return solids


# In the order in which they are sampled and drawn.
_PARTS = (
    _section,
    _specks,
    _lookalikes,
    _ribs,
    _spine_and_aorta,
    _stomach,
    _umbilical_vein,
    _towards_the_pelvis,
    _towards_the_head,
)
