"""Clips for the tests, simulated without their frames, which take nearly all the time."""

from __future__ import annotations

import contextlib
import dataclasses
from functools import cached_property

import numpy as np
import pytest

from phantom import PhantomConfig
from phantom.biometry import draw_fetus
from phantom.cast import CLASSES, PLANES
from phantom.clip import Clip, Session, simulate_clip
from phantom.difficulty import Difficulty, get_difficulty
from phantom.looks import LOOKS
from phantom.motion import Motion
from phantom.tracker import Screen, draw_bias

CLIP_S = 4.0  # as the phantom's
FRAME_SIZE = (112, 144)
SCREEN = Screen()
DEFAULT = get_difficulty("default")
SMALL = PhantomConfig(patients=3, seed=5, frame_size=(56, 72), fps=4.0, clip_s=1.5, workers=1)
PER_PLANE = 100  # and trimester


@dataclasses.dataclass(frozen=True)
class Sample:
    """A clip, the class that it was asked for and the fetus' trimester."""

    label: str
    trimester: int
    clip: Clip

    @cached_property
    def plane(self) -> str | None:
        """Whose landmarks are looked for; None in a part that no plane is made of."""
        return self.clip.kind if self.clip.kind in PLANES else None

    @cached_property
    def own_motion(self) -> Motion | None:
        """The motion, where it was sampled for the body that is held (of two rivals it may be the other one's)."""
        return self.clip.motion if isinstance(self.clip.motion, Motion) else None


@contextlib.contextmanager
def two_looks():
    """A preview has two of the scanner's looks, and half as many clips."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("phantom.preview.LOOKS", LOOKS[:2])
        yield


def simulate(label: str, seed: int, *, trimester: int | None = None, level: Difficulty = DEFAULT, **options) -> Sample:
    """A clip of this class; `options` of `simulate_clip`, by default a short form of the phantom's own."""
    rng = np.random.default_rng([seed, CLASSES.index(label), trimester or 0])
    fetus = draw_fetus(rng)
    while trimester and fetus.trimester != trimester:
        fetus = draw_fetus(rng)
    session = Session(LOOKS[seed % len(LOOKS)], draw_bias(rng), SCREEN)
    options = {"frame_size": FRAME_SIZE, "fps": 2.0, "duration_s": CLIP_S, "render": False, **options}
    return Sample(label, fetus.trimester, simulate_clip(fetus, label, session, rng, level, **options))
