"""Which frames each term of the Distiller's loss is over, when it counts, and what is refused."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from losses import LossSettings
from models.distiller import Distiller
from models.objective import Objective
from tests.models import tiny
from tests.models.distillers import distiller, look, step, weights


def test_a_batch_without_gaze_costs_exactly_nothing():
    data = tiny.batch(valid=[0] * 6)
    data[0]["gaze"][:] = 1 / 16
    made = distiller()
    before = weights(made.objective.saliency_head)
    logs = step(made, data)
    assert logs["gaze"] == 0.0
    assert all(np.isfinite(value) for value in logs.values())
    for kept, now in zip(before, weights(made.objective.saliency_head)):
        np.testing.assert_array_equal(kept, now)
    # The rest of the loss is what it is with the gaze loss switched off.
    for one, other in zip(_student_after(data, hint=0.0), _student_after(data, hint=0.0, gaze=0.0)):
        np.testing.assert_allclose(one, other, atol=1e-7)
    with_gaze = distiller()
    assert step(with_gaze, tiny.batch())["gaze"] > 0
    assert (weights(with_gaze.objective.saliency_head)[0] != before[0]).any()


def _student_after(data, **settings):
    made = distiller(**settings)
    step(made, data)
    return weights(made.student)


def test_gaze_is_averaged_over_the_frames_that_have_it():
    half = tiny.batch(valid=[1, 1, 1, 0, 0, 0])
    three = tf.nest.map_structure(lambda value: value[:3], half)
    np.testing.assert_allclose(look(distiller(), half)["gaze"], look(distiller(), three)["gaze"], rtol=1e-5)


@pytest.mark.parametrize(
    "progress, gaze, attention",
    [
        (0.0, 0.0, 0.0),
        (0.05, 0.5, 0.5),
        (0.1, 1.0, 1.0),
        (0.7, 1.0, 1.0),
        (0.85, 1.0, 0.55),  # half way down a half cosine from 1 to 0.1
        (1.0, 1.0, 0.1),
        (1.2, 1.0, 0.1),  # a run that goes on past its plan stays at the end
    ],
)
def test_gaze_and_attention_warm_up_and_attention_fades(progress, gaze, attention):
    settings = LossSettings(alpha=0.7, gaze=0.3, attention=2.0, hint=0.5, similarity=4.0)
    shapes = {"stride8": (4, 4, 2), "stride16": (2, 2, 2)}
    objective = Objective(settings, shapes, shapes)
    full = {"hard": 0.3, "soft": 0.7, "gaze": 0.3 * gaze, "attention": 2.0 * attention, "hint": 0.5}
    full["similarity"] = 4.0
    for name, weight in full.items():
        terms = {other: tf.constant(float(other == name)) for other in full}
        np.testing.assert_allclose(objective.total(terms, progress), weight, rtol=1e-5, atol=1e-7, err_msg=name)


def test_progress_is_counted_in_optimiser_steps():
    made = distiller(rate=0.0, total_steps=100, warmup=0.1, decay_from=0.7, similarity=0.0)
    data = tiny.batch()
    factors = {"hard": 0.4, "soft": 0.6, "hint": 0.2}
    for done, gaze, attention in ((0, 0, 0), (5, 0.5, 0.5), (50, 1, 1), (85, 1, 0.55), (100, 1, 0.1)):
        made.optimizer.iterations.assign(done)
        logs = step(made, data)
        rest = logs["loss"] - sum(factor * logs[name] for name, factor in factors.items())
        expected = 0.3 * gaze * logs["gaze"] + 0.8 * attention * logs["attention"]
        np.testing.assert_allclose(rest, expected, rtol=1e-4, atol=2e-6)


def test_without_a_number_of_steps_the_weights_are_those_that_were_set():
    made, data = distiller(rate=0.0, total_steps=None, warmup=0.1, decay_from=0.7, similarity=0.0), tiny.batch()
    factors = {"hard": 0.4, "soft": 0.6, "gaze": 0.3, "attention": 0.8, "hint": 0.2}
    for done in (0, 1, 100):
        made.optimizer.iterations.assign(done)
        logs = step(made, data)
        np.testing.assert_allclose(
            logs["loss"], sum(factor * logs[name] for name, factor in factors.items()), rtol=1e-5
        )
    assert look(made, data)["loss"] == pytest.approx(
        sum(factor * look(made, data)[name] for name, factor in factors.items()), rel=1e-5
    )


def test_copies_draw_no_random_numbers():
    """Heads that are built after a copy start as without it."""
    made = distiller()
    before = random.getstate()
    made.copied()
    assert random.getstate() == before


def test_evaluation_does_not_depend_on_how_far_training_is():
    made, data = distiller(total_steps=100, warmup=0.1, decay_from=0.7), tiny.batch()
    first = look(made, data)
    made.optimizer.iterations.assign(50)
    assert look(made, data) == first


def test_evaluation_does_not_depend_on_the_batch_size():
    # Hints and similarities are relative to the batch; the other terms are means over frames.
    made = distiller(hint=0.0, similarity=0.0)
    data = tiny.batch(7, valid=[1, 1, 0, 0, 1, 0, 1])
    whole = made.evaluate(tf.data.Dataset.from_tensors(data), verbose=0, return_dict=True)
    parts = tf.data.Dataset.from_tensor_slices(data).batch(3)  # 3, 3 and 1
    parts = made.evaluate(parts, verbose=0, return_dict=True)
    assert whole.keys() == parts.keys()
    for name in ("hard", "soft", "gaze", "attention", "accuracy", "agreement"):
        value = whole[name]
        np.testing.assert_allclose(parts[name], value, rtol=1e-5, err_msg=name)


def test_a_student_alone_learns_from_labels_and_gaze():
    made = distiller(teacher=None)
    logs = step(made, tiny.batch())
    assert set(logs) == {"loss", "hard", "gaze", "regularisation", "accuracy"}
    np.testing.assert_allclose(logs["loss"], logs["hard"] + 0.3 * logs["gaze"], rtol=1e-5)
    assert [variable.path for variable in made.objective.trainable_variables] != []


def test_only_what_is_switched_on_is_logged_and_built():
    logs = step(distiller(gaze=0.0, attention=0.0, hint=0.0, similarity=0.0), tiny.batch())
    assert set(logs) == {"loss", "hard", "soft", "regularisation", "accuracy", "agreement"}
    bare = distiller(gaze=0.0, hint=0.0)
    assert bare.objective.count_params() == 0


def test_unlabelled_frames_still_learn_from_the_teacher():
    made = distiller()
    before = weights(made.student)
    logs = step(made, tiny.batch(label=[-1] * 6))
    assert logs["hard"] == 0 and logs["accuracy"] == 0 and logs["soft"] > 0
    assert any((kept != now).any() for kept, now in zip(before, weights(made.student)))


def test_distillation_brings_the_student_to_its_teacher():
    teacher = tiny.teacher(grid=4, gaze=False)
    teacher.layers[-1].set_weights([4 * w for w in teacher.layers[-1].get_weights()])
    student = tiny.student(width=10)
    made = distiller(student, teacher, alpha=1.0, gaze=0.0, attention=1.0, hint=0.0, similarity=0.0)
    made.compile(optimizer=keras.optimizers.Adam(0.02), jit_compile=False)
    data = tf.data.Dataset.from_tensors(tiny.batch(12))
    before = made.evaluate(data, verbose=0, return_dict=True)
    made.fit(data.repeat(60), epochs=1, verbose=0)
    after = made.evaluate(data, verbose=0, return_dict=True)
    assert after["soft"] < 0.3 * before["soft"]
    assert after["agreement"] >= before["agreement"]


def test_what_does_not_fit_is_said_in_one_line():
    gaze_student = tiny.teacher(grid=4)
    with pytest.raises(InputError, match="one input, frame"):
        Distiller(gaze_student, tiny.teacher())
    with pytest.raises(InputError, match=r"3 classes and student .* has 4"):
        Distiller(tiny.student(classes=4), tiny.teacher())
    with pytest.raises(InputError, match="no tap 'stride8'; it has stride16"):
        Distiller(tiny.student(taps=False), tiny.teacher())
    with pytest.raises(InputError, match="hint_taps stride8: the grid"):
        distiller(hint_taps=("stride8",))
    for wrong in ({"alpha": 1.1}, {"temperature": 0}, {"gaze": -1}, {"warmup": 2}, {"hint": -0.1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            LossSettings(**wrong)
