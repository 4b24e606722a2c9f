"""One way to run every kind of artefact: `.keras`, SavedModel folder, `.tflite`."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from scipy.special import softmax

from common.errors import InputError
from common.quiet import held_back_stderr
from data.dataset import Dataset
from models.metadata import Metadata, read_metadata

KINDS = ("keras", "saved_model", "tflite")


@dataclasses.dataclass(frozen=True)
class Artefact:
    """A loaded artefact with its metadata.

    Attributes:
        path: of the file or folder.
        kind: one of `KINDS`.
        metadata: as read from beside it.
        model: the Keras model, for `.keras` alone; None otherwise.
    """

    path: Path
    kind: str
    metadata: Metadata
    model: keras.Model | None
    _outputs: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    _one_frame: Callable[[Mapping[str, np.ndarray]], Callable[[], object]]
    _gives_logits: bool

    def predict(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Class probabilities of a batch.

        Args:
            features: `frame` float32 [B, H, W, 1] in [0, 1]; `gaze` float32 [B, h, w], used
                by teachers only. Anything else is ignored.

        Returns:
            float64 [B, K]; each row sums to 1.
        """
        outputs = np.asarray(self._outputs(features), dtype=np.float64)
        if self._gives_logits:
            return softmax(outputs, axis=-1)
        # An 8-bit softmax is rounded to 1/256, so its rows sum to 1 only nearly.
        return outputs / np.maximum(outputs.sum(axis=-1, keepdims=True), np.finfo(float).tiny)

    def one_frame(self, features: Mapping[str, np.ndarray]) -> Callable[[], object]:
        """A function without arguments that runs a batch of one, for timing.

        Args:
            features: as for `predict`, with B = 1; they are converted here, once.
        """
        return self._one_frame(features)


def load_artefact(path: str | os.PathLike, *, threads: int | None = None) -> Artefact:
    """Load an artefact and its metadata.

    Args:
        path: `.keras` file, `.tflite` file, or SavedModel folder with a `serve` endpoint
            (uint8 or float frames in; a dict with `probabilities` and `class_names` out).
        threads: of the TFLite interpreter; TensorFlow's are fixed for the whole process.

    Raises:
        InputError: no such artefact, an unknown kind, no metadata, a file that can't be
            read, or a model that is not what its metadata says.
    """
    path = Path(path)
    kind = _kind(path)
    metadata = read_metadata(path)
    if kind == "keras":
        artefact = _load_keras(path, metadata)
    elif kind == "saved_model":
        artefact = _load_saved_model(path, metadata)
    else:
        artefact = _load_tflite(path, metadata, threads)
    _check_shape(artefact)
    return artefact


def check_matches(artefact: Artefact, data: Dataset) -> None:
    """Refuse an artefact whose classes or frame size are not the data set's.

    Raises:
        InputError: naming the artefact and the data set, and what each has.
    """
    metadata = artefact.metadata
    if metadata.classes != data.classes:
        raise InputError(
            f"{artefact.path}: its classes are {', '.join(metadata.classes)}, those of the data set "
            f"{data.path} are {', '.join(data.classes)}: prepare the data with the same classes in "
            "the same order, or give another artefact"
        )
    if metadata.frame_size != data.frame_size:
        (height, width), (data_height, data_width) = metadata.frame_size, data.frame_size
        raise InputError(
            f"{artefact.path}: takes frames of {height}×{width}, those of the data set {data.path} are "
            f"{data_height}×{data_width}: prepare the data with --frame-size {height} {width}, "
            "or give another artefact"
        )


def _kind(path: Path) -> str:
    if not path.exists():
        raise InputError(f"{path}: there is no such artefact: check the path")
    if path.is_dir() and (path / "saved_model.pb").is_file():
        return "saved_model"
    if path.is_file() and path.suffix in (".keras", ".tflite"):
        return path.suffix[1:]
    found = "a folder without saved_model.pb" if path.is_dir() else f"a {path.suffix or 'nameless'} file"
    raise InputError(
        f"{path}: {found} is not an artefact: give a .keras or .tflite file or a SavedModel folder, "
        "such as student/student.keras in a run folder"
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    first_line = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return InputError(
        f"{path}: can't be loaded ({first_line}): the file is damaged or of another version, export it anew"
    )


def _load_keras(path: Path, metadata: Metadata) -> Artefact:
    _register_layers()
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile, AttributeError) as error:
        raise _unreadable(path, error) from error
    names = tuple(tensor.name for tensor in model.inputs)
    if sorted(names) != sorted(metadata.inputs):
        raise InputError(
            f"{path}: its inputs are {', '.join(names)}, its metadata says {', '.join(metadata.inputs)}: "
            "the .json beside it belongs to another artefact, export it anew"
        )

    @tf.function(reduce_retracing=True)
    def forward(features):
        inputs = keras.tree.map_structure(lambda tensor: features[tensor.name], model.input)
        return tf.cast(model(inputs, training=False), tf.float32)

    def select(features):
        return {name: tf.constant(features[name], tf.float32) for name in names}

    def one_frame(features):
        inputs = select(features)
        return lambda: forward(inputs).numpy()

    return Artefact(
        path,
        "keras",
        metadata,
        model,
        lambda f: forward(select(f)).numpy(),
        one_frame,
        metadata.output == "logits",
    )


