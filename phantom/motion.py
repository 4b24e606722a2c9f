"""How the probe moves in a clip: it approaches a plane, holds it, and leaves.

Labels follow the anatomy: the plane's name where the cut shows its defining
landmarks, background where it shows none of them, and nothing in between, where
no two observers would agree.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from phantom.bodies import Body, nothing_shown, thicker
from phantom.difficulty import Difficulty
from phantom.shapes import Pose

BACKGROUND = "background"
# Shares of a clip. Four classes of equal length: 3 planes hold HOLD each; background
# gets EDGES from the ends of each plane clip, and the rest from the background clip.
HOLD = 0.6
EDGES = 0.1
DECOY = HOLD - 3 * EDGES
BREATHS_HZ = (0.2, 0.3)  # 12 to 18 a minute
TREMOR_MM = 0.1
# The uterus goes up and down under the probe, a little aside and hardly out of the plane.
_BREATH_ASIDE, _BREATH_ACROSS = 0.3, 0.08


Wave = tuple[float, float, float]  # amplitude in mm, frequency in Hz, phase


@dataclasses.dataclass(frozen=True)
class Motion:
    """A pose for every time of a clip.

    Attributes:
        still: the pose that is held. start_s, end_s: of the hold.
        before, after: (elevation mm, tilt along u) added at the clip's first and last moment.
        shift_mm, turn: in-plane motion over the clip.
        tremor: of the hand: for x, y and elevation some waves each.
        breath: the mother's breathing, a wave: mostly along the depth.
        duration_s: of the clip.
    """

    still: Pose
    start_s: float
    end_s: float
    before: tuple[float, float]
    after: tuple[float, float]
    shift_mm: tuple[float, float]
    turn: float
    tremor: tuple[tuple[Wave, ...], ...]
    breath: Wave
    duration_s: float

    def pose(self, time_s: float) -> Pose:
        elevation = tilt = 0.0
        if time_s < self.start_s:
            share = _ease((self.start_s - time_s) / self.start_s)
            elevation, tilt = share * self.before[0], share * self.before[1]
        elif time_s > self.end_s:
            share = _ease((time_s - self.end_s) / (self.duration_s - self.end_s))
            elevation, tilt = share * self.after[0], share * self.after[1]
        drift = time_s / self.duration_s - 0.5
        breath = _wave(self.breath, time_s)
        shake = [sum(_wave(wave, time_s) for wave in waves) for waves in self.tremor]
        return Pose(
            self.still.x + drift * self.shift_mm[0] + shake[0] + _BREATH_ASIDE * breath,
            self.still.y + drift * self.shift_mm[1] + shake[1] + breath,
            self.still.angle + drift * self.turn,
            self.still.elevation + elevation + shake[2] + _BREATH_ACROSS * breath,
            self.still.tilt_u + tilt,
            self.still.tilt_v,
        )

    def path(self, time_s: np.ndarray | Sequence[float], u: float, v: float) -> tuple[np.ndarray, np.ndarray]:
        """Where a place in the body is at many times: x and y, mm, [n]; what `pose` says, at once."""
        drift = np.asarray(time_s) / self.duration_s - 0.5
        breath = _waves((self.breath,), time_s)
        x = self.still.x + drift * self.shift_mm[0] + _waves(self.tremor[0], time_s) + _BREATH_ASIDE * breath
        y = self.still.y + drift * self.shift_mm[1] + _waves(self.tremor[1], time_s) + breath
        angle = self.still.angle + drift * self.turn
        c, s = np.cos(angle), np.sin(angle)
        return x + c * u - s * v, y + s * u + c * v


@dataclasses.dataclass(frozen=True)
class Interval:
    """A labelled stretch of a clip, s."""

    start_s: float
    end_s: float
    label: str


def draw_motion(
    body: Body,
    place: Pose,
    is_plane: bool,
    duration_s: float,
    rng: np.random.Generator,
    difficulty: Difficulty,
    clear_mm: float = 0.0,
) -> Motion:
    """Draw a motion whose hold is the plane, or stays clear of it.

    Args:
        body: what is looked at. place: where it lies (elevation and tilt are drawn here).
        is_plane: hold the standard plane; otherwise keep off it.
        clear_mm: by how much approach and departure are off the plane at least.

    Raises:
        RuntimeError: no such motion was found; a body's numbers contradict each other.
    """
    # Tremor is fast: a background clip must stay clear of the plane at every moment of it.
    times = np.linspace(0, duration_s, 26) if is_plane else moments(duration_s)
    seen = body if is_plane else thicker(body, TREMOR_MM)
    for _ in range(400):
        motion = _draw(body, place, is_plane, duration_s, rng, difficulty, clear_mm)
        if not body.defining:
            return motion
        if is_plane:
            held = [t for t in times if motion.start_s <= t <= motion.end_s]
            if any(seen.shown(motion.pose(t))[0] < body.held for t in held):
                continue
            gone = sum(seen.shown(motion.pose(t))[1] <= body.gone for t in times if t not in held)
            if gone >= EDGES * len(times):
                return motion
        elif all(seen.shown(motion.pose(t))[1] <= body.gone for t in times):
            return motion
    raise RuntimeError(f"no motion found for {body.defining} (plane: {is_plane})")


def moments(duration_s: float) -> np.ndarray:
    """Times between which tremor moves the scan plane by less than `TREMOR_MM`, s: for what must show no plane."""
    return np.linspace(0, duration_s, 26 + int(35 * duration_s))


def label_clip(bodies: Sequence[Body], motion: Motion, plane: str | None, rng: np.random.Generator) -> list[Interval]:
    """The labelled stretches of a clip, in order.

    Args:
        bodies: that may show a plane; background is where none does.
        plane: the class that the hold shows; None for a background clip.
    """
    duration = motion.duration_s
    if plane is None:
        length = DECOY * duration * rng.uniform(0.9, 1.1)
        start = rng.uniform(0, duration - length)
        return [Interval(start, start + length, BACKGROUND)]
    length = HOLD * duration
    intervals = [Interval(motion.start_s, motion.start_s + length, plane)]
    step = duration / 200
    times = np.arange(0, duration + step / 2, step)
    # The stretches at both ends of the clip that show none of the landmarks throughout.
    leading = _clear(bodies, motion, times)
    trailing = _clear(bodies, motion, times[::-1])
    before = min(times[max(leading - 1, 0)], motion.start_s)
    after = max(times[min(len(times) - trailing, len(times) - 1)], motion.end_s)
    space = np.array([before, duration - after])
    wanted = space * min(1.0, EDGES * duration / max(space.sum(), step))
    enough = space >= EDGES * duration
    if enough.any():  # in one piece: two short ones would often fall between two frames
        side = rng.choice(2, p=enough * space / np.sum(enough * space))
        wanted = np.where(np.arange(2) == side, EDGES * duration, 0.0)
    # Anywhere in those stretches: neither always next to the plane nor always at the clip's ends.
    if wanted[0] > 2 * step:
        start = rng.uniform(0, space[0] - wanted[0])
        intervals.insert(0, Interval(start, start + wanted[0], BACKGROUND))
    if wanted[1] > 2 * step:
        start = rng.uniform(after, duration - wanted[1])
        intervals.append(Interval(start, start + wanted[1], BACKGROUND))
    return intervals


def _clear(bodies: Sequence[Body], motion: Motion, times: np.ndarray) -> int:
    """How many of these moments, from the first on, show none of the planes."""
    shown = (number for number, time in enumerate(times) if not nothing_shown(bodies, motion.pose(time)))
    return next(shown, len(times))


def _draw(
    body: Body,
    place: Pose,
    is_plane: bool,
    duration_s: float,
    rng: np.random.Generator,
    difficulty: Difficulty,
    clear_mm: float,
) -> Motion:
    free = (1 - HOLD) * duration_s
    # Mostly an approach, mostly a departure, or some of both.
    start = free * float(rng.choice((rng.uniform(0.02, 0.2), rng.uniform(0.2, 0.8), rng.uniform(0.8, 0.98))))
    sides = rng.integers(2, size=2)
    tilted = body.tilt > 0 and not clear_mm and rng.uniform() < 0.6

    def off(side: int) -> tuple[float, float]:
        """A step off the plane: by elevation, or by tilt where the body has one."""
        sign = (-1, 1)[side]
        if tilted:
            return 0.0, sign * body.tilt * difficulty.off_plane * rng.uniform(1.0, 2.2)
        near = max(body.reach[side] * difficulty.off_plane, clear_mm)
        return sign * rng.uniform(near, max(1.25 * near, body.off_limit[side])), 0.0

    if is_plane:
        spread = difficulty.plane_spread * rng.uniform(-1, 1)
        elevation = spread * min(body.reach)
        still = dataclasses.replace(place, elevation=elevation, tilt_u=0.4 * body.tilt * rng.uniform(-1, 1))
        before, after = off(sides[0]), off(sides[1])
    else:
        elevation, tilt = off(sides[0])
        tilt_v = 0.0 if tilted else float(rng.normal(0, 0.12))
        still = dataclasses.replace(
            place, elevation=elevation, tilt_u=tilt or float(rng.normal(0, 0.12)), tilt_v=tilt_v
        )
        slide = np.sign(elevation) * 0.5 * body.reach[sides[0]]
        before, after = (slide * rng.uniform(), 0.0), (slide * rng.uniform(), 0.0)
    tremor = np.empty((3, 2, 3))
    tremor[:, 0, 0], tremor[:, 0, 1] = rng.uniform(0.1, 0.6, 3) * (1, 1, 0.5), rng.uniform(0.3, 1.5, 3)
    tremor[:, 1, 0], tremor[:, 1, 1] = rng.uniform(0.02, 0.12, 3) * (1, 1, 0.5), rng.uniform(6, 10, 3)
    tremor[:, :, 2] = rng.uniform(0, 2 * np.pi, (3, 2))
    breath = rng.uniform(0.8, 2.2), rng.uniform(*BREATHS_HZ), rng.uniform(0, 2 * np.pi)
    return Motion(
        still,
        start,
        start + HOLD * duration_s,
        before,
        after,
        tuple(rng.normal(0, 2.0, 2)),
        float(rng.normal(0, 0.06)),
        tuple(tuple((size, rate, phase) for size, rate, phase in waves) for waves in tremor.tolist()),
        breath,
        duration_s,
    )


def _ease(share: float) -> float:
    """A smooth way from 0 at 0 to 1 at 1 that sets out fast and comes to rest."""
    return float(np.sin(np.pi / 2 * min(max(share, 0.0), 1.0)))


def _wave(wave: Wave, time_s: float) -> float:
    size, rate, phase = wave
    return size * math.sin(2 * math.pi * rate * time_s + phase)


def _waves(waves: Sequence[Wave], time_s: np.ndarray | Sequence[float]) -> np.ndarray:
    size, rate, phase = np.array(waves).T
    return size @ np.sin(2 * np.pi * rate[:, None] * np.asarray(time_s) + phase[:, None])
