"""The `.tflite` files: full int8 of the fake-quantized student, float, and what post-training quantization gives.

All give probabilities of one frame. The int8 ones take the frame's raw bytes (uint8, scale
1/255, zero point 0) and give uint8 probabilities in steps of 1/256 (scale 1/256, zero
point 0); between the two they compute in integers only. A student that standardises its
frames does a part of that in float, up to its first convolution.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from common.console import notice
from common.errors import InputError
from common.files import whole_file
from common.quiet import held_back_stderr
from evaluation.artefacts import Metadata, write_metadata
from models.layers import standardises
from quantization.legacy import LegacyModel
from quantization.metadata import for_export
from quantization.qat import QuantizedStudent
from quantization.tensor_names import with_short_names

# Of these the thresholds of the metadata are: values add up to 256 only nearly.
_PROBABILITY = "probability = value / sum of the values of all classes"
_INT8_TENSORS = {
    "input": {"dtype": "uint8", "scale": 1 / 255, "zero_point": 0, "is": "the raw bytes of a grey frame"},
    "output": {"dtype": "uint8", "scale": 1 / 256, "zero_point": 0, "is": _PROBABILITY},
}
_FLOAT_TENSORS = {
    "input": {"dtype": "float32", "is": "bytes of a grey frame / 255"},
    "output": {"dtype": "float32", "is": "probability"},
}


def export_int8(
    quantized: QuantizedStudent, path: str | os.PathLike, metadata: Metadata, *, sparse: bool = False
) -> int:
    """Write the full-int8 model, with its metadata next to it.

    The ranges are those of the fake-quantized student, so that it needs no calibration.

    Args:
        quantized: what quantization-aware training gave.
        path: of the `.tflite` file; a file of that name is replaced.
        metadata: name, classes, frame size, stage; `output` and `extra["tensors"]` are set here.
        sparse: store kernels with many zeros as values and places. The interpreter makes them
            dense again when it loads, so this changes bytes, not speed.

    Returns:
        Bytes of the file.

    Raises:
        InputError: metadata that is not this model's, or a path that can't be written.
    """
    converter = _converter(quantized.model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return _write(converter, path, for_export(metadata, quantized.model, _INT8_TENSORS), sparse)


def export_float_tflite(
    student: keras.Model, path: str | os.PathLike, metadata: Metadata, *, sparse: bool = False
) -> int:
    """Write the float model: float32 frames in [0, 1] in, float32 probabilities out.

    Args, returns and raises: as `export_int8`, of the Keras 3 student.
    """
    converter = _converter(student)
    return _write(converter, path, for_export(metadata, student, _FLOAT_TENSORS), sparse)


def export_dynamic_range(student: keras.Model, path: str | os.PathLike, metadata: Metadata) -> int:
    """Write a model with int8 weights and float activations: no calibration, no training.

    The interpreter quantizes activations for each frame where it has a kernel for that
    (not for depthwise convolutions), so it is often slower than the float model. TFLite
    leaves tensors of fewer than 1024 elements in float.

    Args, returns and raises: as `export_float_tflite`.
    """
    converter = _converter(student)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return _write(converter, path, for_export(metadata, student, _FLOAT_TENSORS))


def export_float16(student: keras.Model, path: str | os.PathLike, metadata: Metadata) -> int:
    """Write a model with float16 weights, which a CPU computes with in float32.

    Args, returns and raises: as `export_float_tflite`.
    """
    converter = _converter(student)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return _write(converter, path, for_export(metadata, student, _FLOAT_TENSORS))


def post_training_int8(student: keras.Model, frames: Iterable, path: str | os.PathLike, metadata: Metadata) -> int:
    """Write a full-int8 model of the float student without further training, to compare with.

    The ranges are those of the calibration frames. A student that standardises its frames says so: on frames of
    another gain their standard deviation lies outside of its range, and the answers can be wrong.

    Args:
        student: trained Keras 3 student; it is not changed.
        frames: batches [B, H, W, C] in [0, 1] for calibration, a hundred frames or more in all.
        path, metadata: as of `export_int8`.

    Returns:
        Bytes of the file.

    Raises:
        InputError: metadata that is not this model's, or a path that can't be written.
    """

    def representative() -> Iterator[list[np.ndarray]]:
        for number, frame in enumerate(frame for batch in frames for frame in np.asarray(batch, np.float32)):
            frame = frame[None].copy()
            if number == 0:
                # The range of the input is that of the frames seen: two corner pixels make
                # it [0, 1], so that a raw byte is one step of it.
                frame[0, 0, 0], frame[0, -1, -1] = 0.0, 1.0
            yield [frame]

    if standardises(student):
        notice(
            f"{Path(path).name}: the student standardises its frames; in 8 bits after training that holds for gains "
            "like those of the calibration frames only"
        )
    converter = _converter(student)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return _write(converter, path, for_export(metadata, student, _INT8_TENSORS))


def _converter(model: keras.Model | LegacyModel) -> tf.lite.TFLiteConverter:
    @tf.function(autograph=False)
    @tf.autograph.experimental.do_not_convert
    def probabilities(frame: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.cast(model(frame, training=False), tf.float32))

    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="frame")
    # The converter would do this last, and first write each variable into a SavedModel, which takes most of its time.
    frozen = convert_variables_to_constants_v2(probabilities.get_concrete_function(spec))

    @tf.function(autograph=False)
    def named(frame: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": frozen(frame)[0]}

    return tf.lite.TFLiteConverter.from_concrete_functions([named.get_concrete_function(spec)], tf.Module())


def _write(
    converter: tf.lite.TFLiteConverter, path: str | os.PathLike, metadata: Metadata, sparse: bool = False
) -> int:
    path = Path(path)
    if sparse:
        converter.optimizations = [*converter.optimizations, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    if path.suffix != ".tflite":
        raise InputError(f"{path}: a TFLite file is to be written there: give it the ending .tflite")
    with held_back_stderr():
        content = with_short_names(converter.convert())
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    write_metadata(path, metadata)
    return len(content)
