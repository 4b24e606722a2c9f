"""The phantom's scanner: what its screen makes of the echo, and that it needs no more memory for longer clips."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

from phantom import looks
from phantom.acoustics import Tissue
from phantom.film import draw_settings, film, make_grid
from phantom.motion import Motion
from phantom.probe import View
from phantom.section import Pose
from phantom.shapes import Ellipsoid

STILL = ((((0.0, 0.0, 0.0),),) * 3, (0.0, 0.25, 0.0))
VIEW = View(-50, 5, 1.2, 72, 90)


def shoot(duration_s: float, look: looks.Look = looks.LOOKS[0], seed: int = 0):
    motion = Motion(Pose(0, 55, 0), 0.1, duration_s, (0, 0), (0, 0), (0, 0), 0.0, *STILL, duration_s)
    settings = draw_settings(np.random.default_rng(seed), VIEW, 95, 60, -55)
    grid = make_grid(VIEW, settings)
    solids = [Ellipsoid(0, 0, 0, 18, 14, 30, echo_db=-60, attenuation=0.1, wall_db=19)]
    return film(grid, VIEW, settings, look, Tissue.filled(grid), solids, motion, 10.0, np.random.default_rng(seed))


def test_a_long_clip_is_made_in_the_memory_of_a_short_one():
    peaks = []
    for duration_s in (0.5, 6.0):
        tracemalloc.start()
        for _ in shoot(duration_s):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


def test_the_same_seed_gives_the_same_frames_and_another_gives_others():
    first, again, other = (np.stack(list(shoot(0.4, seed=seed))) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.3


@pytest.mark.parametrize("look", looks.LOOKS)
def test_fluid_is_dark_and_a_wall_bright_in_every_look(look):
    frame = list(shoot(0.5, look))[-1].astype(float)
    row, column = int((55 - VIEW.top_mm) / VIEW.mm_per_px), int(-VIEW.left_mm / VIEW.mm_per_px)
    fluid = frame[row - 4 : row + 4, column - 6 : column + 6]
    tissue = frame[row - 4 : row + 4, column + 22 : column + 30]
    wall = frame[row - 14 : row - 9, column - 2 : column + 2]
    assert fluid.mean() < 0.45 * tissue.mean() and wall.max() > 1.5 * tissue.mean()


def test_there_are_two_to_four_vendors_that_differ():
    assert 2 <= len(looks.LOOKS) <= 4
    frames = [list(shoot(0.3, look))[-1].astype(float) for look in looks.LOOKS]
    for i, first in enumerate(frames):
        for second in frames[:i]:
            assert np.abs(first - second).mean() > 3


@pytest.mark.parametrize("look", looks.LOOKS)
def test_the_grey_curve_rises_from_black_to_white_over_the_dynamic_range(look):
    grey = looks.grey_curve(np.linspace(-look.dynamic_range_db - 5, 5, 200, dtype=np.float32), look)
    assert grey[0] == 0 and grey[-1] == pytest.approx(1)
    assert (np.diff(grey) >= 0).all() and 50 <= look.dynamic_range_db <= 70


def test_the_gain_is_turned_to_a_brightness():
    rng = np.random.default_rng(0)
    for level in (rng.normal(-30, 6, 4000), rng.normal(-75, 15, 4000)):
        gain = looks.auto_gain_db(level, np.ones(4000), looks.LOOKS[1], 0.25)
        assert looks.grey_curve(level + gain, looks.LOOKS[1]).mean() == pytest.approx(0.25, abs=0.005)


def test_smoothing_is_a_gaussian_filters():
    frame = np.random.default_rng(0).uniform(size=(30, 40)).astype(np.float32)
    smooth = looks.LOOKS[3].smooth_px
    assert smooth < 0.6  # so that its kernel has three taps
    look = looks.Look(60, 1, 0, 1, smooth, 0.0, 0, 0)
    shown = looks.finish(frame, np.ones_like(frame), look, np.zeros(frame.shape, np.uint8))
    expected = 255 * ndimage.gaussian_filter(frame, smooth, truncate=2.5, mode="nearest")
    np.testing.assert_allclose(shown, expected, atol=0.51)


def test_marks_lie_over_the_image_and_nothing_else_changes():
    frame = np.full((40, 50), 0.3, np.float32)
    marks = np.zeros((40, 50), np.uint8)
    marks[3:5, 7] = 200
    plain = looks.finish(frame, np.ones_like(frame), looks.LOOKS[2], np.zeros_like(marks))
    marked = looks.finish(frame, np.ones_like(frame), looks.LOOKS[2], marks)
    assert (marked[3:5, 7] == 200).all()
    np.testing.assert_array_equal(marked[marks == 0], plain[marks == 0])
