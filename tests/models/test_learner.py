"""One step and one definition of what is logged: for the teacher, the student and its quantized copy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from losses import LossSettings
from models.accounting import Means, logged_names, measure
from models.distiller import Distiller
from models.learner import Learner
from models.teaching import TeacherLearner, predicts_gaze
from tests.losses import oracles
from tests.models import tiny
from tests.quantization import int8_trainer

PARTS = {"hard", "gaze", "soft"}
# 5 frames in batches of 4 and 1; the last one has another share of gaze, labels and large weights.
DATA = tiny.batch(5, valid=[1, 0, 1, 1, 1], label=[0, 1, 2, -1, 1], weight=[1, 3, 1, 1, 5])
BATCHES = tf.data.Dataset.from_tensor_slices(DATA).batch(4)


def whole_epoch(learner):
    learner.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    return learner.evaluate(BATCHES, verbose=0, return_dict=True)


def expected(logits, heat, teacher_logits=None):
    """Mean over the frames that each part is over, by NumPy."""
    features, label, weight = DATA
    valid = features["gaze_valid"]
    chosen, labelled = logits.argmax(axis=1), label >= 0
    found = {
        "hard": (weight * oracles.hard(label, logits)).mean(),
        "gaze": (weight * oracles.gaze(features["gaze"].astype(float), heat, 0.05))[valid].mean(),
        "accuracy": (chosen == label)[labelled].mean(),
    }
    if teacher_logits is not None:
        found["soft"] = (weight * oracles.soft(teacher_logits, logits, 4.0)).mean()
        found["agreement"] = (chosen == teacher_logits.argmax(axis=1)).mean()
    return found


def outputs(model, head):
    """Logits, and the saliency logits of a head on `stride8`."""
    values = keras.Model(model.input, [model.output, head(model.get_layer("stride8").output)])(DATA[0]["frame"])
    return np.array(values[0], float), np.array(values[1], float)[..., 0]


SETTINGS = LossSettings(gaze=0.5, attention=0.0, warmup=0.0)


def student_logs():
    student, teacher = tiny.student(), tiny.teacher(gaze=False)
    made = Distiller(student, teacher, SETTINGS)
    logits, heat = outputs(student, made.objective.saliency_head)
    return whole_epoch(made), expected(logits, heat, teacher(DATA[0]["frame"]).numpy())


def quantized_logs():
    teacher = tiny.teacher(gaze=False)
    student, objective, logs = int8_trainer.validated(tiny.student, teacher, SETTINGS, BATCHES)
    logits, heat = outputs(student, objective.saliency_head)
    return logs, expected(logits, heat, teacher(DATA[0]["frame"]).numpy())


def teacher_logs():
    teacher = tiny.student()
    return whole_epoch(TeacherLearner(teacher)), expected(outputs(teacher, head())[0], np.zeros((5, *tiny.MAP)))


def multitask_logs():
    teacher = tiny.student(saliency=True)
    values = keras.Model(teacher.input, [teacher.output, teacher.get_layer("saliency").output])(DATA[0]["frame"])
    logits, heat = np.array(values[0], float), np.array(values[1], float)[..., 0]
    return whole_epoch(TeacherLearner(teacher, gaze=0.5)), expected(logits, heat)


def head():
    return keras.layers.Conv2D(1, 1)


@pytest.mark.parametrize("run", [student_logs, quantized_logs, teacher_logs, multitask_logs])
def test_a_small_last_batch_and_class_weights_count_alike_everywhere(run):
    """Losses once were weighted by batches in the int8 stage, and accuracy by classes in the teacher's."""
    logs, wanted = run()
    assert {"hard", "accuracy", "loss", "regularisation"} <= set(logs)
    for name in wanted.keys() & logs.keys():
        np.testing.assert_allclose(logs[name], wanted[name], rtol=1e-3, err_msg=name)
    assert "gaze" in logs or run is teacher_logs


def test_the_loss_of_an_epoch_is_over_its_frames():
    logs, _ = student_logs()
    assert logs["loss"] != pytest.approx(0.3 * logs["hard"] + 0.7 * logs["soft"], rel=1e-3)
    means = Means()
    means.add({"loss": (1.0, 4.0)})
    means.add({"loss": (6.0, 1.0)})
    assert means.result() == {"loss": 2.0}
    means.add({"gaze": (0.0, 0.0)})
    assert means.result()["gaze"] == 0.0


def test_what_is_measured_has_the_names_that_are_announced():
    batch = {"label": tf.constant([0, 1]), "gaze_valid": tf.constant([True, False])}
    terms = dict.fromkeys(("loss", "hard", "gaze", "regularisation"), tf.constant(1.0))
    logits = tf.eye(2)
    assert list(measure(batch, logits, logits, terms)) == logged_names(["hard", "gaze"], teacher=True)
    assert list(measure(batch, logits, None, terms)) == logged_names(["hard", "gaze"], teacher=False)


