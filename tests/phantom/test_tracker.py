"""The simulated eye tracker: its degree, jitter, drift and losses, and what the manifest says of its screen."""

from __future__ import annotations

import numpy as np
import pytest

from data.gaze.read import read_gaze
from data.sources.manifest import read_manifest
from phantom.tracker import Screen, drift, record_gaze, sample_times
from tests.phantom.simulated import SCREEN, SMALL


def still(seconds: float, rng) -> tuple[np.ndarray, np.ndarray]:
    times = sample_times(0, seconds, rng)
    return times, np.full((len(times), 2), (900.0, 500.0))


def test_a_degree_is_the_published_number_of_pixels():
    assert SCREEN.px_per_degree == pytest.approx(50.9, abs=0.1)
    width_mm = 24 * 25.4 * 16 / np.hypot(16, 9)
    assert SCREEN.px_per_degree == pytest.approx(1920 / width_mm * 807 * np.tan(np.deg2rad(1)))
    finer = Screen(width=3840, height=2160)
    assert finer.px_per_degree == pytest.approx(2 * SCREEN.px_per_degree)


def test_jitter_and_bias_are_of_their_size_in_degrees():
    rng = np.random.default_rng(0)
    times, pixels = still(60, rng)
    gaze = record_gaze(times, pixels, SCREEN, np.array([0.5, -1.0]), rng)
    error = np.stack([gaze.x * 1920 - 900, gaze.y * 1080 - 500], axis=1) / SCREEN.px_per_degree
    assert error.std(axis=0) == pytest.approx([0.16, 0.16], rel=0.08)
    assert error.mean(axis=0) == pytest.approx([0.5, -1.0], abs=0.12)


def test_the_calibration_drifts_slowly_over_a_session():
    rng = np.random.default_rng(1)
    after = np.array([drift(np.zeros(2), 1800.0, rng) for _ in range(3000)])
    assert np.median(np.hypot(*after.T)) == pytest.approx(0.16, abs=0.008)
    # Two quarters of an hour are half an hour.
    halves = np.array([drift(drift(np.zeros(2), 900.0, rng), 900.0, rng) for _ in range(3000)])
    assert halves.std() == pytest.approx(after.std(), rel=0.05)
    # Nearly nothing within a clip, and the same within one long recording.
    times = np.r_[np.linspace(0, 1, 90), np.linspace(1800, 1801, 90)]
    moved = []
    for _ in range(200):
        gaze = record_gaze(times, np.zeros((180, 2)), SCREEN, np.zeros(2), rng)
        x = gaze.x * SCREEN.width / SCREEN.px_per_degree
        moved.append(x[90:].mean() - x[:90].mean())
    assert np.std(moved) == pytest.approx(0.16 / 1.1774, rel=0.15)


def test_blinks_and_losses_come_as_often_as_they_should():
    rng = np.random.default_rng(2)
    lengths, pauses, loss = [], [], []
    for _ in range(20):
        times, pixels = still(60, rng)
        lost = ~record_gaze(times, pixels, SCREEN, np.zeros(2), rng).valid
        edges = np.flatnonzero(np.diff(np.r_[0, lost.astype(int), 0]))
        runs = np.stack([edges[::2], edges[1::2]], axis=1)
        blinks = runs[(runs[:, 1] - runs[:, 0]) >= 8]  # nine samples in 100 ms; one by one, 0.05^8
        lengths += list((blinks[:, 1] - blinks[:, 0]) / 90)
        pauses += list(np.diff(blinks[:, 0]) / 90)
        loss.append((lost.sum() - sum(b - a for a, b in blinks)) / (len(lost) - sum(b - a for a, b in blinks)))
    assert np.min(lengths) > 0.09 and np.quantile(lengths, 0.95) < 0.32
    assert np.mean(lengths) == pytest.approx(0.2, abs=0.02)
    assert np.mean(pauses) == pytest.approx(4.2, abs=0.4)  # a pause of 4 s and the blink
    assert all(0.015 < share < 0.055 for share in loss)
    assert np.ptp(loss) > 0.01


def test_the_manifest_holds_the_screen_that_the_gaze_was_made_for(small_recordings):
    rows = read_manifest(small_recordings / "manifest.csv")
    assert len({row.image_box_px for row in rows}) == SMALL.patients  # each scanner has its own place on the screen
    for row in rows:
        assert row.screen_px == (1920, 1080)
        left, top, width, height = row.image_box_px
        assert left >= 0 and top >= 0 and left + width <= 1920 and top + height <= 1080
        assert width / height == pytest.approx(72 / 56, rel=0.01)  # pixels are square
        gaze = read_gaze(row.gaze)
        x, y = gaze.x[gaze.valid] * 1920, gaze.y[gaze.valid] * 1080
        # From sample to sample it is the jitter that moves: sqrt(2)·0.16°, median 0.6745 of it.
        step = np.median(np.abs(np.r_[np.diff(x), np.diff(y)]))
        assert step == pytest.approx(0.6745 * 2**0.5 * 0.16 * 50.9, rel=0.25)
