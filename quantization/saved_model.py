"""SavedModels that need nothing but TensorFlow: frames in, probabilities and class names out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf

from common.files import whole_folder
from common.quiet import held_back_stderr
from evaluation.artefacts import Metadata, write_metadata
from quantization.metadata import for_export

if TYPE_CHECKING:
    import keras

    from quantization.legacy import LegacyModel

_TENSORS = {
    "input": {
        "dtype": "float32 or uint8",
        "is": "grey frames, float in [0, 1] or raw bytes",
    },
    "output": {
        "dtype": "float32",
        "is": "probabilities [B, K], with class_names [K]",
    },
}


def export_saved_model(model: keras.Model | LegacyModel, path: str | os.PathLike, metadata: Metadata) -> int:
    """Write a student as a SavedModel folder, with its metadata next to it.

    `tf.saved_model.load(path).serve(frames)` takes frames [B, H, W, C], uint8 as they come
    or float32 in [0, 1], and gives {"probabilities": float32 [B, K], "class_names": string
    [K]}. Signatures: `serving_default` and `serve` (float32), `serve_uint8`. Neither Keras
    nor any layer is inside, only the graph and the variables that it reads.

    Args:
        model: a Keras 3 student, or the `model` of a `QuantizedStudent`; gives logits.
        path: of the folder; one that is there is replaced.
        metadata: name, classes, frame size, stage; `output` and `extra["tensors"]` are set here.

    Returns:
        Bytes of the folder.

    Raises:
        InputError: metadata that is not this model's, or a path that can't be written.
    """
    path = Path(path)
    metadata = for_export(metadata, model, _TENSORS)
    module = _Served(model, metadata.classes)
    with whole_folder(path, overwrite=True) as folder:
        with held_back_stderr():
            tf.saved_model.save(module, str(folder), signatures=module.endpoints)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    write_metadata(path, metadata)
    return size


class _Served(tf.Module):
    def __init__(self, model: keras.Model | LegacyModel, classes: tuple[str, ...]) -> None:
        super().__init__()
        shape = tuple(model.input_shape[1:])
        forward = _forward(model, shape)

        @tf.function(autograph=False)
        def serve(frames: tf.Tensor) -> dict[str, tf.Tensor]:
            if frames.dtype == tf.uint8:
                frames = tf.cast(frames, tf.float32) / 255.0
            return {"probabilities": forward(frames), "class_names": tf.constant(classes)}

        of_floats, of_bytes = (
            serve.get_concrete_function(tf.TensorSpec((None, *shape), dtype, name="frames"))
            for dtype in (tf.float32, tf.uint8)
        )
        self.serve = serve
        self.endpoints = {"serving_default": of_floats, "serve": of_floats, "serve_uint8": of_bytes}
        self.state = _read_variables(model, of_floats)


def _forward(model: keras.Model | LegacyModel, shape: tuple[int, ...]) -> Callable:
    """One graph for both input types."""

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, *shape), tf.float32)])
    def forward(frames: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.cast(model(frames, training=False), tf.float32))

    return forward


def _read_variables(
    model: keras.Model | LegacyModel, concrete: tf.types.experimental.ConcreteFunction
) -> list[tf.Variable]:
    """The variables of a Keras 3 or `tf_keras` model that a concrete function reads.

    The model has more of them: step counters, seeds, what only training needs.
    """
    variables = [v if isinstance(v, tf.Variable) else v.value for v in model.variables]
    read = {id(tensor) for tensor in concrete.captured_inputs}
    return [v for v in variables if id(v.handle) in read]
