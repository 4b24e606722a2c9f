"""What runs each kind of artefact: features of a batch in, outputs [B, K] out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from common.errors import InputError
from common.quiet import held_back_stderr
from evaluation.artefacts.graph import check_graph
from evaluation.artefacts.metadata import Metadata
from models.inputs import inputs_of
from models.keras_file import unreadable

Features = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Runner:
    """Two ways to call one model.

    Attributes:
        outputs: features of B frames → [B, K].
        one_frame: features of one frame → a function without arguments that runs it.
        gives_logits: whether the outputs are logits; otherwise they are probabilities.
    """

    outputs: Callable[[Features], np.ndarray]
    one_frame: Callable[[Features], Callable[[], object]]
    gives_logits: bool


def keras_runner(model: keras.Model, metadata: Metadata) -> Runner:
    """A Keras model, traced once for all batch sizes."""
    batches = {tensor.name: tf.TensorSpec((None, *tensor.shape[1:]), tf.float32) for tensor in model.inputs}

    @tf.function(input_signature=[inputs_of(model, batches)], autograph=False)
    def forward(inputs: tf.Tensor | dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.cast(model(inputs, training=False), tf.float32)

    def select(features: Features) -> tf.Tensor | dict[str, tf.Tensor]:
        return inputs_of(model, {name: tf.constant(features[name], tf.float32) for name in metadata.inputs})

    def one_frame(features: Features) -> Callable[[], np.ndarray]:
        inputs = select(features)
        return lambda: forward(inputs).numpy()

    return Runner(lambda features: forward(select(features)).numpy(), one_frame, metadata.output == "logits")


def saved_model_runner(path: Path, metadata: Metadata, *, trust: bool = False) -> Runner:
    """A SavedModel folder, through its `serve` endpoint; it takes frames alone.

    Raises:
        InputError: a graph that reaches out and is not trusted, a damaged folder, or a
            `serve` that does not keep the contract.
    """
    if not trust:
        check_graph(path)
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        # A damaged protocol buffer or checkpoint raises whatever TensorFlow's readers raise.
        raise unreadable(path, error) from error
    _check_serve(path, loaded, metadata)

    # A restored function does not keep its variables alive: hold on to `loaded`, not to `serve`.
    def outputs(features: Features) -> np.ndarray:
        return loaded.serve(tf.constant(features["frame"], tf.float32))["probabilities"].numpy()

    def one_frame(features: Features) -> Callable[[], np.ndarray]:
        frame = tf.constant(features["frame"], tf.float32)
        return lambda: loaded.serve(frame)["probabilities"].numpy()

    # `serve` is probabilities by contract, whatever the model inside gives.
    return Runner(outputs, one_frame, False)


def _check_serve(path: Path, loaded: Any, metadata: Metadata) -> None:
    if not hasattr(loaded, "serve"):
        raise InputError(f"{path}: this SavedModel has no `serve` endpoint: export it again with train.py")
    height, width = metadata.frame_size
    try:
        answer = loaded.serve(tf.zeros((1, height, width, 1)))
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise InputError(
            f"{path}: its `serve` refuses float frames of {height}×{width}, the size that its metadata gives: "
            "export it again with train.py"
        ) from error
    if not isinstance(answer, Mapping) or "probabilities" not in answer:
        raise InputError(f"{path}: its `serve` gives no `probabilities`: export it again with train.py")
    if "class_names" in answer:
        inside = tuple(name.decode() for name in np.ravel(answer["class_names"].numpy()))
        if inside != metadata.classes:
            raise InputError(
                f"{path}: its class names are {', '.join(inside)}, its metadata says "
                f"{', '.join(metadata.classes)}: the .json next to it belongs to another artefact"
            )


def tflite_runner(path: Path, metadata: Metadata, threads: int | None = None) -> Runner:
    """A `.tflite` file with a batch size of 1; it takes frames alone, in float or 8 bits.

    Raises:
        InputError: a damaged file, or one that is not what its metadata says.
    """
    if "gaze" in metadata.inputs:
        raise InputError(f"{path}: its metadata names a gaze input: a deployed model takes frames alone")
    interpreter = _interpreter(path, threads)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise InputError(
            f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs, expected one each: export it again"
        )
    source, target = inputs[0], outputs[0]
    expected = (1, *metadata.frame_size, 1)
    if tuple(source["shape"]) != expected:
        raise InputError(
            f"{path}: takes {list(map(int, source['shape']))}, its metadata says {list(expected)}: "
            "the .json next to it belongs to another artefact, export it again"
        )

    def run(frame: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source["index"], frame)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    def run_batch(features: Features) -> np.ndarray:
        frames = quantized(np.asarray(features["frame"], np.float32), source)
        return np.concatenate([dequantized(run(frame[None]), target) for frame in frames])

    def one_frame(features: Features) -> Callable[[], np.ndarray]:
        frame = quantized(np.asarray(features["frame"], np.float32), source)
        return lambda: run(frame)

    return Runner(run_batch, one_frame, metadata.output == "logits")


def _interpreter(path: Path, threads: int | None) -> Interpreter:
    failure = None
    # It announces its delegate on standard error, which is for errors here.
    with held_back_stderr():
        try:
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            failure = error
    if failure is not None:
        raise unreadable(path, failure) from failure
    return interpreter


def quantized(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    """Values as a TFLite tensor's type: value / scale + zero point, rounded.

    Args:
        values: float32, any shape.
        detail: of the tensor, with `dtype` and `quantization` (scale, zero point). Scale
            1/255 and zero point 0 give back a frame's stored bytes.
    """
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])


def dequantized(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    """The inverse of `quantized`: (value − zero point) · scale, float64."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    return (values.astype(np.float64) - zero_point) * scale