def _load_saved_model(path: Path, metadata: Metadata) -> Artefact:
    try:
        loaded = tf.saved_model.load(str(path))
    except (ValueError, TypeError, KeyError, OSError, tf.errors.OpError) as error:
        raise _unreadable(path, error) from error
    if not hasattr(loaded, "serve"):
        raise InputError(f"{path}: this SavedModel has no `serve` endpoint: export it anew with train.py")
    one = np.zeros((1, *metadata.frame_size, 1), np.float32)
    try:
        answer = loaded.serve(tf.constant(one))
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise InputError(
            f"{path}: its `serve` refuses float frames of {metadata.frame_size[0]}×{metadata.frame_size[1]}, "
            "the size that its metadata gives: export it anew with train.py"
        ) from error
    if not isinstance(answer, Mapping) or "probabilities" not in answer:
        raise InputError(f"{path}: its `serve` gives no `probabilities`: export it anew with train.py")
    if "class_names" in answer:
        inside = tuple(name.decode() for name in np.ravel(answer["class_names"].numpy()))
        if inside != metadata.classes:
            raise InputError(
                f"{path}: its class names are {', '.join(inside)}, its metadata says "
                f"{', '.join(metadata.classes)}: the .json beside it belongs to another artefact"
            )

    # A restored function does not keep its variables alive: hold on to `loaded`, not to `serve`.
    def outputs(features):
        return loaded.serve(tf.constant(features["frame"], tf.float32))["probabilities"].numpy()

    def one_frame(features):
        frame = tf.constant(features["frame"], tf.float32)
        return lambda: loaded.serve(frame)["probabilities"].numpy()

    # `serve` is probabilities by contract, whatever the model inside gives.
    return Artefact(path, "saved_model", metadata, None, outputs, one_frame, False)


def _load_tflite(path: Path, metadata: Metadata, threads: int | None) -> Artefact:
    if "gaze" in metadata.inputs:
        raise InputError(f"{path}: its metadata names a gaze input: a deployed model takes frames alone")
    interpreter = _interpreter(path, threads)
    source, target = interpreter.get_input_details(), interpreter.get_output_details()
    if len(source) != 1 or len(target) != 1:
        raise InputError(
            f"{path}: has {len(source)} inputs and {len(target)} outputs, expected one each: export it anew"
        )
    source, target = source[0], target[0]
    expected = (1, *metadata.frame_size, 1)
    if tuple(source["shape"]) != expected:
        raise InputError(
            f"{path}: takes {list(map(int, source['shape']))}, its metadata says {list(expected)}: "
            "the .json beside it belongs to another artefact, export it anew"
        )

    def run(frame: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source["index"], frame)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    def outputs(features):
        frames = _quantized(np.asarray(features["frame"], np.float32), source)
        return np.concatenate([_dequantized(run(frame[None]), target) for frame in frames])

    def one_frame(features):
        frame = _quantized(np.asarray(features["frame"], np.float32), source)
        return lambda: run(frame)

    return Artefact(path, "tflite", metadata, None, outputs, one_frame, metadata.output == "logits")


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
        raise _unreadable(path, failure) from failure
    return interpreter


def _quantized(values: np.ndarray, detail: Mapping) -> np.ndarray:
    """To the tensor's type; scale 1/255 and zero point 0 give back a frame's stored bytes."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])


def _dequantized(values: np.ndarray, detail: Mapping) -> np.ndarray:
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    return (values.astype(np.float64) - zero_point) * scale


def _check_shape(artefact: Artefact) -> None:
    """One empty frame through the model tells a mismatch before the data is read."""
    metadata = artefact.metadata
    features = {"frame": np.zeros((1, *metadata.frame_size, 1), np.float32)}
    if "gaze" in metadata.inputs:
        height, width = metadata.gaze_map_size
        features["gaze"] = np.full((1, height, width), 1 / (height * width), np.float32)
    if artefact.kind == "keras":
        for tensor in artefact.model.inputs:
            given = features[tensor.name].shape
            if tuple(tensor.shape)[1:] != given[1:]:
                raise InputError(
                    f"{artefact.path}: its input {tensor.name} is {list(tensor.shape[1:])}, its metadata "
                    f"says {list(given[1:])}: the .json beside it belongs to another artefact, export it anew"
                )
    found = artefact.predict(features).shape
    if found != (1, len(metadata.classes)):
        raise InputError(
            f"{artefact.path}: gives an output of {list(found[1:])}, its metadata names "
            f"{len(metadata.classes)} classes: the .json beside it belongs to another artefact"
        )


def _register_layers() -> None:
    """Keras finds this project's own layers once their modules are imported."""
    import models  # noqa: F401
