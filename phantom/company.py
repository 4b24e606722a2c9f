"""A second part of the fetus in view: the sonographer's gaze tells which of the two a frame is about.

A fetus lies folded: next to an abdomen there is often a thigh, next to a head a chest. Next to a plane that is held
the second part may show its own plane; the two are then rivals. One random choice decides which of them is held,
and an independent one around which of them the scene is laid out. So a frame of two rivals does not determine the
label, by construction; only the gaze does. Where the label is background the second part shows no plane either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from phantom.bodies import Body, nothing_shown, thicker
from phantom.motion import EDGES, TREMOR_MM, Motion, moments
from phantom.section import Placement, Pose
from phantom.shapes import Rod, Solid, moved

_TRIES = 30


@dataclasses.dataclass(frozen=True)
class Carried:
    """The motion of a part that lies next to the one for which the motion was sampled; see `Motion`."""

    motion: Motion
    placement: Placement

    @property
    def start_s(self) -> float:
        return self.motion.start_s

    @property
    def end_s(self) -> float:
        return self.motion.end_s

    @property
    def duration_s(self) -> float:
        return self.motion.duration_s

    def pose(self, time_s: float) -> Pose:
        return self.motion.pose(time_s).of(self.placement)

    def path(self, time_s: np.ndarray | Sequence[float], u: float, v: float) -> tuple[np.ndarray, np.ndarray]:
        return self.motion.path(time_s, *self.placement.to_other(u, v))


def beside(
    body: Body, second: Body, place: Pose, motion: Motion, rng: np.random.Generator, rival_spread: float | None
) -> tuple[Body, Placement] | None:
    """Lay a second body next to a first one.

    Args:
        body: for which the motion was sampled. second: what lies next to it.
        place: where the second lies while the first is held: x, y and angle.
        motion: of the probe over the clip.
        rival_spread: show both planes while the first one's is held, missing the second one's by up
            to this share of its landmarks' half-extent; None = never show the second one's.

    Returns:
        The second body, and where it lies in the coordinates of the first: with none of its plane shown, or, a
        rival, with all of it in the hold and none of both in enough of the rest; None if no such place was found.
    """
    still, rival = motion.still, rival_spread is not None
    c, s = np.cos(still.angle), np.sin(still.angle)
    x, y = place.x - still.x, place.y - still.y
    u, v = float(c * x + s * y), float(c * y - s * x)
    times = np.linspace(0, motion.duration_s, 26) if rival else moments(motion.duration_s)
    if not rival:  # the probe may come and leave in a few milliseconds
        comes, leaves = np.linspace(0, motion.start_s, 40), np.linspace(motion.end_s, motion.duration_s, 40)
        times = np.concatenate([times, comes, leaves])
    poses = [motion.pose(t) for t in times]
    held = [motion.pose(t) for t in np.linspace(motion.start_s, motion.end_s, 9)]
    for _ in range(_TRIES):
        if rival_spread is not None:
            off = rng.uniform(-rival_spread, rival_spread) * min(second.reach)
        else:
            way = rng.integers(2)
            off = (-1, 1)[way] * rng.uniform(1.0, 2.0) * second.reach[way]
        there = Placement(u, v, float(still.cut(u, v) - off), float(place.angle - still.angle))
        part = second if rival else dataclasses.replace(second, solids=tuple(_cut(second, rng)))
        thick = part if rival else thicker(part, TREMOR_MM)
        if not rival and all(nothing_shown((thick,), pose.of(there)) for pose in poses):
            return part, there
        if not rival or any(part.shown(pose.of(there))[0] < part.held for pose in held):
            continue
        clear = sum(nothing_shown((body,), pose) and nothing_shown((part,), pose.of(there)) for pose in poses)
        if clear >= EDGES * len(poses):
            return part, there
    return None


def placed(body: Body, there: Placement) -> Body:
    """The body with its solids in the coordinates in which the placement is given."""
    return dataclasses.replace(body, solids=tuple(moved(solid, there) for solid in body.solids))


def _cut(body: Body, rng: np.random.Generator) -> list[Solid]:
    """The body's solids, a long bone cut short: off its plane nothing of it would be left."""
    solids: list[Solid] = []
    for solid in body.solids:
        if body.tilt and isinstance(solid, Rod) and solid.name in body.defining:
            thick = 3 * max(body.reach)
            solid = dataclasses.replace(solid, length=solid.length * rng.uniform(0.35, 0.65), c=thick, name=None)
        solids.append(solid)
    return solids
