"""The saliency map: a density, with its blobs where and as wide as the points say."""

import math

import numpy as np
import pytest
import tensorflow as tf

from data.saliency import DEFAULT_SIGMA, map_size, render_saliency

SIZE = (28, 36)
ASPECT = 288 / 224


def render(points, size=SIZE, *, sigma=DEFAULT_SIGMA, aspect=ASPECT, present=None):
    """Maps and validity of a batch given as lists of (x, y); shorter lists are padded with NaN."""
    longest = max(1, max(len(row) for row in points))
    x, y = (np.full((len(points), longest), np.nan, np.float32) for _ in range(2))
    for i, row in enumerate(points):
        for j, (px, py) in enumerate(row):
            x[i, j], y[i, j] = px, py
    present = ~np.isnan(x) if present is None else np.asarray(present)
    maps, valid = render_saliency(
        tf.constant(x), tf.constant(y), tf.constant(present), size, sigma=sigma, aspect=aspect
    )
    return maps.numpy(), valid.numpy()


def oracle(points, size, sigma, aspect):
    """Cell by cell, in pixels of a frame `aspect` wide and 1 high; each blob sums to 1."""
    height, width = size
    total = np.zeros(size)
    for px, py in points:
        blob = np.zeros(size)
        for i in range(height):
            for j in range(width):
                dx = ((j + 0.5) / width - px) * aspect
                dy = (i + 0.5) / height - py
                blob[i, j] = math.exp(-(dx * dx + dy * dy) / (2 * (sigma * aspect) ** 2))
        total += blob / blob.sum()
    return total / total.sum()


def moments(density):
    """Mean and standard deviation of x and y, as shares of the frame."""
    height, width = density.shape
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    over_x, over_y = density.sum(0), density.sum(1)
    mean_x, mean_y = over_x @ x, over_y @ y
    return (mean_x, mean_y), (
        math.sqrt(over_x @ (x - mean_x) ** 2),
        math.sqrt(over_y @ (y - mean_y) ** 2),
    )


@pytest.mark.parametrize(
    "frame, grid", [((224, 288), (28, 36)), ((112, 144), (14, 18)), ((33, 47), (5, 6)), ((1, 8), (1, 1))]
)
def test_map_has_stride_8(frame, grid):
    assert map_size(frame) == grid


@pytest.mark.parametrize("size", [(28, 36), (14, 18), (5, 3), (1, 1)])
@pytest.mark.parametrize("sigma", [1e-6, 0.01, 0.03, 0.2, 10.0])
def test_every_map_is_a_density(size, sigma):
    points = [[(0.5, 0.5)], [(0, 0), (1, 1)], [], [(0.1, 0.9)] * 7, [(5.0, 5.0)]]
    maps, valid = render(points, size, sigma=sigma)
    assert maps.dtype == np.float32 and maps.shape == (5, *size)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)
    assert maps.min() >= 0 and np.isfinite(maps).all()
    assert valid.tolist() == [True, True, False, True, False]


@pytest.mark.parametrize("size, aspect", [((28, 36), 288 / 224), ((14, 18), 144 / 112), ((9, 5), 0.6)])
def test_equals_a_double_loop(size, aspect):
    random = np.random.default_rng(1)
    points = [random.random((n, 2)).tolist() for n in (1, 2, 5)] + [[(0.0, 0.0), (1.0, 0.4)]]
    maps, _ = render(points, size, sigma=0.05, aspect=aspect)
    for density, row in zip(maps, points):
        np.testing.assert_allclose(density, oracle(row, size, 0.05, aspect), rtol=1e-3, atol=1e-7)


def test_blob_lies_at_the_point_and_is_sigma_wide():
    for x, y in [(0.5, 0.5), (0.31, 0.42), (0.7, 0.66)]:
        maps, _ = render([[(x, y)]], sigma=0.04)
        mean, width = moments(maps[0].astype(float))
        np.testing.assert_allclose(mean, (x, y), atol=1e-4)
        # The width in x is a share of the frame's width; in y it is the same number of pixels.
        np.testing.assert_allclose(width, (0.04, 0.04 * ASPECT), rtol=1e-3)


@pytest.mark.parametrize("size, aspect", [((28, 36), 288 / 224), ((40, 20), 0.5), ((30, 30), 2.0)])
def test_blob_is_round_in_pixels(size, aspect):
    maps, _ = render([[(0.5, 0.5)]], size, sigma=0.06, aspect=aspect)
    _, (over_x, over_y) = moments(maps[0].astype(float))
    np.testing.assert_allclose(over_x * aspect, over_y, rtol=1e-3)  # frame is `aspect` wide and 1 high


