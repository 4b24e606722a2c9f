"""Where the sonographer looks: fixations, saccades, pursuit, glances off the image.

Fixations lie on the landmarks of each plane, as often as published (`landmarks`), and their
dwell times are log-normal. Between them the eye makes saccades; within them it follows the
landmark, which moves with the probe. Where the plane is not shown the observer searches: a
few looks go to where the landmark should be, most to other places in the body that are as
central and as far apart (the landmarks' layout, turned about the body's middle). The gaze of
background is thus distributed like that of the planes; it differs only in what lies under it.

Dwell times and the speed of saccades are common values for the viewing of scenes: median
280 ms with a spread of 0.45 in the logarithm, 100 to 1200 ms; 21 ms + 2.2 ms a degree.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from phantom.bodies import Body
from phantom.company import Carried
from phantom.landmarks import Target, draw_targets, look_around
from phantom.motion import Motion
from phantom.probe import View
from phantom.tracker import Gaze, Screen, record_gaze, sample_times

DWELL_S, DWELL_SPREAD, DWELL_RANGE_S = 0.28, 0.45, (0.1, 1.2)
BESIDE = (0.02, 0.07)  # share of the fixations that are glances off the image, drawn for each clip
_AROUND_S = 0.3  # of gaze before and after the clip
_LANDING_MM = 1.0
_ASTRAY = 0.8  # share of the looks of a search that are not where the landmark should be: ours
_TURNED = np.deg2rad((50.0, 130.0))  # by how much they are turned away from it
_SEARCH_WEIGHT = 0.5  # of a look about, as of other places
_TURN_S = 0.36  # a dwell and the way to it, on average


@dataclasses.dataclass(frozen=True)
class Fixation:
    """One dwell of the eye: when, on what ("beside" = off the image), and where in the body, mm."""

    start_s: float
    end_s: float
    name: str
    place: tuple[float, float] | None


@dataclasses.dataclass(frozen=True)
class ScanPath:
    """Where the eye really looks: px of the screen at each time, [n, 2], and its fixations."""

    pixels: np.ndarray
    fixations: tuple[Fixation, ...]


def look_at(
    body: Body,
    plane: str | None,
    trimester: int,
    motion: Motion | Carried,
    view: View,
    screen: Screen,
    bias_degree: np.ndarray,
    rng: np.random.Generator,
) -> tuple[ScanPath, Gaze]:
    """Simulate where the eye looks over one clip and what the tracker records.

    From a little before the clip to a little after it.

    Args:
        body: what is on the screen. plane: which landmarks are looked for, None = no plane's.
        trimester: 2 or 3. motion, view, screen: bring a landmark to the screen.
        bias_degree: the calibration's error when the clip begins, [2], degrees.

    Returns:
        The scan path at the times of the recorded gaze, and that gaze.
    """
    time_s = sample_times(-_AROUND_S, motion.duration_s + _AROUND_S, rng)
    path = scan_path(body, plane, trimester, motion, view, screen, time_s, rng)
    return path, record_gaze(time_s, path.pixels, screen, bias_degree, rng)


def scan_path(
    body: Body,
    plane: str | None,
    trimester: int,
    motion: Motion | Carried,
    view: View,
    screen: Screen,
    time_s: np.ndarray,
    rng: np.random.Generator,
) -> ScanPath:
    """Simulate where the eye looks, without the tracker's errors.

    Every landmark that the observer looks for is fixated in the time in which the
    probe is held, if that is long enough for all of them; so a share of inclusion is
    that of the draw. Other arguments as in `look_at`.

    Args:
        time_s: at which the path is wanted, [n], ascending.
    """
    observer = _Observer(body, draw_targets(body, plane, trimester, rng), motion, rng)
    follow = _Screened(motion, view, screen)
    pixels = np.empty((len(time_s), 2))
    fixations: list[Fixation] = []
    now, eye = time_s[0], None
    while now < time_s[-1]:
        name, place = observer.choose(now)
        where = _still(_beside(screen, rng)) if place is None else functools.partial(follow, place)
        dwell = float(np.clip(rng.lognormal(np.log(DWELL_S), DWELL_SPREAD), *DWELL_RANGE_S))
        landing = now
        if eye is None:
            dwell *= rng.uniform()  # the gaze's record begins anywhere in a fixation
        else:
            landing = now + saccade_s(float(np.hypot(*(where([now])[0] - eye))) / screen.px_per_degree)
            moving = (time_s >= now) & (time_s < landing)
            share = ((time_s[moving] - now) / (landing - now))[:, None]
            pixels[moving] = eye + share**2 * (3 - 2 * share) * (where([landing])[0] - eye)
        now = landing + dwell
        within = (time_s >= landing) & (time_s < now)
        pixels[within], eye = where(time_s[within]), where([now])[0]
        fixations.append(Fixation(float(landing), float(now), name, place))
        observer.saw(fixations[-1])
    return ScanPath(pixels, tuple(fixations))


def saccade_s(amplitude_degree: float) -> float:
    """How long the eye takes to jump that far, s."""
    return 0.021 + 0.0022 * amplitude_degree


class _Observer:
    """Decides what is looked at next: what is due, else a glance off the image, else by weight."""

    def __init__(self, body: Body, targets: list[Target], motion: Motion | Carried, rng: np.random.Generator) -> None:
        self._body, self._targets, self._motion, self._rng = body, targets, motion, rng
        self._beside_share = rng.uniform(*BESIDE)
        self._last: int | None = None
        self._turn = rng.choice((-1, 1)) * rng.uniform(*_TURNED)
        # When each target's first look is due: spread over the hold, and done before it ends.
        order = rng.permutation(len(targets))
        times = np.sort(rng.uniform(motion.start_s, motion.end_s - _TURN_S, len(targets)))
        self._due = dict(zip(order.tolist(), times.tolist()))

    def choose(self, now_s: float) -> tuple[str, tuple[float, float] | None]:
        """Name and place (u, v) in the body, mm, of the next fixation; no place = off the image."""
        index = self._overdue(now_s)
        if index is None and self._rng.uniform() < self._beside_share:
            return "beside", None
        self._last = self._weighted(now_s) if index is None else index
        # One past the targets is the look about of whoever searches.
        target = self._targets[self._last] if self._last < len(self._targets) else Target("other", 1.0)
        place = target.place or look_around(self._body, target.name, self._rng)
        if target.place and self._body.defining and self._searches(now_s) and self._rng.uniform() < _ASTRAY:
            c, s = np.cos(self._turn), np.sin(self._turn)
            return "search", (c * place[0] - s * place[1], s * place[0] + c * place[1])
        return target.name, tuple(np.asarray(place) + self._rng.normal(0, _LANDING_MM, 2))

    def saw(self, fixation: Fixation) -> None:
        """A look counts if it begins while the probe is held, and long enough before the end."""
        counted = self._motion.start_s <= fixation.start_s <= self._motion.end_s - DWELL_RANGE_S[0]
        if fixation.place is not None and counted:
            self._due.pop(self._last, None)

    def _overdue(self, now_s: float) -> int | None:
        """The target whose first look can wait no longer; None if all can."""
        if not self._due or now_s >= self._motion.end_s:
            return None
        if now_s > self._motion.end_s - (len(self._due) + 1) * _TURN_S:  # hurry: the main things first
            return min(self._due, key=lambda index: (-self._targets[index].weight, self._due[index]))
        index = min(self._due, key=self._due.__getitem__)
        return index if self._due[index] <= now_s else None

    def _searches(self, now_s: float) -> bool:
        """Nothing of what makes the plane is there yet, or any more."""
        return self._body.shown(self._motion.pose(now_s))[1] <= self._body.gone

    def _weighted(self, now_s: float) -> int:
        """The next target by weight, another one than the last if there is one."""
        weights = np.array([target.weight for target in self._targets] + [0.0])
        if self._searches(now_s):
            weights[-1] = _SEARCH_WEIGHT
        if self._last is not None and np.count_nonzero(weights) > 1:
            weights[self._last] = 0.0
        return int(self._rng.choice(len(weights), p=weights / weights.sum()))


class _Screened:
    """Places in the body, at any times, on the screen."""

    def __init__(self, motion: Motion | Carried, view: View, screen: Screen) -> None:
        self._motion, self._view, self._box = motion, view, screen.box

    def __call__(self, place: tuple[float, float], time_s: np.ndarray | Sequence[float]) -> np.ndarray:
        """Pixels [n, 2] of one place at n times."""
        left, top, width, height = self._box
        x, y = self._view.to_frame(*self._motion.path(time_s, *place))
        return np.stack([left + x * width, top + y * height], axis=1)


def _still(spot: np.ndarray) -> Callable[[Sequence[float]], np.ndarray]:
    """A place of the screen that does not move: pixels [n, 2] at n times."""
    return lambda time_s: np.tile(spot, (len(time_s), 1))


def _beside(screen: Screen, rng: np.random.Generator) -> np.ndarray:
    """A glance off the image, px: at the measurements, the probe's settings, the clock."""
    left, top, width, height = screen.box
    sides = (
        (rng.uniform(10, left - 20), rng.uniform(0, screen.height)),
        (rng.uniform(left + width + 20, screen.width - 10), rng.uniform(0, screen.height)),
        (rng.uniform(0, screen.width), rng.uniform(top + height + 20, screen.height + 60)),
    )
    return np.array(sides[rng.integers(3)])
