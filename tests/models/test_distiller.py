"""The Distiller keeps its contract, and where Keras' own does not, the same test shows that too."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.losses import oracles
from tests.models import tiny
from tests.models.distillers import distiller, frames, keras_distiller, look, maps, step, weights


def test_every_term_is_its_formula_and_the_total_is_their_weighted_sum():
    student, teacher = tiny.student(), tiny.teacher()
    made = distiller(student, teacher)
    data = tiny.batch(valid=[1, 0, 1, 1, 0, 0], label=[0, 1, 2, -1, 1, 0], weight=[1, 2, 0.5, 1, 3, 1])
    features, label, weight = data
    s = maps(student, features, ["frame"])
    t = maps(teacher, features, ["frame", "gaze"])
    assert t["stride8"].shape[1:] != s["stride8"].shape[1:]  # widths and grids differ
    head, bias = weights(made.objective.saliency_head)
    kernel, offset = weights(made.objective.heads["adapter_stride16"])
    adapted = s["stride16"] @ kernel[0, 0] + offset

    def mean(values):
        return (weight * values).sum() / len(weight)

    valid = features["gaze_valid"]
    heat = (s["stride8"] @ head[0, 0] + bias)[..., 0]
    expected = {
        "hard": mean(oracles.hard(label, s["logits"])),
        "soft": mean(oracles.soft(t["logits"], s["logits"], 3.0)),
        "gaze": (weight * valid * oracles.gaze(features["gaze"], heat, 0.05)).sum() / 3,
        "attention": sum(mean(oracles.attention(t[tap], s[tap])) for tap in ("stride8", "stride16")),
        "hint": mean(oracles.hint(t["stride16"], adapted)),
        "similarity": (weight * oracles.similarity(t["stride16"], s["stride16"])).sum(),
        "regularisation": 0.0,
    }
    factors = {"hard": 0.4, "soft": 0.6, "gaze": 0.3, "attention": 0.8, "hint": 0.2, "similarity": 2.0}
    total = sum(factors[name] * expected[name] for name in factors)
    same = s["logits"].argmax(1) == t["logits"].argmax(1)
    right = (s["logits"].argmax(1) == label)[label >= 0]
    expected |= {"loss": total, "agreement": same.mean(), "accuracy": right.mean()}

    logs = step(made, data)
    assert logs.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-3, atol=1e-6, err_msg=name)


def test_soft_targets_have_their_softmax_and_t_squared():
    """Fault 1 of keras.distillation: neither."""
    student, teacher = tiny.student(), tiny.teacher(gaze=False)
    student.layers[-1].set_weights([5 * w for w in student.layers[-1].get_weights()])
    data = tiny.batch(16)
    z_s, z_t = (model(data[0]["frame"], training=False).numpy() for model in (student, teacher))
    formula = oracles.soft(z_t, z_s, 3.0).mean()
    made = distiller(student, teacher, alpha=1.0, gaze=0.0, attention=0.0, hint=0.0, similarity=0.0)
    np.testing.assert_allclose(look(made, data)["loss"], formula, rtol=1e-3)
    theirs = float(keras.distillation.LogitsDistillation(temperature=3.0).compute_loss(z_t, z_s))
    assert abs(theirs / formula - 1) > 0.1


def test_evaluation_leaves_batch_normalisation_alone():
    """Fault 2 of keras.distillation: evaluate() with a tapped layer moves the student's statistics."""

    def moving(student):
        return weights(student.get_layer("bn"))[2:]

    data = tiny.batch()
    student = tiny.student(batch_norm=True)
    made, before = distiller(student), moving(student)
    made.evaluate(tf.data.Dataset.from_tensors(data), verbose=0)
    for kept, now in zip(before, moving(student)):
        np.testing.assert_array_equal(kept, now)
    step(made, data)
    assert any((kept != now).any() for kept, now in zip(before, moving(student)))  # training does move them

    student = tiny.student(batch_norm=True, width=10)
    tap = keras.distillation.FeatureDistillation(
        loss="mse", teacher_layer_name="stride16", student_layer_name="stride16"
    )
    theirs, before = keras_distiller(student, tiny.teacher(gaze=False), [tap]), moving(student)
    theirs.evaluate(*frames(data)[:2], verbose=0)
    assert any((kept != now).any() for kept, now in zip(before, moving(student)))


