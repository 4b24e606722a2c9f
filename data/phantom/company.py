"""A second part of the fetus in view: what a frame is of is then what the sonographer looks at.

A fetus lies folded: beside an abdomen there is often a thigh, beside a head a chest. Beside a plane
that is held the second part may show its own plane, a rival. Which of the two is held is a toss: room,
size, place, order of drawing and how well the plane is met are drawn alike for both, and the label is what
the sonographer is after. The transmit focus, the cavity's far wall, limbs around and a femur's tilt are still set
by the held part, and hint at it. Where a label says background the second
part shows no plane either, so background stays what the anatomy says it is.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data.phantom.bodies import Body, nothing_shown
from data.phantom.motion import EDGES, Motion
from data.phantom.section import Pose
from data.phantom.shapes import Ellipsoid, Reverberation, Rod, Solid

_TRIES = 30


def beside(
    body: Body, second: Body, place: Pose, motion: Motion, rng: np.random.Generator, rival_spread: float | None
) -> Body | None:
    """A second body, in the coordinates of the first.

    Args:
        body: what is held, or kept off. second: what lies beside it.
        place: where the second lies while the first is held: x, y and angle.
        motion: of the probe over the clip.
        rival_spread: show the second body's plane while the first one's is held, missing it by up
            to this share of its landmarks' half-extent; None = never show it.

    Returns:
        The second body with none of its plane shown, or, a rival, with all of it while the first
        one's is held and none of both in enough of the rest; None if no such place was found.
    """
    still, rival = motion.still, rival_spread is not None
    c, s = np.cos(still.angle), np.sin(still.angle)
    x, y = place.x - still.x, place.y - still.y
    u, v = c * x + s * y, c * y - s * x
    poses = [motion.pose(t) for t in np.linspace(0, motion.duration_s, 26)]
    held = [motion.pose(t) for t in np.linspace(motion.start_s, motion.end_s, 9)]
    for _ in range(_TRIES):
        if rival:
            off = rng.uniform(-rival_spread, rival_spread) * min(second.reach)
        else:
            way = rng.integers(2)
            off = (-1, 1)[way] * rng.uniform(1.0, 2.0) * second.reach[way]
        there = u, v, still.cut(u, v) - off
        solids = [_moved(solid, there, place.angle - still.angle) for solid in _cut(second, rival, rng)]
        placed = dataclasses.replace(second, solids=tuple(solids))
        if not rival and all(nothing_shown((placed,), pose) for pose in poses):
            return placed
        clear = sum(nothing_shown((body, placed), pose) for pose in poses)
        if rival and clear >= EDGES * len(poses) and all(placed.shown(pose)[0] >= second.held for pose in held):
            return placed
    return None


def _cut(body: Body, whole: bool, rng: np.random.Generator) -> list[Solid]:
    """The body's solids; a long bone is cut short unless `whole`: off its plane nothing of it would be left."""
    solids = []
    for solid in body.solids:
        if not whole and body.tilt and solid.name in body.defining:
            thick = 3 * max(body.reach)
            solid = dataclasses.replace(solid, length=solid.length * rng.uniform(0.35, 0.65), c=thick, name=None)
        solids.append(solid)
    return solids


def _moved(
    solid: Ellipsoid | Rod | Reverberation, place: tuple[float, float, float], turn: float
) -> Ellipsoid | Rod | Reverberation:
    c, s = np.cos(turn), np.sin(turn)
    u, v = place[0] + c * solid.u - s * solid.v, place[1] + s * solid.u + c * solid.v
    return dataclasses.replace(solid, u=u, v=v, e=place[2] + solid.e, angle=solid.angle + turn)
