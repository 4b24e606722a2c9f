"""Where the sonographer looks, and what the eye tracker makes of it.

Fixations on the landmarks of each plane with the probabilities that the PULSE
study measured (UOG 2020, VP40.20; see the data card), dwell times log-normal, the
eye following a landmark that moves. Whoever searches looks where the landmark
should be, or at what is there: so the gaze of background clips is like that of the
planes, and where one looks does not say what one sees.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data.phantom.bodies import Body
from data.phantom.motion import Motion
from data.phantom.probe import View
from data.phantom.shapes import Rod

RATE_HZ = 90.0
# Share of acquisitions in which a landmark is fixated, 2nd and 3rd trimester.
INCLUSION = {
    "head": {
        "cavum": (0.971, 0.986),
        "lateral ventricle": (0.913, 0.427),
        "midline": (0.380, 0.657),
        "skull": (0.165, 0.274),
        "other": (0.525, 0.746),
    },
    "abdomen": {
        "umbilical vein": (0.914, 0.980),
        "stomach": (0.902, 0.891),
        "spine": (0.270, 0.249),
        "aorta": (0.168, 0.225),
        "rib": (0.179, 0.179),
        "other": (0.331, 0.463),
    },
    "femur": {"femur end": (0.890, 0.947), "femur": (0.848, 0.730), "other": (0.30, 0.30)},
}


@dataclasses.dataclass(frozen=True)
class Screen:
    """The screen and the place of the ultrasound image on it, pixels."""

    width: int = 1920
    height: int = 1080
    box: tuple[int, int, int, int] = (456, 120, 1008, 784)  # x, y, width, height
    px_per_degree: float = 50.9  # a 24-inch screen at about 80 cm


@dataclasses.dataclass(frozen=True)
class Gaze:
    """Samples of one clip: s from the video's first frame, and normalised to the screen."""

    time_s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    valid: np.ndarray


def look_at(
    body: Body,
    plane: str | None,
    trimester: int,
    motion: Motion,
    view: View,
    screen: Screen,
    bias_degree: np.ndarray,
    rng: np.random.Generator,
) -> Gaze:
    """Simulate the gaze over one clip, from a little before it to a little after.

    Args:
        body: what is on the screen. plane: which landmarks are looked for, None = no plane's.
        trimester: 2 or 3. motion, view, screen: bring a landmark to the screen.
        bias_degree: the session's calibration error, [2], degrees of visual angle.
    """
    time_s = np.arange(-0.3, motion.duration_s + 0.3, 1 / RATE_HZ)
    time_s = time_s + rng.normal(0, 2e-4, time_s.shape)  # a tracker's clock is not quite even
    pixels = _scan_path(_targets(body, plane, trimester, rng), motion, view, screen, time_s, rng)
    noise_degree = bias_degree + rng.normal(0, 0.16, pixels.shape)
    pixels = pixels + noise_degree * screen.px_per_degree
    valid = ~_lost(time_s, rng)
    return Gaze(time_s, pixels[:, 0] / screen.width, pixels[:, 1] / screen.height, valid)


def draw_bias(rng: np.random.Generator) -> np.ndarray:
    """A session's calibration error, degrees, [2]: its median radius is 1.00 degree."""
    return rng.normal(0, 0.85, 2)


def _targets(body: Body, plane: str | None, trimester: int, rng: np.random.Generator) -> list[tuple[str, tuple]]:
    """Places in the body that this clip's observer looks for, with a name for each."""
    if plane is None:
        chosen = [s for s in body.solids if s.name and rng.uniform() < 0.5]
        rng.shuffle(chosen)
        places = [(s.name, (s.u, s.v)) for s in chosen[:4]]
        return [*places, ("other", _inside(body, rng))]
    places = []
    for name, shares in INCLUSION[plane].items():
        if rng.uniform() > shares[trimester - 2]:
            continue
        if name == "other":
            places.append((name, _inside(body, rng)))
        elif name == "femur end":
            rod = next(s for s in body.solids if s.name == "femur" and isinstance(s, Rod))
            ends = [-0.47 * rod.length, 0.47 * rod.length]
            rng.shuffle(ends)
            both = rng.uniform() < 0.82
            places += [(name, rod.at(end)) for end in ends[: 2 if both else 1]]
        elif name == "skull":
            turn = rng.uniform(0, 2 * np.pi)
            bone = next(s for s in body.solids if s.name == "skull")
            places.append((name, (bone.a * np.cos(turn), bone.b * np.sin(turn))))
        else:
            solids = [s for s in body.solids if s.name == name]
            solid = solids[rng.integers(len(solids))]
            places.append((name, (solid.u, solid.v)))
    return places or [("other", _inside(body, rng))]