def test_the_student_runs_once_a_step():
    """Fault 2 again: there, a tapped layer makes it run twice."""
    data = tiny.batch()
    student = tiny.student(counter=True)
    made = distiller(student, graphs=True)
    made.fit(tf.data.Dataset.from_tensors(data).repeat(3), epochs=1, verbose=0)
    assert int(student.get_layer("counter").passes) == 3
    made.evaluate(tf.data.Dataset.from_tensors(data).repeat(2), verbose=0)
    assert int(student.get_layer("counter").passes) == 5

    student = tiny.student(counter=True, width=10)
    tap = keras.distillation.FeatureDistillation(
        loss="mse", teacher_layer_name="stride16", student_layer_name="stride16"
    )
    theirs = keras_distiller(student, tiny.teacher(gaze=False), [tap])
    theirs.train_step(frames(data)[:2])
    assert int(student.get_layer("counter").passes) == 2


def test_a_frame_of_weight_zero_has_no_influence():
    """Fault 3 of keras.distillation: sample_weight is ignored."""
    weight = [1, 1, 0, 1, 0, 1]
    data = tiny.batch(weight=weight)
    other = tiny.batch(weight=weight, seed=7)
    swapped = tf.nest.map_structure(np.copy, data)
    for kept, new in zip(tf.nest.flatten(swapped[:2]), tf.nest.flatten(other[:2])):
        kept[[2, 4]] = new[[2, 4]]
    assert (swapped[0]["frame"] != data[0]["frame"]).any()
    results = []
    for given in (data, swapped):
        # Similarities are between pairs and the hint's variance is the batch's: both see every frame.
        made = distiller(hint=0.0, similarity=0.0)
        step(made, given)
        results.append(weights(made.student) + weights(made.objective.saliency_head))
    for first, second in zip(*results):
        np.testing.assert_allclose(first, second, atol=1e-7)

    theirs = []
    for given in (data, swapped):
        student = tiny.student()
        made = keras_distiller(student, tiny.teacher(gaze=False), keras.distillation.LogitsDistillation())
        made.train_step(frames(given))
        theirs.append(weights(student))
    assert any(np.abs(first - second).max() > 1e-5 for first, second in zip(*theirs))


def test_doubled_weights_double_every_term_and_the_step():
    made, again = distiller(rate=0.01), distiller(rate=0.01)
    before = weights(made.student)
    data, doubled = tiny.batch(), tiny.batch(weight=[2] * 6)
    logs, logs_doubled = step(made, data), step(again, doubled)
    for name in ("loss", "hard", "soft", "gaze", "attention", "hint", "similarity"):
        assert logs[name] > 0
        np.testing.assert_allclose(logs_doubled[name], 2 * logs[name], rtol=1e-5)
    for start, once, twice in zip(before, weights(made.student), weights(again.student)):
        np.testing.assert_allclose(twice - start, 2 * (once - start), rtol=1e-3, atol=1e-7)


def test_without_weights_each_frame_counts_one():
    data = tiny.batch()
    assert look(distiller(), data) == look(distiller(), data[:2])


def test_the_students_own_losses_count():
    """Fault 3 again: a student's regularisation is ignored there."""
    strength, rate = 0.05, 0.1
    student = tiny.student(regularizer=keras.regularizers.L2(strength))
    made = distiller(student, rate=rate)
    before = [w for w in student.trainable_variables if w.name == "kernel"]
    before = {w.path: np.array(w) for w in before}
    data = tiny.batch(weight=[0] * 6)  # nothing but the regularisation is left
    logs = step(made, data)
    kernel = next(path for path in before if "conv8" in path)
    np.testing.assert_allclose(logs["regularisation"], strength * (before[kernel] ** 2).sum(), rtol=1e-5)
    np.testing.assert_allclose(logs["loss"], logs["regularisation"], rtol=1e-6)
    for variable in student.trainable_variables:
        if variable.path in before:
            factor = 1 - 2 * strength * rate if variable.path == kernel else 1.0
            np.testing.assert_allclose(variable, factor * before[variable.path], rtol=1e-5)

    losses = []
    for regularizer in (None, keras.regularizers.L2(1e6)):
        student = tiny.student(regularizer=regularizer)
        theirs = keras_distiller(student, tiny.teacher(gaze=False), keras.distillation.LogitsDistillation())
        losses.append(float(theirs.train_step(frames(tiny.batch()))["loss"]))
    assert losses[0] == losses[1]


