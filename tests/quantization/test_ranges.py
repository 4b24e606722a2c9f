import numpy as np
import pytest
import tensorflow as tf

from quantization.legacy import tf_keras, tfmot
from quantization.ranges import RangeFollower, set_ranges


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).uniform(0.2, 0.7, (8, 12, 12, 1)).astype(np.float32)


def small_model():
    keras_module = tf_keras()
    keras_module.utils.set_random_seed(0)
    frame = keras_module.Input((12, 12, 1), name="frame")
    x = keras_module.layers.Conv2D(4, 3, name="conv")(frame)
    x = keras_module.layers.ReLU(name="stride1")(keras_module.layers.BatchNormalization(name="norm")(x))
    x = keras_module.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras_module.Model(frame, keras_module.layers.Dense(3, name="logits")(x))


def range_of(model, layer, what):
    values = {v.name.split("/")[-1].split(":")[0]: v.numpy() for v in model.get_layer(layer).weights}
    return values[f"{what}_min"], values[f"{what}_max"]


def test_ranges_are_those_of_the_float_activations(batch):
    model = small_model()
    quantized = tfmot().quantization.keras.quantize_model(model)
    set_ranges(quantized, [batch, batch / 2], decay=0.9)
    keras_module = tf_keras()
    watched = keras_module.Model(model.input, [model.get_layer("stride1").output, model.output])
    wanted = [[(min(0, x.numpy().min()), max(0, x.numpy().max())) for x in watched(b)] for b in (batch, batch / 2)]
    relu, logits = np.mean(wanted, axis=0)
    # Weights are quantized while watching, activations are not.
    np.testing.assert_allclose(range_of(quantized, "quant_stride1", "output"), relu, atol=0.02)
    np.testing.assert_allclose(range_of(quantized, "quant_logits", "post_activation"), logits, atol=0.02)
    # The larger batch is clipped by the mean range, the smaller one is not.
    np.testing.assert_allclose(quantized(batch / 2), model(batch / 2), atol=0.02)


def test_input_is_one_step_a_byte_even_after_training_on_dark_frames(batch):
    quantized = tfmot().quantization.keras.quantize_model(small_model())
    set_ranges(quantized, [batch], decay=0.9)
    quantized(batch / 2, training=True)
    layer = next(layer for layer in quantized.layers if type(layer).__name__ == "QuantizeLayer")
    bytes_ = np.arange(256, dtype=np.float32) / 255
    np.testing.assert_allclose(layer(bytes_, training=False), bytes_, atol=1e-7)
    assert [layer.quantizer_vars[end].numpy() for end in ("min_var", "max_var")] == [0.0, 1.0]


def test_a_range_follows_by_its_decay():
    low, high = tf.Variable(-1.0), tf.Variable(1.0)
    follower = RangeFollower(0.75)
    follower(tf.constant([-3.0, 5.0]), True, {"min_var": low, "max_var": high})
    assert (low.numpy(), high.numpy()) == (-1.5, 2.0)
    follower(tf.constant([-9.0, 9.0]), False, {"min_var": low, "max_var": high})
    assert (low.numpy(), high.numpy()) == (-1.5, 2.0)
    # A range holds zero, also of maps that are never zero.
    follower(tf.constant([4.0, 6.0]), True, {"min_var": low, "max_var": high})
    assert (low.numpy(), high.numpy()) == (-1.125, 3.0)
