"""One clip: a body, a motion, a scanner and an observer give frames, gaze and labels."""

from __future__ import annotations

import dataclasses

import numpy as np

from phantom import looks, surroundings
from phantom.abdomen import abdomen
from phantom.biometry import Fetus
from phantom.bodies import Body
from phantom.company import Carried, beside, placed
from phantom.difficulty import Difficulty
from phantom.film import NARROWEST, Settings, draw_settings, film, make_grid
from phantom.head import head
from phantom.landmarks import middle
from phantom.motion import Interval, Motion, draw_motion, label_clip
from phantom.probe import View
from phantom.section import Placement, Pose
from phantom.sonographer import look_at
from phantom.thigh import thigh
from phantom.tracker import Gaze, Screen

CLASSES = ("abdomen", "femur", "head", "background")
PLANES = {"head": head, "abdomen": abdomen, "femur": thigh}
# What else a sonographer passes on the way.
PARTS = {
    "spine": surroundings.long_spine,
    "lower leg": surroundings.lower_leg,
    "limbs": surroundings.limbs,
    "placenta": surroundings.placenta,
}
_MOVES_MM = 5.0
_TRIES = 50


@dataclasses.dataclass(frozen=True)
class Clip:
    """A simulated clip.

    Attributes:
        frames: uint8 [n, H, W]. intervals: labelled stretches. gaze: on the screen.
        view: what the frames show, mm. body, motion: the truth behind it: what is held, and how it moves.
        kind: of the body, a plane's name (also where a background clip keeps off that plane) or one of `PARTS`.
        second: a second body in view, if any, in the first one's coordinates; above: drawn over the first;
            rival: it shows its own plane.
        settings: of the scanner.
    """

    frames: np.ndarray
    intervals: list[Interval]
    gaze: Gaze
    view: View
    body: Body
    motion: Motion | Carried
    kind: str
    settings: Settings
    second: Body | None = None
    above: bool = False
    rival: bool = False


@dataclasses.dataclass(frozen=True)
class Session:
    """What stays the same over a patient's clips: scanner, its settings, the tracker's calibration."""

    look: looks.Look
    bias_degree: np.ndarray
    screen: Screen


def simulate_clip(
    fetus: Fetus,
    label: str,
    session: Session,
    rng: np.random.Generator,
    difficulty: Difficulty,
    *,
    frame_size: tuple[int, int],
    fps: float,
    duration_s: float,
) -> Clip:
    """Simulate one clip.

    Args:
        fetus: whose. label: what the clip holds, one of `CLASSES`.
        session: scanner and tracker. frame_size: (H, W), px.
    """
    is_plane = label in PLANES
    # The scanner's settings come from a generator of their own: the same whatever the clip shows.
    scanner_rng = np.random.default_rng(rng.integers(2**63))
    kind = label if is_plane else str(rng.choice(("head", "abdomen", "femur", "part"), p=(0.27, 0.27, 0.23, 0.23)))
    if kind == "part":
        kind = list(PARTS)[rng.integers(len(PARTS))]
        body = PARTS[kind](fetus, rng)
        kinds, bodies = (kind, None), (body, None)
        shared = rival = swapped = False
    else:
        # What follows of two rivals is drawn in an order that does not know the label, and about either by a toss:
        # the same draws give the same frames whichever is held.
        other = None
        if rng.uniform() < difficulty.company:
            other = str(rng.choice([name for name in PLANES if name != kind]))
        drawn = {name: PLANES[name](fetus, rng, difficulty) for name in PLANES if name in (kind, other)}
        shared = other is not None and rng.uniform() < difficulty.rivals
        rival = shared and is_plane
        kinds = (kind, other)
        if rival:
            kinds = tuple(drawn)[:: 1 if rng.uniform() < 0.5 else -1]
        body, swapped = drawn[kind], kinds[0] != kind
        bodies = tuple(drawn.get(name) for name in kinds)
    lead = bodies[0]
    stage = _set(kinds, bodies, is_plane, frame_size, duration_s, rng, difficulty, shared)
    view, motion, there = stage.view, stage.motion, stage.there
    around = surroundings.clutter(rng, difficulty.clutter, lead.radius, lead.extent)
    settings = draw_settings(scanner_rng, view, stage.depth_mm, motion.still.y, difficulty.noise_floor_db)
    grid = make_grid(view, settings)
    radius = max(part.radius for part in bodies if part is not None)
    far_mm = motion.still.y + radius * rng.uniform(0.9, 1.6)
    mother = surroundings.maternal_tissue(grid, rng, stage.wall_mm, far_mm, rng.uniform(0.2, 0.8))
    seen = [lead]
    if there is not None:  # drawn later lies on top: of two rivals either may
        seen.insert(int(rival and rng.uniform() < 0.5), placed(stage.second, there))
    solids = [*around, *(solid for part in seen for solid in part.solids)]
    frames = np.stack(list(film(grid, view, settings, session.look, mother, solids, motion, fps, rng)))
    intervals = label_clip(seen, motion, label if is_plane else None, rng)
    above = there is not None and (seen[-1] is lead) == swapped
    if swapped:
        motion, second = Carried(motion, there), placed(lead, there.inverse())
    else:
        second = None if there is None else placed(stage.second, there)
    plane = kind if kind in PLANES else None
    gaze = look_at(body, plane, fetus.trimester, motion, view, session.screen, session.bias_degree, rng)
    return Clip(frames, intervals, gaze, view, body, motion, kind, settings, second, above, rival)


