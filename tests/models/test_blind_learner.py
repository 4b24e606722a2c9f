"""A teacher's gaze pretraining: it predicts the gaze from the frame, without seeing it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from losses.gaze import gaze_saliency_loss
from models import create
from models.teaching import BlindLearner


@pytest.fixture(scope="module")
def learner():
    """A teacher that multiplies its features by the gaze before, at and behind the map that predicts it."""
    keras.utils.set_random_seed(0)
    options = {"width": 0.25, "fusion_stride": [4, 8, 16], "gaze_dropout": 0.0}
    made = BlindLearner(create("sononet_16", (32, 48, 1), 3, **options))
    made.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    return made


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    gaze = rng.random((6, 4, 6)).astype("float32") ** 4
    features = {
        "frame": rng.random((6, 32, 48, 1)).astype("float32"),
        "gaze": gaze / gaze.sum(axis=(1, 2), keepdims=True),
        "gaze_valid": np.array([True] * 5 + [False]),
    }
    return tf.nest.map_structure(tf.constant, (features, np.full(6, -1, "int32"), np.ones(6, "float32")))


def test_its_loss_is_that_of_a_map_predicted_with_the_uniform_gaze(learner, batch):
    features, label, weight = batch
    teacher = learner.network
    tapped = keras.Model(teacher.inputs, teacher.get_layer("stride8").output)
    seen = tapped([features["frame"], tf.fill((6, 4, 6), 1 / 24)], training=False)
    logits = learner.objective.saliency_head(seen)[..., 0]
    expected = tf.reduce_mean(gaze_saliency_loss(features["gaze"], logits)[:5])
    learner.reset_metrics()
    assert float(learner.test_step((features, label, weight))["loss"]) == pytest.approx(float(expected), rel=1e-5)
    looked = tapped([features["frame"], features["gaze"]], training=False)
    assert not np.allclose(seen, looked)  # with its gaze it would have seen something else


def test_a_step_moves_the_layers_up_to_the_map_and_no_other(learner, batch):
    before = {variable.path: variable.numpy() for variable in learner.network.trainable_variables}
    learner.train_step(batch)
    moved = {v.path.split("/")[-2] for v in learner.network.trainable_variables if (v.numpy() != before[v.path]).any()}
    assert {"conv1_1_conv", "conv4_3_conv"} <= moved
    assert not any(name.startswith(("conv5", "adaptation", "classes")) for name in moved)


def test_a_teacher_without_the_map_is_refused():
    student = keras.Sequential([keras.Input((32, 48, 1), name="frame"), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="has no tap 'stride8'"):
        BlindLearner(student)