def test_the_default_matches_the_published_bound():
    """KL(S ‖ uniform) = ln N − ln(2πe σ_x σ_y) for one blob, in cells: above the published 3.41."""
    maps, _ = render([[(0.5, 0.5)]])
    density = maps[0].astype(float)
    divergence = (density[density > 0] * np.log(density[density > 0] * density.size)).sum()
    sigma_x, sigma_y = DEFAULT_SIGMA * 36, DEFAULT_SIGMA * ASPECT * 28
    closed = math.log(density.size) - math.log(2 * math.pi * math.e * sigma_x * sigma_y)
    np.testing.assert_allclose(divergence, closed, rtol=1e-3)
    assert divergence > 3.41


def test_points_off_the_frame_and_nan_count_for_nothing():
    on = [(0.2, 0.3), (0.8, 0.6)]
    plain, _ = render([on])
    nan, inf = math.nan, math.inf
    for stray in [(1.01, 0.5), (-0.01, 0.5), (0.5, 1.5), (0.5, -3), (nan, 0.5), (0.5, nan), (inf, 0.5), (0.5, -inf)]:
        present = [[True, True, True]]
        maps, valid = render([[*on, stray]], present=present)
        np.testing.assert_array_equal(maps, plain)
        assert valid.all()
        maps, valid = render([[stray]], present=[[True]])
        np.testing.assert_allclose(maps, 1 / (28 * 36), rtol=1e-6)
        assert not valid.any()


def test_an_absent_point_counts_for_nothing():
    maps, valid = render([[(0.2, 0.3), (0.8, 0.6)]], present=[[True, False]])
    np.testing.assert_array_equal(maps, render([[(0.2, 0.3)]])[0])
    assert valid.all() and not render([[(0.2, 0.3)]], present=[[False]])[1].any()


def test_without_points_the_map_is_uniform_and_not_valid():
    maps, valid = render([[], [(0.5, 0.5)]])
    np.testing.assert_allclose(maps[0], 1 / (28 * 36), rtol=1e-6)
    assert valid.tolist() == [False, True]
    maps, valid = render_saliency(
        tf.zeros([3, 0]), tf.zeros([3, 0]), tf.zeros([3, 0], tf.bool), SIZE, aspect=ASPECT
    )  # a whole batch without a point
    np.testing.assert_allclose(maps, 1 / (28 * 36), rtol=1e-6)
    assert not valid.numpy().any()


def test_points_on_the_border_are_on_the_frame():
    maps, valid = render([[(0, 0)], [(1, 1)], [(0, 1)]], sigma=0.01)
    assert valid.all()
    assert [np.unravel_index(m.argmax(), m.shape) for m in maps] == [(0, 0), (27, 35), (27, 0)]


def test_the_order_of_the_points_does_not_matter():
    points = np.random.default_rng(2).random((12, 2)).tolist()
    np.testing.assert_allclose(render([points])[0], render([points[::-1]])[0], rtol=1e-5, atol=1e-9)


def test_a_point_given_twice_counts_twice():
    one, other = (0.2, 0.5), (0.8, 0.5)
    maps, _ = render([[one, one, other]])
    left, right = maps[0][:, :18].sum(), maps[0][:, 18:].sum()
    np.testing.assert_allclose((left, right), (2 / 3, 1 / 3), rtol=1e-4)


def test_mirrored_points_give_the_mirrored_map():
    points = np.random.default_rng(3).random((5, 2))
    maps, _ = render([points.tolist(), np.stack([1 - points[:, 0], points[:, 1]], 1).tolist()])
    np.testing.assert_allclose(maps[1], maps[0][:, ::-1], rtol=1e-3, atol=1e-7)


def test_frames_do_not_see_each_other():
    together, _ = render([[(0.2, 0.3)], [(0.9, 0.9), (0.1, 0.1)], []])
    np.testing.assert_array_equal(together[0], render([[(0.2, 0.3)]])[0][0])


def test_a_sigma_far_below_a_cell_puts_all_in_the_points_cell():
    maps, _ = render([[(0.512, 0.27)]], sigma=1e-5)
    assert maps[0][int(0.27 * 28), int(0.512 * 36)] == pytest.approx(1)


def test_the_same_inside_a_graph():
    points = np.random.default_rng(4).random((3, 4, 2)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None, None])])
    def graph(x, y):
        return render_saliency(x, y, tf.ones_like(x, tf.bool), SIZE, aspect=ASPECT)

    maps, _ = graph(points[..., 0], points[..., 1])
    assert maps.shape[1:] == SIZE
    np.testing.assert_allclose(maps, render(points.tolist())[0], rtol=1e-5, atol=1e-9)
