"""What each loss must be at its limits, and what it must not depend on."""

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from losses import (
    attention_map,
    attention_transfer_loss,
    decoupled_loss,
    decoupled_parts,
    gaze_attention_loss,
    gaze_saliency_loss,
    hard_label_loss,
    hint_loss,
    logit_regression_loss,
    similarity_preserving_loss,
    soft_target_loss,
)


def normal(*shape, seed=0, scale=1.0):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def density(*shape, seed=0):
    values = np.random.default_rng(seed).random(shape).astype(np.float32) ** 4
    return tf.constant(values / values.sum(axis=(1, 2), keepdims=True))


def both(loss, teacher, student):
    """Value and gradient with regard to the student."""
    student = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = loss(teacher, student)
    return value.numpy(), tape.gradient(value, student).numpy()


def test_a_head_like_the_gaze_pays_nothing():
    gaze = density(3, 4, 5)
    value = gaze_saliency_loss(gaze, tf.math.log(0.95 * gaze + 0.05 / 20))
    np.testing.assert_allclose(value, 0, atol=1e-6)


def test_a_flat_head_pays_log_n_minus_the_entropy_of_the_gaze():
    gaze = density(3, 4, 5).numpy()
    entropy = -(gaze * np.log(gaze)).sum(axis=(1, 2))
    value = gaze_saliency_loss(tf.constant(gaze), tf.zeros([3, 4, 5]), uniform_share=0.0)
    np.testing.assert_allclose(value, np.log(20) - entropy, rtol=1e-5)


def test_the_uniform_share_bounds_the_cost_of_one_stray_point():
    stray = np.zeros((1, 4, 5), np.float32)
    stray[0, 0, 0] = 1
    sure = np.zeros((1, 4, 5), np.float32)
    sure[0, 3, 4] = 12  # the head is sure of another cell
    plain = gaze_saliency_loss(tf.constant(stray), tf.constant(sure), uniform_share=0.0)
    mixed = gaze_saliency_loss(tf.constant(stray), tf.constant(sure), uniform_share=1.0)
    assert float(plain[0]) > 11.9
    # With e = 1 the target is uniform: the loss no longer knows where the point was.
    elsewhere = gaze_saliency_loss(tf.constant(stray[:, ::-1]), tf.constant(sure), uniform_share=1.0)
    np.testing.assert_allclose(mixed, elsewhere, rtol=1e-6)


def test_large_t_tends_to_squared_centred_logits():
    teacher, student = normal(6, 5, scale=2), normal(6, 5, seed=1, scale=2)
    v, z = (x - x.mean(axis=1, keepdims=True) for x in (teacher, student))
    limit = ((v - z) ** 2).sum(axis=1) / (2 * 5)
    errors = []
    for temperature in (10.0, 30.0, 100.0):
        value = soft_target_loss(tf.constant(teacher), tf.constant(student), temperature)
        errors.append(np.abs(value / limit - 1).max())
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.05
    _, slope = both(lambda t, s: soft_target_loss(t, s, 100.0), teacher, student)
    np.testing.assert_allclose(slope, (z - v) / 5, rtol=0.15, atol=0.02)


def test_logit_regression_is_twice_the_limit_of_soft_targets():
    teacher, student = normal(6, 5, scale=2), normal(6, 5, seed=1, scale=2)
    limit = soft_target_loss(tf.constant(teacher), tf.constant(student), 300.0)
    np.testing.assert_allclose(logit_regression_loss(teacher, student), 2 * limit, rtol=0.03)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_the_parts_of_decoupled_soft_targets_make_up_the_whole(classes, temperature):
    """KL = TCKD + (1 − p_t) · NCKD (Zhao et al. 2022, section 3)."""
    teacher, student = normal(40, classes, scale=3), normal(40, classes, seed=1, scale=3)
    labels = np.arange(40) % classes
    target, rest = decoupled_parts(teacher, student, labels, temperature)
    p = np.exp(teacher / temperature) / np.exp(teacher / temperature).sum(axis=1, keepdims=True)
    whole = target + (1 - p[np.arange(40), labels]) * rest
    np.testing.assert_allclose(whole, soft_target_loss(teacher, student, temperature), rtol=1e-3, atol=1e-4)
    if classes == 2:  # there is but one other class
        np.testing.assert_allclose(rest, 0, atol=1e-4)


def test_without_a_label_the_target_is_what_the_teacher_chooses():
    teacher, student = normal(7, 4, scale=3), normal(7, 4, seed=1)
    unlabelled = decoupled_loss(teacher, student, np.full(7, -1))
    np.testing.assert_array_equal(unlabelled, decoupled_loss(teacher, student, teacher.argmax(axis=1)))