def test_one_step_serves_teacher_and_student():
    for kind in (Distiller, TeacherLearner):
        assert issubclass(kind, Learner)
        assert kind.train_step is Learner.train_step and kind.test_step is Learner.test_step


def test_the_loss_of_a_teacher_that_predicts_gaze_is_its_formula():
    teacher = tiny.student(saliency=True)
    assert predicts_gaze(teacher) and not predicts_gaze(tiny.teacher())
    made = TeacherLearner(teacher, gaze=0.5, label_smoothing=0.1, gaze_uniform_share=0.3)
    made.compile(optimizer=keras.optimizers.SGD(0.0), jit_compile=False)
    features, label, weight = data = tiny.batch(4, valid=[1, 0, 1, 0], weight=[1, 2, 0.5, 1], label=[0, 1, 2, 0])
    logs = {name: float(value) for name, value in made.train_step(data).items()}
    values = keras.Model(teacher.input, [teacher.output, teacher.get_layer("saliency").output])(features["frame"])
    logits, heat = np.array(values[0], float), np.array(values[1], float)[..., 0]
    smooth = 0.9 * np.eye(3)[label] + 0.1 / 3
    hard = (weight * -(smooth * oracles.log_softmax(logits)).sum(axis=1)).sum() / 4
    # The uniform share of the settings: once it stayed at its default here.
    seen = (weight * features["gaze_valid"] * oracles.gaze(features["gaze"].astype(float), heat, 0.3)).sum() / 2
    np.testing.assert_allclose([logs["hard"], logs["gaze"]], [hard, seen], rtol=1e-4)
    np.testing.assert_allclose(logs["loss"], hard + 0.5 * seen, rtol=1e-4)
    made.reset_metrics()
    features["gaze_valid"][:] = False
    assert float(made.test_step(data)["gaze"]) == 0


def test_an_ordinary_teacher_learns_from_labels_alone_and_takes_the_gaze():
    teacher = tiny.teacher()
    made = TeacherLearner(teacher, gaze=0.5)
    made.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=False)
    before = teacher.get_weights()
    logs = made.train_step(tiny.batch())
    assert set(logs) == {"loss", "hard", "regularisation", "accuracy"}
    assert any((old != new).any() for old, new in zip(before, teacher.get_weights()))
    other = tiny.batch()
    other[0]["gaze"][:] = 1 / 16
    assert (made(tiny.batch()[0]).numpy() != made(other[0]).numpy()).any()


def test_a_teacher_of_another_grid_than_the_gaze_maps_is_refused():
    with pytest.raises(InputError, match=r"gaze map of a frame of 32×32 has the grid 4×4, and the layer saliency 2×2"):
        TeacherLearner(tiny.student(saliency=True, first_pool=8), gaze=0.5)
    TeacherLearner(tiny.student(saliency=True, first_pool=8), gaze=0.0)  # nothing learns from the map


def test_a_student_whose_tap_is_not_on_the_gazes_grid_is_refused():
    with pytest.raises(InputError, match=r"the grid 4×4, and the layer stride8 2×2"):
        Distiller(tiny.student(first_pool=8), None)


def test_the_gaze_model_gives_the_map_that_the_gaze_loss_compares(tmp_path):
    made = Distiller(tiny.student(), None, LossSettings(gaze=0.5, gaze_uniform_share=0.0, warmup=0.0))
    made.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    data = tiny.batch()
    made.train_step(data)
    model = made.gaze_model()
    frames, gaze = data[0]["frame"], data[0]["gaze"]
    maps = model(frames).numpy()
    assert maps.shape == gaze.shape and model.output_shape == (None, *tiny.MAP)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)
    divergence = (gaze * np.log(np.maximum(gaze, 1e-30) / maps)).sum(axis=(1, 2)).mean()
    made.reset_metrics()
    np.testing.assert_allclose(float(made.test_step(data)["gaze"]), divergence, rtol=1e-4)

    model.save(tmp_path / "gaze_map.keras")
    back = keras.saving.load_model(tmp_path / "gaze_map.keras", compile=False)
    np.testing.assert_allclose(back(frames), maps, rtol=1e-6)
    assert [tensor.name for tensor in back.inputs] == ["frame"] and back.layers[-1].name == "gaze_map"
    assert all(type(layer).__module__.startswith("keras.") for layer in back.layers), "no code of this project"
    assert len(made.trainable_variables) == len(made.student.trainable_variables) + 2


def test_without_a_saliency_head_there_is_no_gaze_model():
    assert Distiller(tiny.student(), tiny.teacher(), LossSettings(gaze=0.0)).gaze_model() is None
