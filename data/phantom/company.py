"""A second part of the fetus in view: what a frame is of is then what the sonographer looks at.

A fetus lies folded: beside an abdomen there is often a thigh, beside a head a chest. Beside a plane
that is held the second part may show its own plane, a rival; the label is the plane that is held,
and the frame alone can't always tell which. Where a label says background the second part shows no
plane either, so background stays what the anatomy says it is.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data.phantom.bodies import Body
from data.phantom.motion import Motion
from data.phantom.shapes import Ellipsoid, Reverberation, Rod, Solid

_TRIES = 30


def beside(body: Body, second: Body, motion: Motion, side: float, rival: bool, rng: np.random.Generator) -> list[Solid]:
    """The solids of a second body to one side of the first, in the first one's coordinates.

    Args:
        body: what is held, or kept off. second: what lies beside it.
        motion: of the probe over the clip. side: of the screen, -1 left, 1 right.
        rival: show the second body's plane while the first one's is held.

    Returns:
        Solids that show none of the second body's plane (a rival: none while the first one's
        is not shown); [] if none were found.
    """
    poses = [motion.pose(t) for t in np.linspace(0, motion.duration_s, 9)]
    for _ in range(_TRIES):
        turn = (0.0 if side > 0 else np.pi) + rng.uniform(-0.5, 0.5) - motion.still.angle
        far = rng.uniform(0.85, 1.05) * (body.radius + second.radius)
        way = rng.integers(2)
        off = (-1, 1)[way] * (rng.uniform(0.0, 0.3) if rival else rng.uniform(1.0, 2.0)) * second.reach[way]
        place = far * np.cos(turn), far * np.sin(turn), motion.still.elevation - off
        angle = rng.uniform(-np.pi, np.pi)
        moved = [_moved(solid, place, angle) for solid in _cut(second, rival, rng)]
        there = dataclasses.replace(second, solids=tuple(moved))
        clear = [pose for pose in poses if not rival or body.shown(pose)[1] <= body.gone]
        if all(there.shown(pose)[1] <= second.gone for pose in clear):
            return moved
    return []


def _cut(body: Body, whole: bool, rng: np.random.Generator) -> list[Solid]:
    """The body's solids; a long bone is cut short unless `whole`: off its plane nothing of it would be left."""
    solids = []
    for solid in body.solids:
        if isinstance(solid, Reverberation):
            continue  # lies under its own skull, whichever way that is turned
        if not whole and body.tilt and solid.name in body.defining:
            thick = 3 * max(body.reach)
            solid = dataclasses.replace(solid, length=solid.length * rng.uniform(0.35, 0.65), c=thick, name=None)
        solids.append(solid)
    return solids


def _moved(solid: Ellipsoid | Rod, place: tuple[float, float, float], turn: float) -> Solid:
    c, s = np.cos(turn), np.sin(turn)
    u, v = place[0] + c * solid.u - s * solid.v, place[1] + s * solid.u + c * solid.v
    return dataclasses.replace(solid, u=u, v=v, e=place[2] + solid.e, angle=solid.angle + turn)
