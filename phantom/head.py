"""The head: what the transventricular plane shows and what lies above and below it.

Skull and brain have the fetus' diameters; where and how large the landmarks are, and their
echogenicities, is textbook anatomy, spread widely and meant as variation rather than measurement.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from phantom.biometry import Fetus
from phantom.bodies import Body, bone_attenuation
from phantom.difficulty import Difficulty
from phantom.lookalikes import of_cavum
from phantom.shapes import Ellipsoid, Reverberation, Rod, Solid
from phantom.tables import Row, sample_row

# Lengths along u are shares of the occipitofrontal, all others of the biparietal diameter; +e is the crown.
THALAMUS: Row = {"u": -0.03, "v": 0.1, "e": -0.05, "a": 0.11, "b": 0.075, "c": 0.14}
VENTRICLE: Row = {"u": -0.2, "v": 0.23, "e": (0.0, 0.06), "a": 0.15, "c": 0.13}
PLEXUS: Row = {"a": 0.08, "c": 0.1}
SKULL_BASE: Row = {"u": 0.1, "v": 0.2, "e": -0.36, "length": 0.28, "c": 0.11}
CEREBELLUM: Row = {"u": -0.27, "v": 0.14, "e": -0.26, "a": 0.1, "b": 0.13, "c": 0.11}
FALX_ENDS = (-0.4, 0.43)


@dataclasses.dataclass(frozen=True)
class _Traits:
    """What the parts of one head share.

    Attributes:
        bpd, ofd: diameters, mm. ventricle: width of the lateral ventricle's posterior horn, mm.
        contrast: factor on the landmarks' contrast.
        thick: of the skull, mm. bone: its attenuation, dB/cm/MHz.
        high: half-thickness of the cavum, mm; cavum_u, cavum_long, cavum_wide: its place and size, mm.
        brain_db, line_db: levels of brain and of bright lines to soft tissue.
        lookalikes: mean number of structures that resemble the cavum.
    """

    bpd: float
    ofd: float
    ventricle: float
    contrast: float
    thick: float
    bone: float
    high: float
    cavum_u: float
    cavum_long: float
    cavum_wide: float
    brain_db: float
    line_db: float
    lookalikes: float

    @property
    def sizes(self) -> dict[str, float]:
        return dict.fromkeys(("u", "a", "length"), self.ofd) | dict.fromkeys(("v", "e", "b", "c"), self.bpd)

    @property
    def fluid_db(self) -> float:
        """Level of the cavum and of what resembles it."""
        return self.brain_db - self.contrast * 20


def head(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> Body:
    """Transventricular plane: +u is the forehead, +v the far hemisphere."""
    traits = _sample_traits(fetus, rng, difficulty)
    solids = [solid for part in _PARTS for solid in part(traits, rng)]
    bpd, ofd, high = traits.bpd, traits.ofd, traits.high
    return Body(
        tuple(solids),
        ofd / 2 + 3,
        0.5 * (ofd + bpd),
        defining=("cavum",),
        reach=(1.4 * high, 1.05 * high),
        off_limit=(0.42 * bpd, 0.36 * bpd),
    )


def _sample_traits(fetus: Fetus, rng: np.random.Generator, difficulty: Difficulty) -> _Traits:
    bpd, ofd = fetus.bpd, fetus.ofd
    contrast = difficulty.landmark_contrast * rng.uniform(0.75, 1.25)
    brain_db = rng.uniform(-12, -4)
    thick = rng.uniform(1.2, 2.2)
    bone = bone_attenuation(rng.uniform(9.5, 11.5), thick)
    high = rng.uniform(0.085, 0.115) * bpd
    cavum_u, cavum_long = rng.uniform(0.13, 0.2) * ofd, rng.uniform(0.11, 0.15) * ofd
    cavum_wide = rng.uniform(0.055, 0.085) * bpd
    line_db = brain_db + contrast * rng.uniform(10, 15)
    cavum = cavum_u, cavum_long, cavum_wide
    levels = brain_db, line_db
    return _Traits(bpd, ofd, fetus.ventricle, contrast, thick, bone, high, *cavum, *levels, difficulty.lookalikes)


def _skull(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    a, b, ofd = t.ofd / 2, t.bpd / 2, t.ofd
    return [
        Ellipsoid(0, 0, 0, a + 2.5, b + 2.5, 0.5 * ofd, echo_db=-6, wall_db=0),
        Ellipsoid(0, 0, 0, a, b, 0.48 * ofd, echo_db=9, wall_db=19, name="skull", attenuation=t.bone),
        Ellipsoid(0, 0, 0, a - t.thick, b - t.thick, 0.47 * ofd, echo_db=t.brain_db, attenuation=0.4),
    ]


def _sulci_and_vessels(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    solids: list[Solid] = []
    for _ in range(rng.integers(10, 26)):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 0.9)
        place = 0.46 * t.ofd * far * np.cos(turn), 0.46 * t.bpd * far * np.sin(turn)
        solids.append(
            Rod(
                *place,
                rng.uniform(-0.25, 0.25) * t.bpd,
                rng.uniform(0.04, 0.12) * t.ofd,
                rng.uniform(0.6, 1.2),
                0.15 * t.bpd,
                angle=rng.uniform(0, np.pi),
                echo_db=t.brain_db + rng.uniform(4, 13),
            )
        )
    return solids


def _thalami_and_ventricle(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """Both thalami, and on one side the lateral ventricle with its choroid plexus."""
    side = rng.choice((-1.0, 1.0))
    dark_db = t.brain_db - t.contrast * rng.uniform(5, 9)
    solids: list[Solid] = []
    for sign in (-1, 1):
        row = sample_row(THALAMUS, rng, t.sizes)
        row["v"] *= sign
        solids.append(Ellipsoid(**row, angle=sign * 0.3, echo_db=dark_db, name="thalamus"))
    half = t.ventricle / 2 * rng.uniform(0.85, 1.3)
    row = sample_row(VENTRICLE, rng, t.sizes)
    row["v"] *= side
    look: dict[str, Any] = {"echo_db": t.brain_db - t.contrast * 18, "wall_db": -8, "name": "lateral ventricle"}
    solids.append(Ellipsoid(**row, b=half, angle=-side * 0.2, **look))
    inner = row | sample_row(PLEXUS, rng, t.sizes)
    inner["u"] += 0.02 * t.ofd
    solids.append(Ellipsoid(**inner, b=0.6 * half, echo_db=t.line_db - 2, name="choroid plexus"))
    return solids


def _falx(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """From the roof down to the level of the cavum, which breaks it; above the cavum it is unbroken."""
    look: dict[str, Any] = {"width": rng.uniform(0.5, 1.0), "echo_db": t.line_db, "wall_db": -2.0, "name": "midline"}
    back, front = (share * t.ofd for share in FALX_ENDS)
    cavum_end, cavum_start = t.cavum_u + t.cavum_long / 2, t.cavum_u - t.cavum_long / 2
    solids: list[Solid] = []
    for low, high, bottom in (
        (cavum_end, front, -1.4),
        (back, cavum_start, -1.4),
        (cavum_start, cavum_end, 1.0),
    ):
        base, top = bottom * t.high, 0.42 * t.bpd
        solids.append(Rod((low + high) / 2, 0, (base + top) / 2, high - low, c=(top - base) / 2, **look))
    return solids


def _cavum(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """The cavum septi pellucidi: fluid between two bright lines."""
    u, long, wide = t.cavum_u, t.cavum_long, t.cavum_wide
    line: dict[str, Any] = {"echo_db": t.line_db, "wall_db": -2.0 + 4 * (t.contrast - 1)}
    return [
        Ellipsoid(u, 0, 0, long / 2, wide / 2, t.high, echo_db=t.fluid_db, name="cavum"),
        *(Rod(u, sign * wide / 2, 0, long, 0.7, 0.9 * t.high, **line) for sign in (-1, 1)),
    ]


def _lookalikes(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    return of_cavum(rng, t.lookalikes, t.bpd, t.ofd, t.fluid_db, t.line_db)


def _below(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """The wings of the skull base and the cerebellum."""
    bone: dict[str, Any] = {"echo_db": 6, "attenuation": bone_attenuation(10, 2.5), "wall_db": 10, "name": "skull base"}
    solids: list[Solid] = []
    for sign in (-1, 1):
        wing, lobe = sample_row(SKULL_BASE, rng, t.sizes), sample_row(CEREBELLUM, rng, t.sizes)
        wing["v"], lobe["v"] = sign * wing["v"], sign * lobe["v"]
        solids.append(Rod(**wing, width=2.5, angle=sign * 0.7, **bone))
        solids.append(Ellipsoid(**lobe, echo_db=t.brain_db - 5, wall_db=-4, name="cerebellum"))
    return solids


def _haze(t: _Traits, rng: np.random.Generator) -> list[Solid]:
    """Reverberation under the near skull."""
    inner = t.ofd / 2 - t.thick, t.bpd / 2 - t.thick, 0.47 * t.ofd
    return [Reverberation(0, 0, 0, *inner, t.brain_db + rng.uniform(5, 9), rng.uniform(0.14, 0.2) * t.bpd)]


# In the order in which they are sampled and drawn.
_PARTS = (
    _skull,
    _sulci_and_vessels,
    _thalami_and_ventricle,
    _falx,
    _cavum,
    _lookalikes,
    _below,
    _haze,
)
