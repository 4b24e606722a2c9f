"""Where everything of a clip lies: zoom, places of one body or two, and the motion of the probe."""

from __future__ import annotations

import dataclasses

import numpy as np

from phantom.bodies import Body
from phantom.company import beside
from phantom.difficulty import Difficulty
from phantom.film import NARROWEST
from phantom.landmarks import middle
from phantom.motion import Motion, draw_motion
from phantom.probe import View
from phantom.section import Placement, Pose

_MOVES_MM = 5.0  # by which hand and breath may move what must stay in view
_TRIES = 50


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where things are, in mm.

    Attributes:
        view: what the frames show. motion: of the probe about the first body.
        wall_mm: thickness of the abdominal wall. depth_mm: of the sector.
        second: the other body, if there is one; there: where it lies in the first one's coordinates.
    """

    view: View
    motion: Motion
    wall_mm: float
    depth_mm: float
    second: Body | None = None
    there: Placement | None = None


def lay_out(
    kinds: tuple[str, str | None],
    bodies: tuple[Body, Body | None],
    is_plane: bool,
    shared: bool,
    difficulty: Difficulty,
    frame_size: tuple[int, int],
    duration_s: float,
    rng: np.random.Generator,
) -> Layout:
    """Lay out a clip; whatever its label, two bodies share the frame as often in the same way.

    Args:
        kinds, bodies: the body about which the motion is sampled, and a second one or None.
        is_plane: hold the standard plane; otherwise keep off it.
        shared: the two share the frame's middle; in a clip of a plane the second shows its own plane too.
        frame_size: (H, W), px.

    Raises:
        RuntimeError: no layout was found; the bodies' numbers contradict each other.
    """
    lead, other = bodies
    rival = shared and is_plane
    for _ in range(_TRIES):
        arranged = _arrange(kinds, bodies, frame_size, rng, shared)
        if arranged is None:
            continue
        view, place, there, wall_mm, depth_mm = arranged
        # A rival's plane must be gone too where the label says background, yet something of both still be there.
        clear_mm = 0.0
        if rival and other is not None:
            clear_mm = max(1.3 * max(other.reach), min(difficulty.off_plane * max(other.reach), *lead.off_limit))
        motion = draw_motion(lead, place, is_plane, duration_s, rng, difficulty, clear_mm)
        if other is None or there is None:
            return Layout(view, motion, wall_mm, depth_mm)
        found = beside(lead, other, there, motion, rng, difficulty.plane_spread if rival else None)
        if found:
            return Layout(view, motion, wall_mm, depth_mm, *found)
    raise RuntimeError(f"no layout found for {' beside '.join(str(name) for name in kinds[::-1] if name)}")


def _arrange(
    kinds: tuple[str, str | None],
    bodies: tuple[Body, Body | None],
    frame_size: tuple[int, int],
    rng: np.random.Generator,
    shared: bool,
) -> tuple[View, Pose, Pose | None, float, float] | None:
    """Choose the zoom, the places of the body and of a second one, the wall's thickness and the depth; all in mm.

    None: at this zoom they don't fit. Two that share it get the frame's middle between them, and places sampled alike.
    """
    (body, second), (height, width) = bodies, frame_size
    radius = max(part.radius for part in bodies if part is not None)
    y = max(rng.uniform(42, 75), 0.75 * radius + 14)
    if second is None:
        mm_per_px = body.extent / (rng.uniform(0.36, 0.76) * width)
    else:
        mm_per_px = (body.extent + second.extent) / (rng.uniform(0.8, 1.05) * width)
        side, apart = rng.choice((-1, 1)), body.radius + second.radius
    if shared:  # deep enough for the sector to hold the landmarks of both
        y = max(y, (0.5 * apart + 0.4 * radius) / np.sin(NARROWEST.angle / 2) - NARROWEST.radius_mm)
    tall = height * mm_per_px
    top = max(y - tall * rng.uniform(0.34, 0.66), -4.0)
    left = -width * mm_per_px / 2 + rng.normal(0, 0.02) * width * mm_per_px
    view = View(left, top, mm_per_px, height, width)
    for _ in range(200):
        there = None
        if second is None:
            place = Pose(rng.normal(0, 0.1) * width * mm_per_px, y, _lie(kinds[0], rng))
        else:
            far, lean = apart * (rng.uniform(0.98, 1.08) if shared else rng.uniform(0.85, 1.05)), rng.uniform(-0.3, 0.3)
            dx, dy = side * far * np.cos(lean), far * np.sin(lean)
            share = rng.uniform(0.4, 0.6) if shared else rng.uniform(0.05, 0.27) * width * mm_per_px / abs(dx)
            place = Pose(-share * dx, y - 0.5 * dy * shared, _lie(kinds[0], rng))
            there = Pose(place.x + dx, place.y + dy, _lie(kinds[1] or "", rng))
        fits = _fits(kinds[0], body, place, view, shared)
        if shared and second is not None and there is not None:
            fits = fits and _fits(kinds[1] or "", second, there, view, shared)
        if fits:
            wall_mm = max(8.0, y - radius * rng.uniform(0.75, 1.1) - rng.uniform(0, 15))
            return view, place, there, wall_mm, max(top + tall, y + 20) * rng.uniform(1.0, 1.06)
    return None


def _lie(kind: str, rng: np.random.Generator) -> float:
    """How a body is turned on the screen, radians."""
    if kind not in ("head", "abdomen"):  # a long bone is only seen well when it lies across the beam
        return rng.uniform(-0.8, 0.8) + (np.pi if rng.uniform() < 0.5 else 0.0)
    if kind == "abdomen":  # with the spine towards the probe its shadow hides the rest, and such a view is not kept
        return -np.pi / 2 + rng.uniform(-2.4, 2.4)
    return rng.uniform(-np.pi, np.pi)


def _fits(kind: str, body: Body, place: Pose, view: View, shared: bool) -> bool:
    """Whether what makes the plane stays in view: both ends of a femur; of two that share it all landmarks."""
    if kind == "femur":
        return all(_in_view(place.to_probe(u, 0.0), view) for u in body.ends)
    places = [middle(solid) for solid in body.solids if shared and solid.name in body.defining]
    return all(_in_view(place.to_probe(*where), view) for where in places)


def _in_view(place: tuple[float, float], view: View) -> bool:
    """Whether a place stays in the frame and in the narrowest sector as hand and breath move it."""
    x, y = place
    right, bottom = view.left_mm + view.width * view.mm_per_px, view.top_mm + view.height * view.mm_per_px
    aside = NARROWEST.angle / 2 * (y + NARROWEST.radius_mm) - _MOVES_MM
    return (
        view.left_mm + _MOVES_MM < x < right - _MOVES_MM
        and view.top_mm + _MOVES_MM < y < bottom - _MOVES_MM
        and abs(np.arctan2(x, y + NARROWEST.radius_mm)) * (y + NARROWEST.radius_mm) < aside
    )