def _inside(body: Body, rng: np.random.Generator) -> tuple[float, float]:
    turn, far = rng.uniform(0, 2 * np.pi), 0.75 * body.radius * rng.uniform() ** 0.5
    return far * np.cos(turn), 0.6 * far * np.sin(turn)


def _scan_path(targets, motion: Motion, view: View, screen: Screen, time_s, rng) -> np.ndarray:
    """Gaze on the screen without the tracker's errors, px, [n, 2]."""
    weights = np.array([0.5 if name in ("other", "rib", "aorta", "spine", "skull") else 1.0 for name, _ in targets])
    path = np.empty((len(time_s), 2))
    follow = [motion.pose(t) for t in time_s]
    now, last, previous = time_s[0], -1, None
    while now < time_s[-1]:
        share = weights.copy()
        if last >= 0 and len(targets) > 1:
            share[last] *= 0.3
        last = int(rng.choice(len(targets), p=share / share.sum()))
        dwell = float(np.clip(rng.lognormal(np.log(0.28), 0.45), 0.1, 1.2))
        within = (time_s >= now) & (time_s < now + dwell)
        if rng.uniform() < 0.04:
            path[within] = spot = _beside(screen, rng)
        else:
            u, v = np.asarray(targets[last][1]) + rng.normal(0, 1.0, 2)
            on_screen = np.array(
                [_to_screen(pose, u, v, view, screen) for pose in (follow[i] for i in np.flatnonzero(within))]
            )
            path[within] = on_screen
            spot = on_screen[-1] if len(on_screen) else previous
        if previous is not None and spot is not None:
            now = _saccade(path, time_s, now, previous, path[within][0] if within.any() else spot, screen)
        previous = spot
        now += dwell
    return path


def _saccade(path, time_s, start_s: float, origin, target, screen: Screen) -> float:
    """Replace the first moments of a fixation by the way there; the fixation's own length is kept."""
    amplitude = float(np.hypot(*(np.asarray(target) - origin))) / screen.px_per_degree
    duration = 0.021 + 0.0022 * amplitude
    moving = (time_s >= start_s) & (time_s < start_s + duration)
    share = ((time_s[moving] - start_s) / duration)[:, None]
    path[moving] = origin + (share**2 * (3 - 2 * share)) * (np.asarray(target) - origin)
    return start_s


def _to_screen(pose, u: float, v: float, view: View, screen: Screen) -> np.ndarray:
    x, y = view.to_frame(*pose.to_probe(u, v))
    return np.array([screen.box[0] + x * screen.box[2], screen.box[1] + y * screen.box[3]])


def _beside(screen: Screen, rng: np.random.Generator) -> np.ndarray:
    """A glance beside the image: at the measurements, the probe's settings, the clock."""
    left, top, width, height = screen.box
    sides = (
        (rng.uniform(10, left - 20), rng.uniform(0, screen.height)),
        (rng.uniform(left + width + 20, screen.width - 10), rng.uniform(0, screen.height)),
        (rng.uniform(0, screen.width), rng.uniform(top + height + 20, screen.height + 60)),
    )
    return np.array(sides[rng.integers(3)])


def _lost(time_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Samples without gaze: blinks of 100 to 300 ms every 4 s or so, and 2 to 5 % at random."""
    lost = rng.uniform(size=len(time_s)) < rng.uniform(0.02, 0.05)
    blink = time_s[0] + rng.exponential(4.0)
    while blink < time_s[-1]:
        length = rng.uniform(0.1, 0.3)
        lost |= (time_s >= blink) & (time_s < blink + length)
        blink += length + rng.exponential(4.0)
    return lost
