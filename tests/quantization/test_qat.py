import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from common.errors import InputError
from losses import LossSettings
from models.finite import Diverged
from models.objective import Objective
from quantization.finetune import FineTuning
from quantization.qat import quantize, quantize_aware_train
from tests.quantization import blobs

pytestmark = pytest.mark.usefixtures("eagerly")
PARTS = ["loss", "hard", "gaze", "attention", "soft", "regularisation", "accuracy", "agreement"]


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(models.MODELS, "tiny", models.registry.Entry(blobs.build_tiny, "student", ()))
    keras.utils.set_random_seed(3)
    return models.create("tiny", (*blobs.SIZE, 1), 4)


def alone(student, steps=6, range_decay=0.99, **more):
    """Quantization-aware training of a tiny student, without a teacher."""
    losses = LossSettings().without_teacher()
    shapes = {tap: student.get_layer(tap).output.shape[1:] for tap in losses.taps()}
    fields = {
        "objective": Objective(losses, shapes, {}),
        "batches": blobs.feed,
        "steps": steps,
        "steps_per_epoch": 3,
        "learning_rate": 2e-4,
    }
    calibration = [features["frame"] for features, *_ in blobs.batches(32, seed=3, endless=False)]
    return quantize_aware_train(
        student, "tiny", {}, calibration=calibration, training=FineTuning(**{**fields, **more}), range_decay=range_decay
    )


def norms(model):
    """Moving statistics by the layer's own name."""
    state = {}
    for layer in model.layers:
        layer = getattr(layer, "layer", layer)
        if type(layer).__name__ == "BatchNormalization":
            values = layer.moving_mean, layer.moving_variance
            state[layer.name] = [keras.ops.convert_to_numpy(v) for v in values]
    return state


def test_all_parts_are_logged_by_name_each_epoch(quantized):
    assert [epoch for epoch, _ in quantized.calls] == [0, 1]
    for (_, logs), row in zip(quantized.calls, quantized.result.history):
        assert logs == row
        assert list(logs) == [*PARTS, *(f"val_{part}" for part in PARTS), "learning_rate"]
        assert all(np.isfinite(list(logs.values())))
        # The objective at progress 1: attention at a tenth, the rest at its full weight.
        total = 0.3 * logs["hard"] + 0.7 * logs["soft"] + 0.3 * logs["gaze"] + 0.1 * logs["attention"]
        assert logs["loss"] == pytest.approx(total, rel=1e-5)


def test_the_quantized_student_still_knows_its_job(quantized, trained):
    images, labels = blobs.frames(200, seed=9)
    frames = images.astype(np.float32) / 255
    of_float = trained.student(frames, training=False).numpy().argmax(-1)
    of_quantized = quantized.result(frames).numpy().argmax(-1)
    assert (of_float == labels).mean() > 0.95, "the task was not learned: nothing is tested"
    assert (of_quantized == labels).mean() > 0.95


def test_the_student_stays_as_it_was_and_the_saliency_head_trains_on(quantized, trained):
    for now, then in zip(trained.student.get_weights(), quantized.student_weights_before):
        np.testing.assert_array_equal(now, then)
    assert not np.array_equal(trained.objective.get_weights()[0], quantized.saliency_head_before)


def test_learning_rate_falls_to_zero(quantized):
    rates = [row["learning_rate"] for row in quantized.result.history]
    assert 3e-4 >= rates[0] > rates[1] < 3e-5


@pytest.mark.parametrize(("freeze_from", "moves"), [(0.0, False), (1.0, True)])
def test_batch_norm_is_frozen_from_the_given_share(tiny, freeze_from, moves):
    blobs.randomised(tiny)
    result = alone(tiny, steps=2, freeze_batch_norm_from=freeze_from)
    before, after = norms(tiny), norms(result.model)
    assert before.keys() == after.keys() == {"norm8", "norm16"}
    same = [np.array_equal(a, b) for name in before for a, b in zip(before[name], after[name])]
    assert not any(same) if moves else all(same)


def test_the_same_seed_gives_the_same_history(tiny):
    def run(seed):
        keras.utils.set_random_seed(3)
        return alone(tiny, seed=seed).history

    first, second, other = run(0), run(0), run(1)
    assert first == second
    assert first != other


def test_first_ranges_are_those_of_the_given_frames(tiny):
    """Neither augmentation nor the order of training moves them: one calibration for all that is compared."""
    frames = [features["frame"] for features, *_ in blobs.batches(32, seed=3, endless=False)]
    trained = alone(tiny, steps=1, range_decay=1.0, freeze_batch_norm_from=0.0, learning_rate=1e-12)
    wanted = quantize(tiny, "tiny", {}, frames)
    for name in ("quant_stride8", "quant_stride16"):
        ends = [
            [v.numpy() for v in made.model.get_layer(name).weights if "output_m" in v.name]
            for made in (trained, wanted)
        ]
        assert len(ends[0]) == 2
        np.testing.assert_allclose(*ends, rtol=1e-6)


def test_without_a_teacher_the_parts_that_need_one_are_absent(tiny):
    first, _ = alone(tiny).history
    assert set(first) == {"loss", "hard", "gaze", "regularisation", "accuracy", "learning_rate"}
    assert first["loss"] == pytest.approx(first["hard"] + 0.3 * first["gaze"], rel=1e-5)


def test_nan_stops_with_the_step_and_the_part(tiny):
    def spoil(step, batch):
        features, label, weight = batch
        gaze = tf.where(step == 2, np.nan, features["gaze"])
        return {**features, "gaze": gaze}, label, weight

    with pytest.raises(Diverged, match=r"step 3: gaze is nan.*: lower the learning rate \(now 0\.0002\)"):
        alone(tiny, batches=lambda skip: blobs.batches().enumerate().map(spoil))


def test_nan_in_the_validation_stops_too(tiny):
    """The last step's own loss is of the weights before it."""
    broken = [({**batch, "gaze": batch["gaze"] * np.nan}, *rest) for batch, *rest in blobs.batches().take(1)]
    with pytest.raises(Diverged, match=r"after epoch 1: val_gaze is nan"):
        alone(tiny, validation=broken)


def test_a_student_that_cannot_be_quantized_is_refused_by_layer(monkeypatch):
    def build(keras_module, frame_shape, num_classes):
        frame = keras_module.Input(frame_shape, name="frame")
        x = keras_module.layers.Flatten(name="flatten")(keras_module.layers.PReLU(name="steep")(frame))
        return keras_module.Model(frame, keras_module.layers.Dense(num_classes, name="logits")(x))

    monkeypatch.setitem(models.MODELS, "steep", models.registry.Entry(build, "student", ()))
    student = models.create("steep", (16, 16, 1), 3)
    with pytest.raises(InputError, match=r"model steep: can't be quantized: steep \(PReLU\)"):
        quantize(student, "steep", {}, [])


def test_bad_settings_are_named(tiny):
    for field, value in (("learning_rate", 0.0), ("range_decay", 1.5), ("freeze_batch_norm_from", -1)):
        with pytest.raises(InputError, match=rf"^{field} must be .*, not {value}"):
            alone(tiny, **{field: value})
