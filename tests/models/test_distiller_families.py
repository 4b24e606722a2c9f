"""Every registered student, and every registered teacher, distils with all terms on."""

import functools

import keras
import numpy as np
import pytest

from data.saliency import map_size
from losses import LossSettings
from models.distiller import Distiller
from models.registry import create, find
from tests.models.zoo import families

FRAME = (48, 80)  # a grid of its own in the teacher, whose poolings round down


def batch(count=4):
    random = np.random.default_rng(0)
    gaze = random.random((count, *map_size(FRAME))).astype(np.float32)
    features = {
        "frame": random.random((count, *FRAME, 1)).astype(np.float32),
        "gaze": gaze / gaze.sum(axis=(1, 2), keepdims=True),
        "gaze_valid": np.array([True, False] * (count // 2)),
    }
    return features, np.arange(count, dtype=np.int32) % 3, np.ones(count, np.float32)


# What a student meets of a teacher is its taps and logits, so that each family is tried once,
# and the teacher without gaze with one of them.
CASES = [(student, "vgg16", {}) for student in families("student")]
# One that sees the gaze map alone has no features to compare.
CASES += [("squeezenet_1_1", teacher, {}) for teacher in families("teacher") if find(teacher).taps]
CASES += [("squeezenet_1_1", "vgg16", {"fusion": "none"})]


@functools.cache
def built(name, fusion=None):
    """A small model and its first weights; each is built once."""
    keras.utils.set_random_seed(0)
    options = {"fusion": fusion} if fusion else {}
    model = create(name, (*FRAME, 1), 3, **find(name).small, **options)
    return model, model.get_weights()


@pytest.mark.parametrize("student_name, teacher_name, options", CASES)
def test_one_step(student_name, teacher_name, options):
    (student, start), (teacher, _) = built(student_name), built(teacher_name, **options)
    student.set_weights(start)
    keras.utils.set_random_seed(0)
    settings = LossSettings(hint=0.1, similarity=1.0, warmup=0.0)
    made = Distiller(student, teacher, settings, total_steps=4)
    made.compile(optimizer=keras.optimizers.SGD(0.01), jit_compile=False)
    before = [np.array(variable) for variable in made.trainable_variables]
    logs = {name: float(value) for name, value in made.train_step(batch()).items()}
    for name in ("hard", "soft", "gaze", "attention", "hint", "similarity"):
        assert np.isfinite(logs[name]) and logs[name] > 0, name
    for variable, old in zip(made.trainable_variables, before):
        if not variable.path.endswith("saliency_head/bias"):  # a shift of all logits changes no softmax
            assert (np.array(variable) != old).any(), variable.path
