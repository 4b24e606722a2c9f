"""What a sonographer looks for in each plane, and how often.

The shares are those of the PULSE study (UOG 2020, VP40.20; read off its Figure 1 to
about 0.3 percentage points): of the acquisitions of the head, abdomen and femur planes in which
a landmark was fixated, 2nd trimester (242, 256 and 236 acquisitions) and 3rd (204, 257
and 218). There the landmarks were found by a network trained on gaze. The share of
other places about the femur is not given; it is ours.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from phantom.bodies import Body
from phantom.shapes import Ellipsoid, Rod, Solid

INCLUSION = {
    "head": {
        "cavum": (0.971, 0.986),
        "lateral ventricle": (0.913, 0.427),
        "midline": (0.380, 0.657),
        "skull": (0.165, 0.274),
        "other": (0.525, 0.746),
        "outside": (0.029, 0.010),
    },
    "abdomen": {
        "umbilical vein": (0.914, 0.980),
        "stomach": (0.902, 0.891),
        "spine": (0.270, 0.249),
        "aorta": (0.168, 0.225),
        "rib": (0.179, 0.179),
        "other": (0.331, 0.463),
        "outside": (0.074, 0.031),
    },
    "femur": {"femur": (0.848, 0.730), "other": (0.30, 0.30)},
}
# Share of acquisitions in which none, one and both of the femur's ends are fixated.
FEMUR_ENDS = ((0.021, 0.178, 0.801), (0.0, 0.106, 0.894))
# In a part that no plane is made of: two main things to look at and some more, as in the planes.
_SEARCH = (0.93, 0.88, 0.35, 0.25, 0.2)
_SEARCH_OTHER = 0.5
_FREQUENT = ("cavum", "lateral ventricle", "midline", "umbilical vein", "stomach", "femur", "femur end", "part")
_DEFINING = 2.5  # by what makes it the plane, the eye is held longest: ours, shares of dwell are not published
_APART_MM = 4.0  # an other place is none of the landmarks


@dataclasses.dataclass(frozen=True)
class Target:
    """Something to look at.

    Attributes:
        name: of the landmark, or "other" (inside the body), or "outside" of it.
        weight: how much it draws the eye, once seen.
        place: (u, v) in the body, mm; None = elsewhere at each look.
    """

    name: str
    weight: float
    place: tuple[float, float] | None = None


def draw_targets(body: Body, plane: str | None, trimester: int, rng: np.random.Generator) -> list[Target]:
    """What one acquisition's observer looks at.

    A clip of background gets those of the plane that its body would show: whoever
    searches looks where the landmark should be.

    Args:
        body: what is on the screen. plane: "head", "abdomen", "femur", or None for a part
            that no plane is made of. trimester: 2 or 3.

    Returns:
        At least one target.
    """
    if plane is None:
        targets = _parts(body, rng)
    else:
        shares = {name: both[trimester - 2] for name, both in INCLUSION[plane].items()}
        chosen = [name for name, share in shares.items() if rng.uniform() < share]
        targets = [_target(body, plane, name, rng) for name in chosen]
        if plane == "femur":
            targets += _ends(body, int(rng.choice(3, p=FEMUR_ENDS[trimester - 2])), rng)
    return targets or [Target("other", 0.5)]


def look_around(body: Body, name: str, rng: np.random.Generator) -> tuple[float, float]:
    """A place (u, v) inside the body that is no landmark, or, for "outside", next to it; mm."""
    for _ in range(20):
        turn = rng.uniform(0, 2 * np.pi)
        if name == "outside":
            far = body.radius * rng.uniform(1.15, 1.4)
            return far * np.cos(turn), far * np.sin(turn)
        far = 0.75 * body.radius * rng.uniform() ** 0.5
        place = far * np.cos(turn), 0.6 * far * np.sin(turn)
        if all(np.hypot(*np.subtract(place, middle(s))) > _APART_MM for s in body.solids if s.name in _FREQUENT):
            break
    return place


def middle(solid: Solid) -> tuple[float, float]:
    """Where one looks at a solid, (u, v), mm."""
    return solid.at(0.0) if isinstance(solid, Rod) else (solid.u, solid.v)


def _target(body: Body, plane: str, name: str, rng: np.random.Generator) -> Target:
    weight = _DEFINING if name in body.defining else 1.0 if name in _FREQUENT else 0.5
    if name in ("other", "outside"):
        return Target(name, weight)
    solids = [s for s in body.solids if s.name == name]
    if name == "skull":
        turn, bone = rng.uniform(0, 2 * np.pi), next(s for s in solids if isinstance(s, Ellipsoid))
        return Target(name, weight, (bone.a * np.cos(turn), bone.b * np.sin(turn)))
    if name == "midline":  # above the cavum it runs where the cavum is
        cavum = next(s for s in body.solids if s.name == "cavum")
        solids = [s for s in solids if abs(s.u - cavum.u) > _APART_MM] or solids
    return Target(name, weight, middle(solids[rng.integers(len(solids))]))


def _ends(body: Body, count: int, rng: np.random.Generator) -> list[Target]:
    bone = next(s for s in body.solids if s.name == "femur" and isinstance(s, Rod))
    ends = [bone.at(-0.47 * bone.length), bone.at(0.47 * bone.length)]
    rng.shuffle(ends)
    return [Target("femur end", _DEFINING, (end[0], end[1])) for end in ends[:count]]


def _parts(body: Body, rng: np.random.Generator) -> list[Target]:
    """Long things by their ends and middle, others by their middle; none close to another."""
    places: list[tuple[float, float]] = []
    for solid in body.solids:
        if solid.name and solid.name != "skin":
            if isinstance(solid, Rod):
                places += [solid.at(share * solid.length) for share in (-0.45, 0.0, 0.45)]
            else:
                places.append((solid.u, solid.v))
    rng.shuffle(places)
    apart: list[tuple[float, float]] = []
    for place in places:
        if all(np.hypot(*np.subtract(place, other)) > 0.25 * body.radius for other in apart):
            apart.append((place[0], place[1]))
    targets = [Target("part", 1.0, place) for place, share in zip(apart, _SEARCH) if rng.uniform() < share]
    if rng.uniform() < _SEARCH_OTHER:
        targets.append(Target("other", 0.5))
    return targets
