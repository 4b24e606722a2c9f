"""Each way of transfer alone and with the others, on frames with and without labels."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from losses import TERMS, LossSettings
from models.distiller import Distiller, teacher_pass
from models.ensemble import Ensemble, combine, shares
from tests.losses import oracles
from tests.models import tiny

OFF = LossSettings(alpha=0.0, gaze=0.0, attention=0.0, hard=0.0, warmup=0.0, decay_from=1.0)
WAYS = ("soft", "logit", "decoupled", "attention", "hint", "similarity", "gaze")
LABELS = [0, 1, 2, -1, -1, 0]


def only(*names):
    """Settings with these terms at weight 1 and nothing else."""
    return dataclasses.replace(OFF, **{"alpha" if name == "soft" else name: 1.0 for name in names})


def distiller(settings, teacher="default", student=None):
    teacher = tiny.teacher(grid=4) if teacher == "default" else teacher
    made = Distiller(student or tiny.student(), teacher, settings)
    # The random start of the heads depends on which of them there are.
    made.objective.set_weights([np.full(w.shape, 0.1 + 0.1 * w.ndim) for w in made.objective.get_weights()])
    made.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=False)
    return made


def step(made, data):
    made.reset_metrics()
    data = tf.nest.map_structure(tf.convert_to_tensor, data)
    return {name: float(value) for name, value in made.train_step(data).items()}


def logits(model, data):
    names = [tensor.name for tensor in model.inputs]
    return np.array(model([data[0][name] for name in names] if len(names) > 1 else data[0]["frame"]), float)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_alone_is_the_whole_loss_and_moves_the_student(way):
    made = distiller(only(way))
    before = made.student.get_weights()
    logs = step(made, tiny.batch(label=[-1] * 6))  # none of them needs a label
    assert {name for name in logs if name in (*WAYS, "hard")} == {way}
    np.testing.assert_allclose(logs["loss"], logs[way], rtol=1e-6)
    assert logs[way] > 0
    moved = [(old != new).any() for old, new in zip(before, made.student.get_weights())]
    assert moved[0], "its gradient reaches the first layer"


def test_together_they_are_the_sum_of_what_each_is_alone():
    data = tiny.batch(label=LABELS)
    alone = {way: step(distiller(only(way)), data)[way] for way in WAYS}
    logs = step(distiller(only(*WAYS)), data)
    for way, value in alone.items():
        np.testing.assert_allclose(logs[way], value, rtol=1e-5, err_msg=way)
    np.testing.assert_allclose(logs["loss"], sum(alone.values()), rtol=1e-5)


def test_logits_and_decoupled_targets_are_their_formulas_over_all_frames():
    student, teacher = tiny.student(), tiny.teacher()
    data = tiny.batch(label=LABELS, weight=[1, 2, 0.5, 1, 3, 1])
    _, label, weight = data
    z_s, z_t = logits(student, data), logits(teacher, data)
    settings = dataclasses.replace(only("logit", "decoupled"), temperature=2.0, dkd_alpha=1.5, dkd_beta=3.0)
    logs = step(distiller(settings, teacher, student), data)
    parts = oracles.decoupled(z_t, z_s, label, 2.0)
    np.testing.assert_allclose(logs["logit"], (weight * oracles.logit(z_t, z_s)).sum() / 6, rtol=1e-3)
    np.testing.assert_allclose(logs["decoupled"], (weight * ([1.5, 3.0] @ parts)).sum() / 6, rtol=1e-3)


def test_a_frame_without_a_label_feeds_every_term_but_the_hard_one():
    data, unlabelled = tiny.batch(label=[0] * 6), tiny.batch(label=[0, 0, 0, 0, 0, -1])
    settings = dataclasses.replace(only("soft", "logit", "attention", "hint", "similarity", "gaze"), hard=1.0)
    whole, part = (step(distiller(settings), given) for given in (data, unlabelled))
    assert part["hard"] < whole["hard"]
    for name in ("soft", "logit", "attention", "hint", "similarity", "gaze"):
        assert part[name] == whole[name] > 0


def test_hard_is_a_factor_beside_one_minus_alpha():
    data = tiny.batch()
    logs = step(distiller(dataclasses.replace(OFF, alpha=0.25, hard=2.0)), data)
    np.testing.assert_allclose(logs["loss"], 1.5 * logs["hard"] + 0.25 * logs["soft"], rtol=1e-5)


def three():
    teachers = tiny.teacher(seed=1), tiny.teacher(gaze=False, width=7, seed=2), tiny.teacher(grid=4, seed=3)
    for model in teachers:  # sharper than at random, so that the means differ from the single ones
        model.layers[-1].set_weights([6 * w for w in model.layers[-1].get_weights()])
    return teachers


def test_an_ensemble_teaches_the_weighted_mean_of_the_probabilities():
    teachers, weights, temperature = three(), shares(3, [1, 1, 2]), 3.0
    assert weights == (0.25, 0.25, 0.5)
    data, student = tiny.batch(12), tiny.student()
    each, z_s = [logits(model, data) for model in teachers], logits(student, data)
    settings = dataclasses.replace(only("soft", "logit", "decoupled"), temperature=temperature)
    logs = step(distiller(settings, Ensemble(teachers, weights), student), data)
    target = oracles.ensemble(each, weights, temperature)
    log_q = oracles.log_softmax(z_s / temperature)
    soft = temperature**2 * (target * (np.log(target) - log_q)).sum(axis=1).mean()
    np.testing.assert_allclose(logs["soft"], soft, rtol=1e-3)
    decoupled = [1, 8] @ oracles.decoupled(temperature * np.log(target), z_s, data[1], temperature)
    np.testing.assert_allclose(logs["decoupled"], decoupled.mean(), rtol=1e-3)
    mean = sum(share * z for share, z in zip(weights, each))
    np.testing.assert_allclose(logs["logit"], oracles.logit(mean, z_s).mean(), rtol=1e-3)
    chosen = oracles.ensemble(each, weights, 1.0).argmax(axis=1)
    np.testing.assert_allclose(logs["agreement"], (chosen == z_s.argmax(axis=1)).mean())


def test_regression_to_the_mean_logits_has_the_gradient_of_the_mean_regression():
    teachers, data = three(), tiny.batch()
    mean = distiller(only("logit"), Ensemble(teachers, shares(3, None)), tiny.student(seed=5))
    step(mean, data)
    moves = []
    for teacher in teachers:
        one = distiller(only("logit"), teacher, tiny.student(seed=5))
        before = one.student.get_weights()
        step(one, data)
        moves.append([new - old for new, old in zip(one.student.get_weights(), before)])
    for start, after, *single in zip(before, mean.student.get_weights(), *moves):
        np.testing.assert_allclose(after - start, np.mean(single, axis=0), rtol=1e-3, atol=1e-6)


def test_teachers_that_are_alike_teach_like_one():
    teacher, data = tiny.teacher(grid=4), tiny.batch()
    settings = only(*WAYS)
    one = step(distiller(settings, teacher), data)
    three_of_it = step(distiller(settings, Ensemble((teacher,) * 3, shares(3, [1, 5, 2]))), data)
    for name, value in one.items():
        np.testing.assert_allclose(three_of_it[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_sure_teacher_of_tiny_share_gives_finite_targets():
    sure, other = np.array([[900.0, -900.0, 0.0]], np.float32), np.array([[-900.0, 900.0, 0.0]], np.float32)
    made = combine([sure, other], shares(2, [1e-6, 1]), 1.0)
    np.testing.assert_allclose(np.exp(made["logits"])[0], [1e-6, 1, 0], rtol=1e-3, atol=1e-12)
    assert all(np.isfinite(value).all() for value in made.values())


def test_maps_come_from_the_first_teacher_that_has_the_taps():
    bare, whole = tiny.student(taps=False, seed=4), tiny.teacher(grid=4)  # the first has no stride8
    data = tiny.batch()
    settings = only("attention", "hint")
    both = step(distiller(settings, Ensemble((bare, whole), (0.5, 0.5))), data)
    alone = step(distiller(settings, whole), data)
    assert both["attention"] == alone["attention"] and both["hint"] == alone["hint"]
    with pytest.raises(InputError, match="none of the 2 teachers has all of the taps stride8, stride16"):
        distiller(settings, Ensemble((bare, bare), (0.5, 0.5)))


def test_an_ensemble_is_no_part_of_the_distiller_and_stays_as_it_was():
    teachers = three()
    before = [model.get_weights() for model in teachers]
    made = distiller(only("soft", "attention"), Ensemble(teachers, shares(3, None)))
    step(made, tiny.batch())
    own = {id(variable) for variable in made.variables}
    for model, weights in zip(teachers, before):
        assert not own & {id(variable) for variable in model.variables}
        for old, new in zip(weights, model.get_weights()):
            np.testing.assert_array_equal(old, new)


def test_every_teacher_of_an_ensemble_must_have_the_students_classes():
    with pytest.raises(InputError, match="has 4 classes and student student has 3"):
        distiller(only("soft"), Ensemble((tiny.teacher(), tiny.teacher(classes=4)), (0.5, 0.5)))


@pytest.mark.parametrize(
    ("count", "weights", "words"),
    [
        (3, [1, 2], "one for each of the 3 teachers in teacher_path, not 2"),
        (2, [1, 0], "must be above 0, not 0"),
        (1, [float("nan")], "nan"),
    ],
)
def test_weights_that_fit_no_teachers_are_refused(count, weights, words):
    with pytest.raises(InputError, match=words):
        shares(count, weights)


def test_a_teacher_pass_has_no_gradient():
    run = teacher_pass(Ensemble(three(), shares(3, None)), only("soft", "logit", "attention"))
    features = {name: tf.convert_to_tensor(value) for name, value in tiny.batch()[0].items()}
    with tf.GradientTape() as tape:
        tape.watch(features["frame"])
        outputs = run(features)
        total = tf.add_n([tf.reduce_sum(value) for value in outputs.values()])
    assert set(outputs) == {"logits", "soft_logits", "mean_logits", "stride8", "stride16"}
    assert tape.gradient(total, features["frame"]) is None


def test_gaze_alone_trains_what_is_below_its_tap_and_nothing_above():
    student = tiny.student()
    made = distiller(only("gaze"), None, student)
    before = {layer.name: layer.get_weights() for layer in student.layers}
    logs = step(made, tiny.batch(label=[-1] * 6))
    assert set(logs) == {"loss", "gaze", "regularisation", "accuracy"}
    for layer in student.layers:
        for old, new in zip(before[layer.name], layer.get_weights()):
            assert (old != new).any() == (layer.name == "conv8"), layer.name


def test_nothing_to_learn_from_is_said():
    with pytest.raises(InputError, match="every weight is 0: there is nothing to learn from"):
        distiller(OFF)
    with pytest.raises(InputError, match=r"every weight is 0 \(without a teacher\)"):
        distiller(only("soft", "logit"), None)


def test_without_a_teacher_every_term_that_needs_one_is_off():
    settings = LossSettings(logit=1.0, decoupled=1.0, hint=1.0, similarity=1.0).without_teacher()
    assert [term.name for term in settings.active()] == ["hard", "gaze"]
    assert all(getattr(settings, term.setting) == 0 for term in TERMS.values() if term.needs_teacher)


@pytest.mark.parametrize("name", ["logit", "decoupled", "dkd_alpha", "dkd_beta", "hard"])
def test_weights_that_are_none_are_refused(name):
    for value in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=rf"loss\.{name} must be a number of at least 0, not {value}"):
            LossSettings(**{name: value})
