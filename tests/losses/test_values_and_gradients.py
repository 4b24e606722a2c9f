"""Every loss against a NumPy implementation of its formula: value and gradient."""

import numpy as np
import pytest
import tensorflow as tf

from losses import (
    attention_map,
    attention_transfer_loss,
    decoupled_loss,
    gaze_attention_loss,
    gaze_saliency_loss,
    hard_label_loss,
    hint_loss,
    logit_regression_loss,
    similarity_preserving_loss,
    soft_target_loss,
)
from tests.losses import oracles


def normal(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(size=shape) * scale


def density(*shape, seed=0):
    values = np.random.default_rng(seed).random(shape) ** 4
    return values / values.sum(axis=(1, 2), keepdims=True)


def attention_cases():
    for name, grid in (("same", (4, 6)), ("smaller", (2, 3)), ("larger", (8, 12)), ("uneven", (3, 4))):
        teacher = normal(2, *grid, 3, seed=4)
        yield (
            f"attention, teacher grid {name}",
            lambda f, t=teacher: attention_transfer_loss(tf.constant(t, tf.float32), f),
            lambda f, t=teacher: oracles.attention(t, f),
            normal(2, 4, 6, 2, seed=5),
        )
    for name, grid, seen in (("same", (4, 6), (4, 6)), ("smaller", (2, 3), (4, 6)), ("larger", (8, 12), (8, 12))):
        teacher, g = normal(2, *grid, 3, seed=4), density(2, *seen, seed=10)
        yield (
            f"gaze attention, teacher grid {name}",
            lambda f, t=teacher, g=g: gaze_attention_loss(tf.constant(g), tf.constant(t, tf.float32), f),
            lambda f, t=teacher, g=g: oracles.attention(t, f, g),
            normal(2, 4, 6, 2, seed=5),
        )


def cases():
    labels = np.array([0, 2, -1, 3, 3])
    yield "hard", lambda z: hard_label_loss(labels, z), lambda z: oracles.hard(labels, z), normal(5, 4)
    for temperature in (0.5, 1.0, 4.0, 16.0):
        teacher = normal(5, 4, seed=1, scale=3)
        yield (
            f"soft T={temperature}",
            lambda z, t=temperature, teacher=teacher: soft_target_loss(teacher, z, t),
            lambda z, t=temperature, teacher=teacher: oracles.soft(teacher, z, t),
            normal(5, 4, seed=2, scale=2),
        )
    teacher = normal(5, 4, seed=1, scale=3)
    yield (
        "logit",
        lambda z, t=teacher: logit_regression_loss(t, z),
        lambda z, t=teacher: oracles.logit(t, z),
        normal(5, 4, seed=2, scale=2),
    )
    for temperature, target, rest in ((1.0, 1.0, 8.0), (4.0, 1.0, 8.0), (4.0, 0.0, 2.0), (2.0, 3.0, 0.0)):
        yield (
            f"decoupled T={temperature} α={target} β={rest}",
            lambda z, t=temperature, a=target, b=rest, teacher=teacher: decoupled_loss(teacher, z, labels, t, a, b),
            lambda z, t=temperature, a=target, b=rest, teacher=teacher: (
                np.array([a, b]) @ oracles.decoupled(teacher, z, labels, t)
            ),
            normal(5, 4, seed=2, scale=2),
        )
    for share in (0.0, 0.05, 1.0):
        g = density(3, 4, 5)
        g[0] = 0
        g[0, 1, 2] = 1  # all the gaze in one cell
        yield (
            f"gaze e={share}",
            lambda z, e=share, g=g: gaze_saliency_loss(tf.constant(g, tf.float32), z, e),
            lambda z, e=share, g=g: oracles.gaze(g, z, e),
            normal(3, 4, 5, seed=3),
        )
    yield from attention_cases()
    target = normal(3, 2, 3, 4, seed=6, scale=2)
    yield (
        "hint",
        lambda f: hint_loss(target, f),
        lambda f: oracles.hint(target, f),
        normal(3, 2, 3, 4, seed=7),
    )
    wide = normal(4, 2, 2, 5, seed=8)
    yield (
        "similarity",
        lambda f: similarity_preserving_loss(tf.constant(wide, tf.float32), f),
        lambda f: oracles.similarity(wide, f),
        normal(4, 3, 2, 2, seed=9),
    )


@pytest.mark.parametrize("ours, oracle, at", [pytest.param(*c[1:], id=c[0]) for c in cases()])
def test_value_and_gradient(ours, oracle, at):
    variable = tf.constant(at, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        values = ours(variable)
    np.testing.assert_allclose(values, oracle(at), rtol=2e-4, atol=5e-5)
    slope = oracles.gradient(oracle, at)
    assert np.abs(slope).max() > 1e-3, "the case has no gradient to compare"
    np.testing.assert_allclose(tape.gradient(values, variable), slope, rtol=2e-3, atol=2e-5)


def test_attention_map_has_length_one():
    maps = attention_map(tf.constant(normal(3, 4, 5, 6), tf.float32)).numpy()
    np.testing.assert_allclose((maps**2).sum(axis=(1, 2)), 1, rtol=1e-5)
    assert maps.min() >= 0


@pytest.mark.parametrize("loss", [attention_transfer_loss, similarity_preserving_loss])
def test_teacher_features_of_zero_give_no_nan(loss):
    features = tf.Variable(tf.zeros([2, 3, 3, 4]))
    with tf.GradientTape() as tape:
        value = loss(tf.zeros([2, 3, 3, 5]), features)
    np.testing.assert_array_equal(value, [0, 0])
    assert np.isfinite(tape.gradient(value, features)).all()


def test_no_gradient_reaches_the_teacher_of_a_hint():
    teacher = tf.Variable(normal(2, 2, 2, 3).astype(np.float32))
    with tf.GradientTape() as tape:
        value = hint_loss(teacher, tf.zeros([2, 2, 2, 3]))
    assert tape.gradient(value, teacher) is None
