"""Frame and gaze move together: a bright blob at the gaze point stays under the map's peak."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from data.augment import Augmentation, augment_batch, random_draws
from data.saliency import map_size, render_saliency
from tests.data.blobs import FRAME, NONE, blobs, centre_of_blob

CELL = 8
SETTINGS = {
    "flip_horizontal": {"flip_horizontal": True},
    "flip_vertical": {"flip_vertical": True},
    "rotation": {"rotation_deg": 40.0},
    "half turn": {"rotation_deg": 180.0},
    "zoom": {"zoom": 0.4},
    "shift": {"shift": 0.3},
    "brightness": {"brightness": 0.2},
    "contrast": {"contrast": 0.5},
    "gamma": {"gamma": 0.5},
    "defaults": dataclasses.asdict(Augmentation()),
    "all": {
        "flip_horizontal": True,
        "flip_vertical": True,
        "rotation_deg": 90.0,
        "zoom": 0.3,
        "shift": 0.2,
        "brightness": 0.15,
        "contrast": 0.4,
        "gamma": 0.3,
    },
}


def settings(**changes):
    return dataclasses.replace(NONE, **changes)


def augmented(frame, x, y, seed, chosen):
    draws = random_draws(len(x), tf.constant([seed, 1]))
    frame, x, y = augment_batch(frame, tf.constant(x, tf.float32), tf.constant(y, tf.float32), draws, chosen)
    return frame.numpy(), x.numpy(), y.numpy()


@pytest.mark.parametrize("name", SETTINGS)
def test_the_peak_of_the_map_lies_on_the_blob(name):
    seen, random = 0, np.random.default_rng(7)
    for seed in range(12):
        x, y = random.uniform(0.08, 0.92, (2, 8))
        frame, new_x, new_y = augmented(blobs(x, y), x[:, None], y[:, None], seed, settings(**SETTINGS[name]))
        maps, valid = render_saliency(new_x, new_y, ~np.isnan(new_x), map_size(FRAME), aspect=FRAME[1] / FRAME[0])
        inside = ((new_x > 0.06) & (new_x < 0.94) & (new_y > 0.06) & (new_y < 0.94))[:, 0]
        for i in np.flatnonzero(inside):
            blob_x, blob_y = centre_of_blob(frame[i])
            # The point itself to a pixel, the map's peak to a cell.
            assert abs(blob_x - new_x[i, 0]) * FRAME[1] < 1, (seed, i)
            assert abs(blob_y - new_y[i, 0]) * FRAME[0] < 1, (seed, i)
            row, column = np.unravel_index(np.argmax(maps[i]), map_size(FRAME))
            assert bool(valid[i])
            assert abs(blob_x * FRAME[1] / CELL - (column + 0.5)) <= 1
            assert abs(blob_y * FRAME[0] / CELL - (row + 0.5)) <= 1
            seen += 1
    assert seen > 30, "too few points stayed on the frame to tell"


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (40, 40), (56, 31)])
def test_frames_of_any_size_and_shape(size):
    x, y = np.random.default_rng(1).uniform(0.3, 0.7, (2, 16))
    chosen = settings(flip_horizontal=True, flip_vertical=True, rotation_deg=30.0, zoom=0.1, shift=0.05)
    frame, new_x, new_y = augmented(blobs(x, y, size), x[:, None], y[:, None], 3, chosen)
    assert frame.shape == (16, *size, 1)
    found = np.array([centre_of_blob(image) for image in frame])
    assert np.abs(found[:, 0] - new_x[:, 0]).max() * size[1] < 1
    assert np.abs(found[:, 1] - new_y[:, 0]).max() * size[0] < 1


def test_all_settings_at_zero_change_nothing():
    x, y = np.random.default_rng(2).random((2, 5))
    frame = tf.constant(np.random.default_rng(3).random((5, *FRAME, 1)), tf.float32)
    out, new_x, new_y = augmented(frame, x[:, None], y[:, None], 5, NONE)
    np.testing.assert_allclose(out, frame, atol=1e-5)
    np.testing.assert_allclose(new_x[:, 0], x, atol=1e-5)
    np.testing.assert_allclose(new_y[:, 0], y, atol=1e-5)


@pytest.mark.parametrize("axis, name", [(2, "flip_horizontal"), (1, "flip_vertical")])
def test_a_flip_is_the_exact_mirror_for_half_of_the_frames_and_twice_is_none(axis, name):
    random = np.random.default_rng(4)
    frame = tf.constant(random.random((200, 8, 12, 1)), tf.float32)
    x, y = random.random((2, 200, 1))
    out, new_x, new_y = augmented(frame, x, y, 9, settings(**{name: True}))
    moved, point = (new_x, x) if name == "flip_horizontal" else (new_y, y)
    flipped = np.abs(moved - (1 - point)).max(axis=1) < 1e-5
    kept = np.abs(moved - point).max(axis=1) < 1e-5
    assert (flipped | kept).all() and 70 < flipped.sum() < 130
    mirrored = np.flip(frame, axis)
    np.testing.assert_allclose(out[flipped], mirrored[flipped], atol=1e-5)
    np.testing.assert_allclose(out[~flipped], frame.numpy()[~flipped], atol=1e-5)
    again, twice_x, twice_y = augmented(tf.constant(out), new_x, new_y, 9, settings(**{name: True}))
    np.testing.assert_allclose(again, frame, atol=1e-5)
    np.testing.assert_allclose((twice_x, twice_y), (x, y), atol=1e-5)


def test_grey_changes_never_move_a_point_and_geometry_never_changes_its_grey():
    random = np.random.default_rng(5)
    x, y = random.random((2, 6, 3))
    frame = tf.constant(random.random((6, *FRAME, 1)), tf.float32)
    out, new_x, new_y = augmented(frame, x, y, 1, settings(brightness=0.3, contrast=0.5, gamma=0.5))
    np.testing.assert_allclose(new_x, x, atol=1e-5)
    np.testing.assert_allclose(new_y, y, atol=1e-5)
    assert np.abs(out - frame).max() > 0.05
    flat, _, _ = augmented(tf.fill([6, *FRAME, 1], 0.5), x, y, 1, settings(flip_horizontal=True, zoom=0.0))
    np.testing.assert_allclose(flat, 0.5, atol=1e-6)


def test_the_same_move_with_and_without_grey_changes():
    """Switching one change on does not redraw another: ablations compare like with like."""
    x, y = np.random.default_rng(6).random((2, 6, 2))
    frame = blobs(x[:, 0], y[:, 0])
    moves = {"flip_horizontal": True, "rotation_deg": 20.0, "zoom": 0.2, "shift": 0.1}
    _, plain_x, plain_y = augmented(frame, x, y, 4, settings(**moves))
    _, grey_x, grey_y = augmented(frame, x, y, 4, settings(**moves, gamma=0.3, brightness=0.2, contrast=0.3))
    np.testing.assert_array_equal((plain_x, plain_y), (grey_x, grey_y))


def test_same_seed_same_batch_and_another_seed_another():
    x, y = np.random.default_rng(7).random((2, 6, 2))
    frame = blobs(x[:, 0], y[:, 0])
    first, again, other = (augmented(frame, x, y, seed, Augmentation()) for seed in (2, 2, 3))
    for one, same, different in zip(first, again, other):
        np.testing.assert_array_equal(one, same)
        assert (one != different).any()


def test_frames_of_a_batch_are_drawn_apart():
    frame = tf.repeat(blobs([0.4], [0.6]), 8, axis=0)
    _, x, _ = augmented(frame, np.full((8, 1), 0.4), np.full((8, 1), 0.6), 1, settings(rotation_deg=20.0))
    assert len(np.unique(x.round(5))) == 8


def test_draws_stay_inside_their_limits():
    x, y = np.full((500, 1), 0.5), np.full((500, 1), 0.5)
    frame = tf.fill([500, 8, 12, 1], 0.5)
    _, new_x, new_y = augmented(frame, x, y, 1, settings(shift=0.2))
    for moved in (new_x, new_y):
        assert 0.19 < np.abs(moved - 0.5).max() <= 0.2 + 1e-6
        assert abs(moved.mean() - 0.5) < 0.02
    _, corner_x, corner_y = augmented(frame, x + 0.25, y, 1, settings(zoom=0.3))
    scale = (corner_x - 0.5) / 0.25
    assert 0.7 - 1e-5 <= scale.min() < 0.72 and 1.28 < scale.max() <= 1.3 + 1e-5
    np.testing.assert_allclose(corner_y, 0.5, atol=1e-6)  # zoomed about the middle
    _, turned_x, turned_y = augmented(frame, x + 0.25, y, 1, settings(rotation_deg=30.0))
    angle = np.degrees(np.arctan2((turned_y - 0.5) * 8, (turned_x - 0.5) * 12))
    assert 29 < np.abs(angle).max() <= 30.01
    np.testing.assert_allclose(np.hypot((turned_y - 0.5) * 8, (turned_x - 0.5) * 12), 3, rtol=1e-4)
    bright, _, _ = augmented(frame, x, y, 1, settings(brightness=0.1))
    assert 0.098 < np.abs(bright - 0.5).max() <= 0.1 + 1e-6


def test_a_point_that_leaves_the_frame_is_not_clipped_and_nan_stays_nan():
    x, y = np.full((200, 2), 0.95), np.full((200, 2), 0.5)
    x[:, 1] = np.nan
    _, new_x, new_y = augmented(tf.fill([200, 8, 12, 1], 0.5), x, y, 1, settings(shift=0.3))
    assert (new_x[:, 0] > 1).any()
    _, valid = render_saliency(new_x, new_y, ~np.isnan(new_x), (1, 2), aspect=1.5)
    np.testing.assert_array_equal(valid, new_x[:, 0] <= 1)
    assert np.isnan(new_x[:, 1]).all()


def test_grey_stays_in_range():
    frame = tf.constant(np.random.default_rng(8).random((20, 8, 12, 1)), tf.float32)
    none = np.full((20, 1), np.nan)
    out, _, _ = augmented(frame, none, none, 1, settings(brightness=0.9, contrast=3.0, gamma=2.0))
    assert out.min() >= 0 and out.max() <= 1 and np.isfinite(out).all()
    for extreme in (0.0, 1.0):
        out, _, _ = augmented(tf.fill([20, 8, 12, 1], extreme), none, none, 1, settings(gamma=1.0, contrast=0.9))
        np.testing.assert_allclose(out, extreme, atol=1e-6)


def test_inside_tf_data_as_outside():
    random = np.random.default_rng(9)
    x, y = random.random((2, 6, 2)).astype(np.float32)
    frame = blobs(x[:, 0], y[:, 0])
    outside = augmented(frame, x, y, 5, Augmentation())
    pipeline = tf.data.Dataset.from_tensors((frame, x, y)).map(
        lambda f, a, b: augment_batch(f, a, b, random_draws(6, tf.constant([5, 1])), Augmentation()),
        num_parallel_calls=2,
    )
    for inside, out in zip(next(pipeline.as_numpy_iterator()), outside):
        np.testing.assert_allclose(inside, out, atol=1e-5)