def test_a_sure_teacher_still_teaches_about_the_other_classes():
    """What decoupling is for: 1 − p_t silences that part of plain soft targets."""
    student = normal(1, 4)
    teacher = np.array([[30.0, 2.0, 0.0, -2.0]], np.float32)
    swapped = np.array([[30.0, -2.0, 0.0, 2.0]], np.float32)
    plain = [float(soft_target_loss(t, student, 1.0)[0]) for t in (teacher, swapped)]
    apart = [float(decoupled_loss(t, student, [0], 1.0)[0]) for t in (teacher, swapped)]
    assert abs(plain[0] - plain[1]) < 1e-6 < 0.1 < abs(apart[0] - apart[1])


def test_t_squared_keeps_the_size_of_the_gradient():
    teacher, student = normal(64, 4, scale=4), normal(64, 4, seed=1, scale=0.3)
    sizes = [
        np.abs(both(lambda a, b, t=t: soft_target_loss(a, b, t), teacher, student)[1]).mean()
        for t in (2.0, 4.0, 8.0, 16.0)
    ]
    assert max(sizes) / min(sizes) < 2, sizes
    # Without it the gradient shrinks by far more than that.
    bare = [size / t**2 for size, t in zip(sizes, (2, 4, 8, 16))]
    assert max(bare) / min(bare) > 10


def test_divergences_are_never_negative_and_zero_only_in_agreement():
    for seed in range(20):
        teacher, student = normal(50, 4, seed=seed, scale=3), normal(50, 4, seed=seed + 99, scale=3)
        assert soft_target_loss(teacher, student, 1.0 + seed).numpy().min() > 0
        head = tf.constant(normal(5, 3, 4, seed=seed, scale=5))
        assert gaze_saliency_loss(density(5, 3, 4, seed=seed), head).numpy().min() > 0


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6, 1e30])
def test_extreme_logits_give_numbers(size):
    teacher = np.array([[size, -size, 0, 0], [0, 0, 0, size]], np.float32)
    student = teacher[::-1].copy()
    for t in (1.0, 4.0):
        for value in both(lambda a, b, t=t: soft_target_loss(a, b, t), teacher, student):
            assert np.isfinite(value).all()
        for value in both(lambda a, b, t=t: decoupled_loss(a, b, [0, -1], t), teacher, student):
            assert np.isfinite(value).all()
    for value in both(lambda y, z: hard_label_loss(tf.constant(y), z), [1, -1], student):
        assert np.isfinite(value).all()
    head = np.zeros((1, 2, 2), np.float32)
    head[0, 0, 0], head[0, 1, 1] = size, -size
    gaze = np.zeros((1, 2, 2), np.float32)
    gaze[0, 1, 1] = 1
    for share in (0.0, 0.05):
        for value in both(lambda g, h, e=share: gaze_saliency_loss(tf.constant(g), h, e), gaze, head):
            assert np.isfinite(value).all()


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e3, 1e12])
def test_attention_does_not_depend_on_the_scale_of_the_features(factor):
    teacher, student = normal(3, 4, 6, 5), normal(3, 4, 6, 2, seed=1)
    for other in (teacher, normal(3, 2, 3, 5, seed=2)):
        plain = attention_transfer_loss(tf.constant(other), tf.constant(student))
        scaled = attention_transfer_loss(tf.constant(other), tf.constant(factor * student))
        np.testing.assert_allclose(scaled, plain, rtol=1e-4)
        swapped = attention_transfer_loss(tf.constant(factor * other), tf.constant(student))
        np.testing.assert_allclose(swapped, plain, rtol=1e-4)


def test_attention_is_twice_one_minus_the_cosine():
    teacher, student = normal(8, 4, 6, 5), normal(8, 4, 6, 2, seed=1)
    q_t, q_s = ((f.astype(float) ** 2).mean(-1).reshape(8, -1) for f in (teacher, student))
    cosine = (q_t * q_s).sum(1) / np.linalg.norm(q_t, axis=1) / np.linalg.norm(q_s, axis=1)
    value = attention_transfer_loss(tf.constant(teacher), tf.constant(student)).numpy()
    np.testing.assert_allclose(value, 2 * (1 - cosine), rtol=1e-4)
    assert value.min() >= 0 and value.max() <= 2


def test_attention_of_maps_without_overlap_is_two():
    left, right = np.zeros((1, 2, 4, 3), np.float32), np.zeros((1, 2, 4, 3), np.float32)
    left[:, :, :2], right[:, :, 2:] = 1, -1
    np.testing.assert_allclose(attention_transfer_loss(tf.constant(left), tf.constant(right)), 2, rtol=1e-5)


