"""What the benchmarks of inference share: 8-bit files of single layers, calls of LiteRT, and times taken in turns."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.quiet import held_back_stderr

if TYPE_CHECKING:
    import keras

ROUNDS, CALLS = 20, 5


def int8_file(model: keras.Model, path: Path) -> Path:
    """A Keras model of one input with all sizes known, as an int8 `.tflite` file calibrated on random values."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    random = np.random.default_rng(0)
    shape = model.inputs[0].shape
    converter.representative_dataset = lambda: ([random.random(shape, np.float32)] for _ in range(2))
    with held_back_stderr(), contextlib.redirect_stdout(sys.stderr):
        content = converter.convert()
    path.write_bytes(content)
    return path


def int8_product(folder: Path, sizes: tuple[int, int, int]) -> Path:
    """A matrix product of these rows, inputs and outputs as an int8 `.tflite` file."""
    import keras

    rows, inputs, outputs = sizes
    given = keras.Input((inputs,), batch_size=rows)
    return int8_file(keras.Model(given, keras.layers.Dense(outputs)(given)), folder / "product.tflite")


def litert(path: Path) -> Callable[[], object]:
    """A call of a `.tflite` file on zeros, in one thread."""
    from ai_edge_litert.interpreter import Interpreter

    with held_back_stderr():
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    return interpreter.invoke


def in_turns(calls: list[Callable[[], object]]) -> list[float]:
    """Median ms of each call; they take turns, so that a slow moment falls on all."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            for _ in range(CALLS):
                start = time.perf_counter()
                call()
                times[number].append(1e3 * (time.perf_counter() - start))
    return [float(np.median(values)) for values in times]
