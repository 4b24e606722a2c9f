"""The Keras classes are their functions, and come back from their configuration."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from losses import (
    AttentionTransfer,
    GazeSaliency,
    LogitRegression,
    SimilarityPreserving,
    SoftTargets,
    attention_transfer_loss,
    gaze_saliency_loss,
    logit_regression_loss,
    similarity_preserving_loss,
    soft_target_loss,
)


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


GAZE = tf.nn.softmax(normal(4, 6), axis=-1)
CASES = [
    (
        SoftTargets(temperature=2.5),
        lambda t, s: soft_target_loss(t, s, 2.5),
        normal(4, 3),
        normal(4, 3, seed=1),
    ),
    (
        GazeSaliency(uniform_share=0.2),
        lambda t, s: gaze_saliency_loss(t, s, 0.2),
        tf.reshape(GAZE, (4, 2, 3)),
        normal(4, 2, 3),
    ),
    (AttentionTransfer(), attention_transfer_loss, normal(4, 4, 4, 2), normal(4, 2, 2, 3, seed=1)),
    (SimilarityPreserving(), similarity_preserving_loss, normal(4, 2, 2, 2), normal(4, 5, seed=1)),
    (LogitRegression(), logit_regression_loss, normal(4, 3), normal(4, 3, seed=1)),
]


@pytest.mark.parametrize("loss, function, true, predicted", CASES, ids=[type(c[0]).__name__ for c in CASES])
def test_class_equals_function_and_survives_serialisation(loss, function, true, predicted):
    values = function(true, predicted)
    whole = tf.reduce_sum(values) if loss.reduction == "sum" else tf.reduce_mean(values)
    np.testing.assert_allclose(loss(true, predicted), whole, rtol=1e-6)
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(back) is type(loss) and back.get_config() == loss.get_config()
    np.testing.assert_allclose(back(true, predicted), whole, rtol=1e-6)


def test_sample_weights_are_honoured():
    _, function, true, predicted = CASES[0]
    weights = np.array([0.0, 1.0, 2.0, 0.0], np.float32)
    value = CASES[0][0](true, predicted, sample_weight=weights)
    np.testing.assert_allclose(value, np.sum(weights * function(true, predicted)) / 4, rtol=1e-6)


def test_similarity_preserving_is_the_sum_over_the_rows():
    loss, function, true, predicted = CASES[3]
    np.testing.assert_allclose(loss(true, predicted), np.sum(function(true, predicted)), rtol=1e-6)
