"""One clip: a body, a motion, a scanner and an observer give frames, gaze and labels."""

from __future__ import annotations

import dataclasses

import numpy as np

from data.phantom import looks, surroundings
from data.phantom.abdomen import abdomen
from data.phantom.biometry import Fetus
from data.phantom.bodies import Body
from data.phantom.company import beside
from data.phantom.difficulty import Difficulty
from data.phantom.film import NARROWEST, Settings, draw_settings, film, make_grid
from data.phantom.head import head
from data.phantom.motion import Interval, Motion, draw_motion, label_clip
from data.phantom.probe import View
from data.phantom.section import Pose
from data.phantom.sonographer import look_at
from data.phantom.thigh import thigh
from data.phantom.tracker import Gaze, Screen

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
RIVALS = 0.6  # share of the seconds beside a plane that show their own plane


@dataclasses.dataclass(frozen=True)
class Clip:
    """A simulated clip.

    Attributes:
        frames: uint8 [n, H, W]. intervals: labelled stretches. gaze: on the screen.
        view: what the frames show, mm. body, motion: the truth behind it.
        kind: of the body, a plane's name (also where a background clip keeps off that plane) or one of `PARTS`.
        settings: of the scanner.
    """

    frames: np.ndarray
    intervals: list[Interval]
    gaze: Gaze
    view: View
    body: Body
    motion: Motion
    kind: str
    settings: Settings


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
    if kind in PLANES:
        body = PLANES[kind](fetus, rng, difficulty)
    else:
        kind = list(PARTS)[rng.integers(len(PARTS))]
        body = PARTS[kind](fetus, rng)
    second, side = None, float(rng.choice((-1, 1)))
    if body.defining and rng.uniform() < difficulty.company:
        other = str(rng.choice([name for name in PLANES if name != kind]))
        second = PLANES[other](fetus, rng, difficulty)
    view, place, wall_mm, depth_mm = _arrange(body, kind, frame_size, rng, second, side)
    motion = draw_motion(body, place, is_plane, duration_s, rng, difficulty)
    around = surroundings.clutter(rng, difficulty.clutter, body.radius, body.extent)
    settings = draw_settings(scanner_rng, view, depth_mm, motion.still.y, difficulty.noise_floor_db)
    grid = make_grid(view, settings)
    far_mm = motion.still.y + body.radius * rng.uniform(0.9, 1.6)
    mother = surroundings.maternal_tissue(grid, rng, wall_mm, far_mm, rng.uniform(0.2, 0.8))
    if second is not None:
        around += beside(body, second, motion, side, is_plane and rng.uniform() < RIVALS, rng)
    solids = [*around, *body.solids]
    frames = np.stack(list(film(grid, view, settings, session.look, mother, solids, motion, fps, rng)))
    gaze = look_at(
        body,
        kind if kind in PLANES else None,
        fetus.trimester,
        motion,
        view,
        session.screen,
        session.bias_degree,
        rng,
    )
    intervals = label_clip(body, motion, label if is_plane else None, rng)
    return Clip(frames, intervals, gaze, view, body, motion, kind, settings)


def _arrange(body, kind: str, frame_size, rng, second, side: float) -> tuple[View, Pose, float, float]:
    """Choose the zoom, the body's place, the wall's thickness and the depth; all in mm.

    A second body, if there is one, gets its room on the `side` (-1 or 1) of the frame.
    """
    height, width = frame_size
    mm_per_px = body.extent / (rng.uniform(0.36, 0.76) * width)
    if second is not None:
        mm_per_px = (body.extent + second.extent) / (rng.uniform(0.8, 1.05) * width)
    tall = height * mm_per_px
    y = max(rng.uniform(42, 75), 0.75 * body.radius + 14)
    top = max(y - tall * rng.uniform(0.34, 0.66), -4.0)
    left = -width * mm_per_px / 2 + rng.normal(0, 0.02) * width * mm_per_px
    view = View(left, top, mm_per_px, height, width)
    for _ in range(100):
        x = (rng.normal(0, 0.1) if second is None else -side * rng.uniform(0.05, 0.27)) * width * mm_per_px
        angle = rng.uniform(-np.pi, np.pi)
        if kind == "femur" or kind in PARTS:  # a long bone is only seen well when it lies across the beam
            angle = rng.uniform(-0.8, 0.8) + (np.pi if rng.uniform() < 0.5 else 0.0)
        elif kind == "abdomen":  # with the spine towards the probe its shadow hides the rest: nobody keeps that
            angle = -np.pi / 2 + rng.uniform(-2.4, 2.4)
        place = Pose(x, y, angle)
        if kind != "femur" or all(_in_view(place.to_probe(u, 0.0), view) for u in body.ends):
            break
    wall_mm = max(8.0, y - body.radius * rng.uniform(0.75, 1.1) - rng.uniform(0, 15))
    return view, place, wall_mm, max(top + tall, y + 20) * rng.uniform(1.0, 1.06)


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
