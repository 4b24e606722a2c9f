"""One clip: a body, a motion, a scanner and an observer give frames, gaze and labels."""

from __future__ import annotations

import dataclasses

import numpy as np

from data.phantom import bodies, looks, surroundings
from data.phantom.acoustics import Receiver, random_scatterers, to_decibels
from data.phantom.biometry import Fetus
from data.phantom.difficulty import Difficulty
from data.phantom.motion import Interval, Motion, draw_motion, label_clip
from data.phantom.probe import PolarGrid, Probe, ScanConverter, View
from data.phantom.shapes import Pose, Section, Solid
from data.phantom.sonographer import Gaze, Screen, look_at

CLASSES = ("abdomen", "femur", "head", "background")
PLANES = {"head": bodies.head, "abdomen": bodies.abdomen, "femur": bodies.thigh}
_LATTICE = 512


@dataclasses.dataclass(frozen=True)
class Clip:
    """A simulated clip.

    Attributes:
        frames: uint8 [n, H, W]. intervals: labelled stretches. gaze: on the screen.
        view: what the frames show, mm. body, motion: the truth behind it.
    """

    frames: np.ndarray
    intervals: list[Interval]
    gaze: Gaze
    view: View
    body: bodies.Body
    motion: Motion


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
    kind = label if is_plane else str(rng.choice(("head", "abdomen", "femur", "part"), p=(0.27, 0.27, 0.23, 0.23)))
    if kind in PLANES:
        body = PLANES[kind](fetus, rng, difficulty)
    else:
        part = (surroundings.long_spine, surroundings.lower_leg, surroundings.limbs)[rng.integers(3)]
        body = part(fetus, rng)
    view, place, wall_mm, depth_mm = _arrange(body, kind, frame_size, rng)
    motion = draw_motion(body, place, is_plane, duration_s, rng, difficulty)
    around = surroundings.clutter(rng, difficulty.clutter, body.radius, body.extent)
    frames = _film(body, around, motion, view, wall_mm, depth_mm, session.look, rng, difficulty, fps)
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
    return Clip(frames, intervals, gaze, view, body, motion)


def _arrange(body, kind: str, frame_size, rng) -> tuple[View, Pose, float, float]:
    """Choose the zoom, the body's place, the wall's thickness and the depth; all in mm."""
    height, width = frame_size
    mm_per_px = body.extent / (rng.uniform(0.36, 0.76) * width)
    tall = height * mm_per_px
    y = max(rng.uniform(42, 75), 0.75 * body.radius + 14)
    top = max(y - tall * rng.uniform(0.34, 0.66), -4.0)
    x = rng.normal(0, 0.1) * width * mm_per_px
    view = View(-width * mm_per_px / 2 + rng.normal(0, 0.02) * width * mm_per_px, top, mm_per_px, height, width)
    angle = rng.uniform(-np.pi, np.pi)
    if kind in ("femur", "part"):  # a long bone is only seen well when it lies across the beam
        angle = rng.uniform(-0.8, 0.8) + (np.pi if rng.uniform() < 0.5 else 0.0)
    elif kind == "abdomen":  # with the spine towards the probe its shadow hides the rest: nobody keeps that
        angle = -np.pi / 2 + rng.uniform(-2.4, 2.4)
    wall_mm = max(8.0, y - body.radius * rng.uniform(0.75, 1.1) - rng.uniform(0, 15))
    return view, Pose(x, y, angle), wall_mm, max(top + tall, y + 20) * rng.uniform(1.0, 1.06)