def test_gaze_attention_with_uniform_gaze_is_attention_and_does_not_depend_on_the_scale_of_the_gaze():
    teacher, student = tf.constant(normal(3, 4, 6, 5)), tf.constant(normal(3, 4, 6, 2, seed=1))
    plain = attention_transfer_loss(teacher, student)
    for level in (1 / 24, 1.0, 1e-20):
        uniform = tf.fill((3, 4, 6), np.float32(level))
        np.testing.assert_allclose(gaze_attention_loss(uniform, teacher, student), plain, rtol=1e-5)


def test_gaze_attention_sees_only_what_was_looked_at():
    teacher, student = normal(2, 4, 6, 5), normal(2, 4, 6, 3, seed=1)
    gaze = np.zeros((2, 4, 6), np.float32)
    gaze[:, 1:3, 2:4] = np.random.default_rng(2).random((2, 2, 2))
    value = gaze_attention_loss(tf.constant(gaze), tf.constant(teacher), tf.constant(student))
    elsewhere = np.where(gaze[..., None] == 0, 100.0, 1.0).astype(np.float32)
    changed = gaze_attention_loss(tf.constant(gaze), tf.constant(teacher), tf.constant(student * elsewhere))
    np.testing.assert_allclose(changed, value, rtol=1e-5)
    assert np.min(value) > 0
    # One cell alone has one shape, and no gaze at all has nothing to compare.
    for cells, expected in (([(1, 2)], 0.0), ([], 0.0)):
        gaze = np.zeros((2, 4, 6), np.float32)
        for row, column in cells:
            gaze[:, row, column] = 1
        value = gaze_attention_loss(tf.constant(gaze), tf.constant(teacher), tf.constant(student))
        np.testing.assert_allclose(value, expected, atol=1e-6)


def test_attention_looks_at_the_energy_not_at_the_sign():
    features = normal(2, 4, 4, 3)
    signs = np.sign(normal(2, 4, 4, 3, seed=1))
    np.testing.assert_allclose(attention_map(features), attention_map(features * signs), rtol=1e-5)
    # Shrinking must not let neighbours of opposite sign cancel.
    np.testing.assert_allclose(
        attention_transfer_loss(tf.constant(features * signs), tf.constant(normal(2, 2, 2, 3, seed=3))),
        attention_transfer_loss(tf.constant(features), tf.constant(normal(2, 2, 2, 3, seed=3))),
        rtol=1e-5,
    )


def test_a_hint_is_about_one_for_the_batch_mean():
    target = normal(64, 5, 5, 8, scale=7)
    guess = np.broadcast_to(target.mean(axis=0), target.shape)
    assert 0.95 < float(np.mean(hint_loss(target, guess))) < 1.05
    np.testing.assert_allclose(
        hint_loss(target, guess), hint_loss(100 * target, 100 * guess), rtol=1e-3
    )  # whatever the teacher's units


def test_similarity_does_not_depend_on_scale_or_rotation_of_the_features():
    teacher, student = normal(6, 2, 2, 3), normal(6, 10, seed=1)
    rotation, _ = np.linalg.qr(normal(10, 10, seed=2))
    plain = similarity_preserving_loss(teacher, student)
    np.testing.assert_allclose(similarity_preserving_loss(5 * teacher, 0.1 * student), plain, rtol=1e-4)
    np.testing.assert_allclose(similarity_preserving_loss(teacher, student @ rotation), plain, rtol=1e-3)


def test_an_unlabelled_frame_costs_nothing_and_teaches_nothing():
    value, slope = both(lambda y, z: hard_label_loss(tf.constant(y), z), [-1, 2, -1], normal(3, 4))
    assert value[0] == value[2] == 0 < value[1]
    assert not slope[[0, 2]].any() and slope[1].any()


def test_equal_logits_cost_log_k():
    np.testing.assert_allclose(hard_label_loss(tf.constant([0, 3]), tf.ones([2, 7])), np.log(7), rtol=1e-6)


def test_label_smoothing_mixes_in_the_uniform_target():
    """(1 − e)·CE(y) + e·CE(uniform), whose minimum is not at certainty any more."""
    labels, logits = tf.constant([0, 3, -1]), tf.constant(normal(3, 4, scale=3))
    uniform = np.mean([hard_label_loss(tf.fill([3], k), logits) for k in range(4)], axis=0)
    mixed = 0.8 * hard_label_loss(labels, logits) + 0.2 * uniform * [1, 1, 0]
    np.testing.assert_allclose(hard_label_loss(labels, logits, 0.2), mixed, rtol=1e-5)


def test_a_gaze_map_on_another_grid_is_refused():
    with pytest.raises(InputError, match="gaze maps have the grid 4×5 and the saliency logits 5×4"):
        gaze_saliency_loss(density(2, 4, 5), tf.zeros([2, 5, 4]))
