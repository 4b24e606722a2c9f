"""Changes of scanner, geometry and marks: off by default, each by itself, and each frame by its own draws."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from data.augment import DRAWS, Augmentation, augment_batch, random_draws
from data.pixel_noise import normal_noise, uniform_noise
from tests.data.blobs import NONE, blobs, centre_of_blob

FRAME = (56, 72)
APPEARANCE = {
    "gain": {"gain": 0.2},
    "time_gain": {"time_gain": 0.2},
    "dynamic_range": {"dynamic_range": 0.4},
    "far_field": {"far_field": 0.8},
    "blur": {"blur": 1.5},
    "resolution": {"resolution": 2.0},
    "speckle": {"speckle": 0.3, "speckle_size": 2.0},
}
MARKS = {"text": {"text": 1.0}, "grey_bar": {"grey_bar": 1.0}, "calipers": {"calipers": 1.0}}
GEOMETRY = {"depth": {"depth": 0.3}, "aspect": {"aspect": 0.3}}


def frames(count=6, seed=0):
    """Speckle in the lower three quarters, black above."""
    values = np.random.default_rng(seed).uniform(0.2, 0.8, (count, *FRAME, 1)).astype(np.float32)
    values[:, : FRAME[0] // 4] = 0
    return values


def run(frame, chosen, seed=1, x=None, y=None):
    count = len(frame)
    nothing = np.full((count, 1), np.nan, np.float32)
    x, y = (nothing if values is None else np.asarray(values, np.float32)[:, None] for values in (x, y))
    draws = random_draws(count, tf.constant([seed, 1]), chosen)
    found = augment_batch(tf.constant(frame), tf.constant(x), tf.constant(y), draws, chosen)
    return [value.numpy() for value in found]


def test_the_numbers_of_the_defaults_are_those_of_before():
    """The bytes of every run with the default recipe hang on these."""
    seed = tf.constant([3, 7], tf.int64)
    plain = random_draws(5, seed)
    np.testing.assert_array_equal(plain, tf.random.stateless_uniform([5, DRAWS], seed, -1.0, 1.0))
    np.testing.assert_array_equal(random_draws(5, seed, Augmentation()), plain)
    more = random_draws(5, seed, Augmentation(speckle=0.1))
    np.testing.assert_array_equal(more[:, :DRAWS], plain)
    assert more.shape[1] > DRAWS and len(np.unique(more)) == tf.size(more)


@pytest.mark.parametrize("name", [*APPEARANCE, *MARKS])
def test_a_change_is_one_function_of_the_frame_and_its_draws(name):
    """The same alone as in a batch, another for each frame, and in range."""
    chosen = dataclasses.replace(NONE, **(APPEARANCE | MARKS)[name])
    same = np.repeat(frames(1), 6, axis=0)
    out, _, _ = run(same, chosen)
    assert out.min() >= 0 and out.max() <= 1 and np.isfinite(out).all()
    assert len({image.tobytes() for image in out}) == 6
    draws = random_draws(6, tf.constant([1, 1]), chosen)
    nan = tf.fill([1, 1], np.nan)
    for index in (0, 5):
        alone = augment_batch(tf.constant(same[:1]), nan, nan, draws[index : index + 1], chosen)[0]
        np.testing.assert_allclose(alone[0], out[index], atol=2e-6)


@pytest.mark.parametrize("name", APPEARANCE)
def test_black_stays_black_where_the_scanner_is_changed(name):
    out, _, _ = run(frames(), dataclasses.replace(NONE, **APPEARANCE[name]))
    assert not out[:, : FRAME[0] // 4 - 6].any()
    assert np.abs(out - frames()).max() > 0.02


def test_gain_adds_one_grey_level_and_time_gain_one_for_each_depth():
    flat = np.full((40, *FRAME, 1), 0.5, np.float32)
    gain = run(flat, dataclasses.replace(NONE, gain=0.2))[0] - 0.5
    assert np.ptp(gain, axis=(1, 2, 3)).max() < 1e-5 and 0.18 < np.abs(gain).max() <= 0.2 + 1e-5
    time_gain = run(flat, dataclasses.replace(NONE, time_gain=0.2))[0] - 0.5
    assert np.ptp(time_gain, axis=2).max() < 1e-5 and np.ptp(time_gain, axis=1).max() > 0.1
    # Linear between four knots: the second difference is nothing but at them.
    bend = np.abs(np.diff(time_gain[:, :, 0, 0], 2, axis=1))
    assert (bend > 1e-5).sum(axis=1).max() <= 4


def test_dynamic_range_keeps_white_and_far_field_keeps_the_top():
    white = np.ones((8, *FRAME, 1), np.float32)
    np.testing.assert_allclose(run(white, dataclasses.replace(NONE, dynamic_range=0.5))[0], 1, atol=1e-6)
    flat = np.full((30, *FRAME, 1), 0.3, np.float32)
    far = run(flat, dataclasses.replace(NONE, far_field=1.0))[0][:, :, 0, 0] / 0.3
    depth = (np.arange(FRAME[0]) + 0.5) / FRAME[0]
    rate = np.log(far[:, -1]) / depth[-1]
    np.testing.assert_allclose(np.log(far), rate[:, None] * depth, atol=1e-4)
    assert 0.8 < np.abs(rate).max() <= 1.0


@pytest.mark.parametrize("name", ["blur", "resolution"])
def test_filters_keep_a_constant_and_lose_fine_detail(name):
    chosen = dataclasses.replace(NONE, **APPEARANCE[name])
    flat = np.full((6, *FRAME, 1), 0.4, np.float32)
    np.testing.assert_allclose(run(flat, chosen)[0], 0.4, atol=1e-4)
    fine = np.random.default_rng(1).uniform(0.3, 0.7, (12, *FRAME, 1)).astype(np.float32)
    out = run(fine, chosen)[0]
    assert (out.std(axis=(1, 2, 3)) < fine.std(axis=(1, 2, 3)) + 1e-4).all()
    assert out.std(axis=(1, 2, 3)).min() < 0.6 * fine.std()
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), fine.mean(axis=(1, 2, 3)), atol=0.01)


def test_speckle_multiplies_with_mean_one_and_its_grains_grow():
    flat = np.full((96, *FRAME, 1), 0.5, np.float32)

    def likeness(size):
        """Correlation of neighbours, of the frames with most noise."""
        out = run(flat, dataclasses.replace(NONE, speckle=0.3, speckle_size=size))[0][..., 0] - 0.5
        assert abs(out.mean()) < 0.01 and 0.1 < out.std(axis=(1, 2)).max() < 0.16
        strong = out[np.argsort(out.std(axis=(1, 2)))[-32:]]
        return np.mean([np.corrcoef(o[:, 1:].ravel(), o[:, :-1].ravel())[0, 1] for o in strong])

    assert abs(likeness(0.0)) < 0.05 and likeness(3.0) > 0.25


def test_noise_is_uniform_and_its_neighbours_are_unrelated():
    places = tf.range(200, dtype=tf.int64)
    values = uniform_noise(tf.constant(0.37), places[:, None], places).numpy()
    counts = np.histogram(values, 20, (0, 1))[0]
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)
    for a, b in ((values[1:], values[:-1]), (values[:, 1:], values[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.025
    other = normal_noise(tf.constant([0.37, 0.3700005]), 100, 100).numpy()
    assert abs(np.corrcoef(other[0].ravel(), other[1].ravel())[0, 1]) < 0.05
    assert abs(other.mean()) < 0.02 and other.std() == pytest.approx(np.sqrt(4 / 12), rel=0.02)


@pytest.mark.parametrize("name", [*GEOMETRY, "both"])
def test_points_go_with_the_blob(name):
    chosen = dataclasses.replace(NONE, rotation_deg=20.0, **(GEOMETRY.get(name) or {"depth": 0.3, "aspect": 0.3}))
    seen = 0
    for seed in range(8):
        x, y = np.random.default_rng(seed).uniform(0.2, 0.8, (2, 8))
        out, new_x, new_y = run(blobs(x, y, FRAME).numpy(), chosen, seed, x, y)
        inside = ((new_x > 0.1) & (new_x < 0.9) & (new_y > 0.1) & (new_y < 0.9))[:, 0]
        for index in np.flatnonzero(inside):
            blob_x, blob_y = centre_of_blob(out[index])
            assert abs(blob_x - new_x[index, 0]) * FRAME[1] < 1.2
            assert abs(blob_y - new_y[index, 0]) * FRAME[0] < 1.2
            seen += 1
    assert seen > 30


def test_depth_holds_the_middle_of_the_top_and_aspect_changes_the_width_alone():
    count = 200
    flat = np.full((count, *FRAME, 1), 0.5, np.float32)
    top = 0.5 / FRAME[0]
    _, x, y = run(flat, dataclasses.replace(NONE, depth=0.3), x=np.full(count, 0.5), y=np.full(count, top))
    np.testing.assert_allclose((x[:, 0], y[:, 0]), (np.full(count, 0.5), np.full(count, top)), atol=1e-5)
    _, x, y = run(flat, dataclasses.replace(NONE, depth=0.3), x=np.full(count, 0.75), y=np.full(count, top + 0.25))
    scale = (x[:, 0] - 0.5) / 0.25
    np.testing.assert_allclose((y[:, 0] - top) / 0.25, scale, atol=1e-4)
    assert 0.7 - 1e-4 <= scale.min() < 0.73 and 1.27 < scale.max() <= 1.3 + 1e-4
    _, x, y = run(flat, dataclasses.replace(NONE, aspect=0.3), x=np.full(count, 0.7), y=np.full(count, 0.3))
    wide = np.log((x[:, 0] - 0.5) / 0.2)
    np.testing.assert_allclose(y, 0.3, atol=1e-5)
    assert -0.3 - 1e-4 <= wide.min() < -0.27 and 0.27 < wide.max() <= 0.3 + 1e-4


def test_the_sector_is_cut_at_the_top_and_not_at_the_bottom():
    flat = np.full((60, *FRAME, 1), 0.5, np.float32)
    out = run(flat, dataclasses.replace(NONE, sector_cut=0.4))[0][..., 0] > 0.25
    width = out.sum(axis=2)
    assert (np.diff(width, axis=1) >= 0).all()
    assert (width[:, -1] >= FRAME[1] - 2).all() and width[:, 0].min() < 0.5 * FRAME[1]


@pytest.mark.parametrize("name", MARKS)
def test_marks_come_on_their_share_of_the_frames_and_darken_nothing(name):
    black = np.zeros((300, *FRAME, 1), np.float32)
    out = run(black, dataclasses.replace(NONE, **{name: 0.4}))[0]
    marked = out.reshape(300, -1).any(axis=1)
    assert 0.3 < marked.mean() < 0.5
    ink = (out[marked] > 0).mean(axis=(1, 2, 3))
    assert 0 < ink.max() < 0.25
    bright = frames(20)
    assert (run(bright, dataclasses.replace(NONE, **{name: 1.0}))[0] >= bright - 1e-5).all()


@pytest.mark.parametrize("size", [(112, 144), (224, 288), (48, 64)])
def test_text_is_as_small_as_that_of_a_scanner(size):
    """A block of lines: at most 12 % of the height and 18 % of the width, and a line about 3 % of the height."""
    chosen = dataclasses.replace(NONE, text=1.0)
    out = run(np.zeros((60, *size, 1), np.float32), chosen)[0][..., 0]
    taken = [np.flatnonzero(out.max(axis=axis) > 0) for out in out for axis in (1, 0)]
    heights, widths = (np.array([np.ptp(places) + 1 for places in taken[axis::2]]) for axis in (0, 1))
    assert heights.max() <= 0.12 * size[0] + 1 and widths.max() <= 0.18 * size[1]
    assert 0.02 * size[0] <= heights.min() <= 0.03 * size[0] + 1
    assert out.max() > 0.4 and all(0.01 < frame[frame > 0].mean() < 0.6 for frame in out)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"speckle": -0.1}, "augment.speckle must be a number of at least 0, not -0.1"),
        ({"blur": float("nan")}, "augment.blur must be a number of at least 0, not nan"),
        ({"text": 1.2}, "augment.text must be at most 1, not 1.2"),
        ({"sector_cut": 0.6}, "augment.sector_cut must be at most 0.5, not 0.6"),
        ({"depth": 0.95}, "augment.depth must be at most 0.9, not 0.95"),
        ({"zoom": 1}, "augment.zoom must be below 1, .*, not 1.0"),
        ({"zoom": "x"}, "augment.zoom must be a number, not 'x'"),
        ({"flip_vertical": 1}, "augment.flip_vertical must be true or false, not 1"),
    ],
)
def test_settings_that_can_not_be_are_refused(values, words):
    with pytest.raises(InputError, match=words):
        Augmentation(**values)
