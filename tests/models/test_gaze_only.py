"""The control that sees the gaze map alone: the frame changes nothing, and it learns what maps tell."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from data.saliency import map_size, render_saliency
from models.distiller import Distiller
from models.gaze_only import MapAmplitude
from models.teaching import BlindLearner, TeacherLearner
from studies.declare import read_study
from tests.models.zoo import inputs_of, small
from training import TrainConfig

SIZE = (48, 64)


def test_the_frame_changes_nothing_and_the_map_does():
    model = small("gaze_only", (*SIZE, 1))
    frame, gaze = inputs_of(model)
    answer = model([frame, gaze], training=False)
    np.testing.assert_array_equal(model([1 - frame, gaze], training=False), answer)
    assert np.abs(model([frame, gaze[::-1]], training=False) - answer).max() > 1e-3


def test_a_uniform_map_is_1_everywhere_whatever_its_size():
    for size in ((6, 8), (14, 18)):
        np.testing.assert_allclose(MapAmplitude()(tf.ones([2, *size]) / (size[0] * size[1])), 1, rtol=1e-6)


def maps(label):
    """Gaze maps of frames of 48×64, looked at in a corner for each class."""
    rng = np.random.default_rng(0)
    corner = np.stack([0.25 + 0.5 * (label % 2), 0.25 + 0.5 * (label // 2)], axis=1)
    points = (corner + rng.normal(0, 0.05, corner.shape)).astype(np.float32)[..., None]
    density, _ = render_saliency(
        points[:, 0], points[:, 1], tf.ones_like(points[:, 0], bool), map_size(SIZE), sigma=0.03, aspect=64 / 48
    )
    return density.numpy()


def test_it_learns_the_class_from_the_place_as_any_teacher_is_trained():
    label = np.arange(160) % 4
    features = {"frame": np.zeros((160, *SIZE, 1), np.float32), "gaze": maps(label), "gaze_valid": np.ones(160, bool)}
    teacher = small("gaze_only", (*SIZE, 1), classes=4)
    learner = TeacherLearner(teacher)
    learner.compile(optimizer=keras.optimizers.Adam(5e-3))
    learner.optimizer.build(learner.trainable_variables)  # or the step is traced twice
    batches = tf.data.Dataset.from_tensor_slices((features, label.astype(np.int32), np.ones(160, np.float32)))
    learner.fit(batches.batch(32), epochs=12, verbose=0)
    found = teacher([features["frame"], features["gaze"]], training=False).numpy().argmax(axis=1)
    assert (found == label).mean() > 0.95


def test_what_needs_its_feature_maps_is_refused():
    teacher, student = small("gaze_only"), small("squeezenet_1_1")
    config = TrainConfig("data", "run", teacher="gaze_only", student="squeezenet_1_1")
    with pytest.raises(InputError, match=r"gaze_only.*stride8"):
        Distiller(student, teacher, config.loss)
    with pytest.raises(InputError, match=r"gaze_only.*stride8"):
        BlindLearner(teacher)


@pytest.mark.parametrize("name", ["evidence", "polyps"])
def test_the_studies_have_it_as_an_arm_with_the_steps_of_the_other_teachers(name):
    study = read_study(f"configs/{name}.yaml")
    row = next(row for row in study.rows() if row.name == "gaze_alone.s0")
    assert row.train["teacher"] == "gaze_only" and row.artefact == "teacher/teacher.keras"
    assert not {flag for flag in row.train if "epochs" in flag}, "the preset's epochs are those of every teacher"