def _film(body, around: list[Solid], motion, view, wall_mm, depth_mm, look, rng, difficulty, fps) -> np.ndarray:
    """All frames of the clip, uint8 [n, H, W]."""
    probe = Probe(
        frequency_mhz=3.57 * rng.uniform(0.85, 1.2),
        radius_mm=49.57 * rng.uniform(0.9, 1.15),
        angle=np.deg2rad(rng.uniform(60, 76)),
        focus_mm=motion.still.y * rng.uniform(0.8, 1.2),
    )
    samples = int(np.clip(depth_mm / view.mm_per_px * 2.2, 128, 1024))
    grid = PolarGrid(probe, depth_mm, samples, int(1.1 * view.width))
    receiver = Receiver(grid, look.speckle_size, difficulty.noise_floor_db + rng.uniform(-4, 4))
    convert = ScanConverter(grid, view)
    mother = surroundings.maternal_tissue(
        grid, rng, wall_mm, motion.still.y + body.radius * rng.uniform(0.9, 1.6), rng.uniform(0.2, 0.8)
    )
    lattice = _Lattice(grid, rng)
    tgc_db = _time_gain(grid, rng)
    count = round(motion.duration_s * fps)
    levels = []
    for index in range(count):
        pose = motion.pose(index / fps)
        tissue = mother.copy()
        section = Section(grid, tissue, pose)
        for solid in (*around, *body.solids):
            solid.draw(section)
        scatterers = lattice.at(section, pose.elevation)
        tissue.specular *= np.float32(0.45) + np.float32(0.6) * np.abs(scatterers)  # no wall is smooth
        envelope = receiver.envelope(tissue, scatterers, rng)
        levels.append(to_decibels(envelope) + tgc_db)
    shown = convert.weight()
    pick = np.flatnonzero(shown)[:: max(1, int(np.count_nonzero(shown)) // 3000)]
    sample = np.concatenate([levels[i].ravel()[pick] for i in (0, count // 2, count - 1)])
    gain = looks.auto_gain_db(sample, np.tile(shown[pick], 3), look, rng.uniform(0.17, 0.34))
    marks = looks.draw_marks(rng, view)
    frames, last = [], None
    for level in levels:
        frame = convert(looks.grey_curve(level + np.float32(gain), look))
        last = frame if last is None else look.persistence * last + (1 - look.persistence) * frame
        frames.append(looks.finish(last, convert.sector, look, marks))
    return np.stack(frames)


class _Lattice:
    """Scatterers that move with the body, so that its speckle does.

    Two independent sheets of them are mixed by the elevation: the speckle changes
    as the plane moves across the body, as over the beam's thickness.
    """

    _THICKNESS_MM = 2.5

    def __init__(self, grid: PolarGrid, rng: np.random.Generator):
        self._pitch = np.float32(0.8 * grid.step)
        sheets = random_scatterers(rng, (2, _LATTICE, _LATTICE))
        # Uneven density, K-distributed: a gamma-modulated field, of unit power.
        shape = rng.uniform(3, 15)
        coarse = rng.gamma(shape, 1 / shape, (_LATTICE // 4, _LATTICE // 4)).astype(np.float32)
        sheets *= np.sqrt(np.kron(coarse, np.ones((4, 4), np.float32)))
        # Both sheets side by side, as one 16-byte element: one look-up in memory, not two.
        self._sheets = np.ascontiguousarray(np.moveaxis(sheets, 0, -1)).view(np.complex128).ravel()

    def at(self, section: Section, elevation: float) -> np.ndarray:
        u = np.floor(section.u / self._pitch).astype(np.int32) & (_LATTICE - 1)
        v = np.floor(section.v / self._pitch).astype(np.int32) & (_LATTICE - 1)
        index = u * _LATTICE + v
        phase = elevation / self._THICKNESS_MM
        pair = self._sheets[index].view(np.complex64).reshape(*index.shape, 2)
        return np.float32(np.cos(phase)) * pair[..., 0] + np.float32(np.sin(phase)) * pair[..., 1]


def _time_gain(grid: PolarGrid, rng: np.random.Generator) -> np.ndarray:
    """Time-gain compensation with the user's error: dB at each depth, float32 [n, 1]."""
    ideal = 2 * 0.5 * grid.probe.frequency_mhz * grid.depth / 10
    knots = np.linspace(0, grid.depth[-1], 6)
    error = np.interp(grid.depth, knots, rng.normal(0, 2.0, 6))
    return (ideal + error).astype(np.float32)[:, None]