def test_an_activity_loss_counts_too():
    student = tiny.student()
    layer = student.get_layer("conv16")
    layer.activity_regularizer = keras.regularizers.L1(0.3)
    data = tiny.batch()
    expected = 0.3 * np.abs(keras.Model(student.input, layer.output)(data[0]["frame"])).sum() / 6
    np.testing.assert_allclose(look(distiller(student), data)["regularisation"], expected, rtol=1e-4)


def test_a_teacher_that_takes_the_gaze_is_accepted_and_sees_it():
    """Fault 4 of keras.distillation: inputs must be the same there."""
    teacher = tiny.teacher()
    made = distiller(tiny.student(), teacher)
    data, other = tiny.batch(), tiny.batch()
    other[0]["gaze"][:] = 1 / 16
    assert look(made, data)["soft"] != look(made, other)["soft"]
    with pytest.raises(ValueError):
        keras_distiller(tiny.student(), teacher, keras.distillation.LogitsDistillation())


def test_widths_and_grids_may_differ():
    """Fault 5 of keras.distillation: layers of different shapes are refused there."""
    for grid in (2, 4, 8):
        logs = step(distiller(teacher=tiny.teacher(grid=grid, width=7), hint_taps=("stride16",)), tiny.batch())
        assert logs["attention"] > 0 and logs["hint"] > 0 and np.isfinite(logs["loss"])
    tap = keras.distillation.FeatureDistillation(loss="mse", teacher_layer_name="stride8", student_layer_name="stride8")
    with pytest.raises((ValueError, RuntimeError, tf.errors.InvalidArgumentError)):
        theirs = keras_distiller(tiny.student(), tiny.teacher(gaze=False), [tap])
        theirs.train_step(frames(tiny.batch()))


def test_the_teacher_is_no_part_of_the_distiller(tmp_path):
    """Fault 6 of keras.distillation: the teacher is tracked and saved with the student."""
    student, teacher = tiny.student(), tiny.teacher()
    made = distiller(student, teacher)
    step(made, tiny.batch())
    foreign = {id(variable) for variable in teacher.variables}
    assert not foreign & {id(variable) for variable in made.variables + made.weights}
    heads = made.objective.count_params()
    assert sum(int(np.prod(v.shape)) for v in made.weights) - heads == student.count_params() + _metrics(made)
    assert heads == (6 + 1) + (6 * 10 + 10)  # saliency head and one adapter: small, and not the student's

    student.save(tmp_path / "student.keras")
    alone = keras.models.load_model(tmp_path / "student.keras")
    assert alone.count_params() == student.count_params()
    frame = tiny.batch()[0]["frame"]
    np.testing.assert_allclose(alone(frame), student(frame), rtol=1e-6)

    teacher = tiny.teacher(gaze=False)
    theirs = keras_distiller(tiny.student(), teacher, keras.distillation.LogitsDistillation())
    assert {id(variable) for variable in teacher.variables} <= {id(variable) for variable in theirs.variables}


def _metrics(made):
    tracked = {id(variable) for variable in made.weights}
    return sum(int(np.prod(v.shape)) for m in made.metrics for v in m.variables if id(v) in tracked)


def test_training_leaves_the_teacher_as_it_was():
    teacher = tiny.teacher()
    before = weights(teacher)
    made = distiller(teacher=teacher)
    for seed in range(3):
        step(made, tiny.batch(seed=seed))
    for kept, now in zip(before, weights(teacher)):
        np.testing.assert_array_equal(kept, now)
