"""Depthwise kernels: a range for each channel, and an int8 file that holds what training saw."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from evaluation.artefacts import Metadata
from quantization.legacy import tf_keras, tfmot
from quantization.qat import QuantizedStudent
from quantization.ranges import set_ranges
from quantization.scheme import quantize_model
from quantization.tflite import export_int8
from tests.quantization import blobs

SHAPE = (16, 20, 1)


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).random((16, *SHAPE), dtype=np.float32)


@pytest.fixture(scope="module")
def uneven():
    """A depthwise layer whose channels' kernels differ 300-fold in size, as batch normalisation lets them."""
    keras_module = tf_keras()
    keras_module.utils.set_random_seed(0)
    frame = keras_module.Input(SHAPE, name="frame")
    x = keras_module.layers.ReLU(name="relu")(keras_module.layers.Conv2D(4, 3, name="conv")(frame))
    x = keras_module.layers.DepthwiseConv2D(3, use_bias=False, depth_multiplier=2, name="dw")(x)
    x = keras_module.layers.ReLU(name="dw_relu")(keras_module.layers.BatchNormalization(name="dw_bn")(x))
    x = keras_module.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras_module.Model(frame, keras_module.layers.Dense(4, name="logits")(x), name="uneven")
    sizes = np.geomspace(1, 300, 8).astype(np.float32)
    layer, norm = model.get_layer("dw"), model.get_layer("dw_bn")
    layer.set_weights([layer.get_weights()[0] * sizes.reshape(4, 2)])
    norm.epsilon = 1e-6
    norm.set_weights([np.ones(8), np.full(8, 0.2), np.zeros(8), 0.04 * sizes**2])
    return model


def fake_quantized(how, model, frames):
    made = how(model)
    set_ranges(made, [frames], decay=0.9)
    return made


def test_channels_of_small_weights_keep_their_levels(uneven, frames):
    wanted = uneven(frames, training=False).numpy()
    ours, default = (
        np.abs(fake_quantized(how, uneven, frames)(frames, training=False) - wanted).max() / wanted.std()
        for how in (quantize_model, tfmot().quantization.keras.quantize_model)
    )
    assert ours < 0.05
    assert ours < default / 3


def test_int8_depthwise_weights_are_the_fake_quantized_ones(uneven, frames, tmp_path):
    made = fake_quantized(quantize_model, uneven, frames)
    metadata = Metadata("uneven", blobs.CLASSES, SHAPE[:2], "logits", "int8")
    export_int8(QuantizedStudent(made), tmp_path / "uneven.tflite", metadata)
    interpreter = Interpreter(model_path=str(tmp_path / "uneven.tflite"))
    interpreter.allocate_tensors()
    node = next(o for o in interpreter._get_ops_details() if o["op_name"] == "DEPTHWISE_CONV_2D")
    detail = next(d for d in interpreter.get_tensor_details() if d["index"] == node["inputs"][1])
    scales, steps = detail["quantization_parameters"]["scales"], interpreter.get_tensor(detail["index"])
    kernel, quantizer, variables = made.get_layer("quant_dw")._weight_vars[0]
    norm = made.get_layer("quant_dw_bn").layer
    factor = (norm.gamma / tf.sqrt(norm.moving_variance + norm.epsilon)).numpy()
    wanted = quantizer(kernel, False, weights=variables).numpy().reshape(1, 3, 3, 8) * factor
    np.testing.assert_allclose(steps, wanted / scales, atol=1e-2)
    np.testing.assert_array_equal(np.abs(steps.astype(int)).max(axis=(0, 1, 2)), 127)
