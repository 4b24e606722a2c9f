"""Which bodies a clip shows: the one that is held, or kept off, and perhaps a second one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from phantom import background
from phantom.abdomen import abdomen
from phantom.biometry import Fetus
from phantom.bodies import Body
from phantom.difficulty import Difficulty
from phantom.head import head
from phantom.thigh import thigh

CLASSES = ("abdomen", "femur", "head", "background")
PLANES: dict[str, Callable[[Fetus, np.random.Generator, Difficulty], Body]] = {
    "head": head,
    "abdomen": abdomen,
    "femur": thigh,
}
# What else a sonographer passes on the way.
PARTS: dict[str, Callable[[Fetus, np.random.Generator], Body]] = {
    "spine": background.long_spine,
    "lower leg": background.lower_leg,
    "limbs": background.limbs,
    "placenta": background.placenta,
}
# What background is made of: cuts off the planes of these bodies, or one of `PARTS`. Ours.
_BACKGROUND = {"head": 0.27, "abdomen": 0.27, "femur": 0.23, "part": 0.23}


@dataclasses.dataclass(frozen=True)
class Cast:
    """The bodies of a clip.

    Attributes:
        kind: of the body that is held, or kept off.
        kinds, bodies: the body about which everything is laid out, then a second one or None.
        shared: two bodies share the frame's middle.
    """

    kind: str
    kinds: tuple[str, str | None]
    bodies: tuple[Body, Body | None]
    shared: bool

    @property
    def swapped(self) -> bool:
        """Whether the clip is laid out about the body that is not held."""
        return self.kinds[0] != self.kind

    @property
    def held(self) -> Body:
        lead, second = self.bodies
        return second if self.swapped and second is not None else lead


def choose_bodies(fetus: Fetus, label: str, rng: np.random.Generator, difficulty: Difficulty) -> Cast:
    """The bodies of a clip of this class.

    Args:
        label: one of `CLASSES`. difficulty: `company` and `rivals` say how often there is a second one.
    """
    is_plane = label in PLANES
    kind = label if is_plane else str(rng.choice(list(_BACKGROUND), p=list(_BACKGROUND.values())))
    if kind == "part":
        kind = list(PARTS)[rng.integers(len(PARTS))]
        return Cast(kind, (kind, None), (PARTS[kind](fetus, rng), None), shared=False)
    # What follows of two rivals is sampled in an order that does not know the label, and about either by a toss:
    # the same random numbers give the same frames whichever is held.
    other = None
    if rng.uniform() < difficulty.company:
        other = str(rng.choice([name for name in PLANES if name != kind]))
    made = {name: PLANES[name](fetus, rng, difficulty) for name in PLANES if name in (kind, other)}
    shared = other is not None and rng.uniform() < difficulty.rivals
    names: tuple[str, str | None] = kind, other
    if shared and is_plane:
        first, second = made
        names = (first, second) if rng.uniform() < 0.5 else (second, first)
    return Cast(kind, names, (made[names[0]], made[names[1]] if names[1] else None), shared)