@dataclasses.dataclass(frozen=True)
class _Stage:
    """Where things are: motion about the first body, the second one and its place in the first one's coordinates."""

    view: View
    motion: Motion
    wall_mm: float
    depth_mm: float
    second: Body | None = None
    there: Placement | None = None


def _set(kinds, bodies, is_plane: bool, frame_size, duration_s: float, rng, difficulty: Difficulty, shared: bool):
    """Lay out a scene, a `_Stage`; whatever its label, two bodies share the frame as often in the same way.

    Raises:
        RuntimeError: no layout was found; the bodies' numbers contradict each other.
    """
    lead, other = bodies
    rival = shared and is_plane
    for _ in range(_TRIES):
        laid = _arrange(kinds, bodies, frame_size, rng, shared)
        if laid is None:
            continue
        view, place, there, wall_mm, depth_mm = laid
        # A rival's plane must be gone too where the label says background, yet something of both still be there.
        clear_mm = 0.0
        if rival:
            clear_mm = max(1.3 * max(other.reach), min(difficulty.off_plane * max(other.reach), *lead.off_limit))
        motion = draw_motion(lead, place, is_plane, duration_s, rng, difficulty, clear_mm)
        found = None
        if other is not None:
            found = beside(lead, other, there, motion, rng, difficulty.plane_spread if rival else None)
        if found or other is None:
            return _Stage(view, motion, wall_mm, depth_mm, *(found or ()))
    raise RuntimeError(f"no layout found for {' beside '.join(str(name) for name in kinds[::-1] if name)}")


def _arrange(
    kinds: tuple[str, str | None], bodies: tuple[Body, Body | None], frame_size, rng, shared: bool
) -> tuple[View, Pose, Pose | None, float, float] | None:
    """Choose the zoom, the places of the body and of a second one, the wall's thickness and the depth; all in mm.

    None: at this zoom they don't fit. Two that share it get the frame's middle between them, and places drawn alike.
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
            there = Pose(place.x + dx, place.y + dy, _lie(kinds[1], rng))
        fits = _fits(kinds[0], body, place, view, shared)
        if fits and (not shared or _fits(kinds[1], second, there, view, shared)):
            wall_mm = max(8.0, y - radius * rng.uniform(0.75, 1.1) - rng.uniform(0, 15))
            return view, place, there, wall_mm, max(top + tall, y + 20) * rng.uniform(1.0, 1.06)
    return None


def _lie(kind: str, rng) -> float:
    """How a body is turned on the screen, radians."""
    if kind == "femur" or kind in PARTS:  # a long bone is only seen well when it lies across the beam
        return rng.uniform(-0.8, 0.8) + (np.pi if rng.uniform() < 0.5 else 0.0)
    if kind == "abdomen":  # with the spine towards the probe its shadow hides the rest: nobody keeps that
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
