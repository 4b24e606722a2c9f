"""One way to save, load and run every kind of artefact: `.keras`, SavedModel folder, `.tflite`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from common.console import notice
from common.errors import InputError
from common.files import path_kind, whole_file
from data.dataset import Dataset
from data.saliency import map_size
from evaluation.artefacts import runners
from evaluation.artefacts.metadata import Metadata, read_metadata, verify, write_metadata
from models.inputs import input_tensors
from models.keras_file import read_keras_model

KINDS = ("keras", "saved_model", "tflite")


@dataclasses.dataclass(frozen=True)
class Artefact:
    """A loaded classifier with its metadata.

    Attributes:
        path: of the file or folder.
        kind: one of `KINDS`.
        metadata: as read from next to it.
        model: the Keras model, for `.keras` alone; None otherwise.
        runner: what runs it.
    """

    path: Path
    kind: str
    metadata: Metadata
    model: keras.Model | None
    runner: runners.Runner

    def predict(self, features: Mapping[str, Any]) -> np.ndarray:
        """Class probabilities of a batch.

        Args:
            features: `frame` float32 [B, H, W, 1] in [0, 1]; `gaze` float32 [B, h, w], used
                by teachers only. Anything else is ignored.

        Returns:
            float64 [B, K]; each row sums to 1.
        """
        outputs = np.asarray(self.runner.outputs(features), dtype=np.float64)
        if self.runner.gives_logits:
            return softmax(outputs, axis=-1)
        # An 8-bit softmax is rounded to 1/256, so its rows sum to 1 only nearly.
        return outputs / np.maximum(outputs.sum(axis=-1, keepdims=True), np.finfo(float).tiny)

    def one_frame(self, features: Mapping[str, Any]) -> Callable[[], object]:
        """A function without arguments that runs a batch of one, for timing.

        Args:
            features: as for `predict`, with B = 1; they are converted here, once.
        """
        return self.runner.one_frame(features)


def save_keras(model: keras.Model, path: str | os.PathLike, metadata: Metadata) -> None:
    """Write a model as a `.keras` file, with its metadata next to it and without its optimizer.

    Args:
        model: Functional model.
        path: of the file; one that is there is replaced when the new one is whole.
        metadata: its `sha256` is set here.

    Raises:
        InputError: the path can't be written, or does not end in `.keras`.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise InputError(f"{path}: a Keras file is to be written there: give it the ending .keras")
    if getattr(model, "optimizer", None) is not None:
        # The optimizer's moments are twice the weights, and nobody trains a finished model on.
        model = keras.Model(input_tensors(model), model.output, name=model.name)
    with whole_file(path) as temporary:
        model.save(temporary)
    write_metadata(path, metadata)


def load_keras_model(path: str | os.PathLike) -> keras.Model:
    """The Keras model of a `.keras` artefact, uncompiled.

    Raises:
        InputError: no such file, no metadata, bytes that are not those of the metadata's SHA-256,
            a hostile archive, or a file that is no Keras model or not what its metadata says.
    """
    path = Path(path)
    if path_kind(path) != "file":
        raise InputError(f"{path}: there is no such artefact: check the path")
    metadata = read_metadata(path)
    verify(path, metadata)
    model = read_keras_model(path)
    _check_inputs(path, model, metadata)
    found, expected = tuple(model.output_shape[1:]), _expected_output(metadata)
    if found != expected:
        what = f"{len(metadata.classes)} classes" if len(expected) == 1 else f"maps of {list(expected)}"
        raise InputError(
            f"{path}: gives an output of {list(found)}, its metadata names {what}: "
            "the .json next to it belongs to another artefact"
        )
    return model


def load_artefact(path: str | os.PathLike, *, threads: int | None = None, trust: bool = False) -> Artefact:
    """Load a classifier and its metadata.

    Args:
        path: `.keras` file, `.tflite` file, or SavedModel folder with a `serve` endpoint
            (uint8 or float frames in; a dict with `probabilities` and `class_names` out).
        threads: of the TFLite interpreter; TensorFlow's are fixed for the whole process.
        trust: load a SavedModel whose graph can reach files, processes, the network or Python.

    Raises:
        InputError: no such artefact, an unknown kind, no metadata, a file that is damaged,
            hostile or can't be read, or a model that is not what its metadata says.
    """
    path = Path(path)
    kind = artefact_kind(path)
    metadata = read_metadata(path)
    if metadata.output == "gaze_map":
        raise InputError(
            f"{path}: gives gaze maps, not classes: name the student next to it; saliency evaluates its map"
        )
    model = None
    if kind == "keras":
        model = load_keras_model(path)
        runner = runners.keras_runner(model, metadata)
    else:
        verify(path, metadata)
        if kind == "saved_model":
            runner = runners.saved_model_runner(path, metadata, trust=trust)
        else:
            runner = runners.tflite_runner(path, metadata, threads)
    artefact = Artefact(path, kind, metadata, model, runner)
    found = artefact.predict(blank_features(metadata)).shape
    if found != (1, len(metadata.classes)):
        raise InputError(
            f"{path}: gives an output of {list(found[1:])}, its metadata names {len(metadata.classes)} classes: "
            "the .json next to it belongs to another artefact"
        )
    return artefact


def blank_features(metadata: Metadata) -> dict[str, np.ndarray]:
    """One black frame and, for a model that takes gaze, the uniform map."""
    features = {"frame": np.zeros((1, *metadata.frame_size, 1), np.float32)}
    if "gaze" in metadata.inputs and metadata.gaze_map_size is not None:
        height, width = metadata.gaze_map_size
        features["gaze"] = np.full((1, height, width), 1 / (height * width), np.float32)
    return features


def check_matches(metadata: Metadata, data: Dataset, path: str | os.PathLike) -> None:
    """Refuse an artefact whose classes, frame size, fit or gaze map are not the data set's.

    A data set prepared with another choice of `fan` than the artefact's gives a notice and is not refused.

    Args:
        metadata: of the artefact.
        data: the opened data set.
        path: of the artefact, for the message.

    Raises:
        InputError: naming the artefact and the data set, and what each has.
    """
    if metadata.classes != data.classes:
        raise InputError(
            f"{path}: its classes are {', '.join(metadata.classes)}, those of the data set "
            f"{data.path} are {', '.join(data.classes)}: prepare the data with the same classes in "
            "the same order, or give another artefact"
        )
    if metadata.frame_size != data.frame_size:
        (height, width), (data_height, data_width) = metadata.frame_size, data.frame_size
        raise InputError(
            f"{path}: takes frames of {height}×{width}, those of the data set {data.path} are "
            f"{data_height}×{data_width}: prepare the data with frame_size ({height}, {width}), "
            "or give another artefact"
        )
    if metadata.fit != data.fit:
        raise InputError(
            f"{path}: takes frames made with fit {metadata.fit}, those of the data set {data.path} were made with "
            f"{data.fit}: prepare the data with fit {metadata.fit}, or give another artefact"
        )
    if metadata.fan != data.fan:
        notice(f"{path}: was trained with fan {metadata.fan}, the data set {data.path} was prepared with {data.fan}")
    wanted = map_size(data.frame_size)
    if ("gaze" in metadata.inputs or metadata.output == "gaze_map") and metadata.gaze_map_size != wanted:
        raise InputError(
            f"{path}: its gaze maps are {list(metadata.gaze_map_size or ())}, those of the data set {data.path} are "
            f"{list(wanted)}: give an artefact that was trained on this grid"
        )


def artefact_kind(path: Path) -> str:
    """One of `KINDS`.

    Raises:
        InputError: no such artefact, or a file or folder that is none.
    """
    if path_kind(path) is None:
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


def _expected_output(metadata: Metadata) -> tuple[int, ...]:
    if metadata.output == "gaze_map" and metadata.gaze_map_size is not None:
        return metadata.gaze_map_size
    return (len(metadata.classes),)


def _check_inputs(path: Path, model: keras.Model, metadata: Metadata) -> None:
    names = [tensor.name for tensor in model.inputs]
    if sorted(names) != sorted(metadata.inputs):
        raise InputError(
            f"{path}: its inputs are {', '.join(names)}, its metadata says {', '.join(metadata.inputs)}: "
            "the .json next to it belongs to another artefact, export it again"
        )
    features = blank_features(metadata)
    for tensor in model.inputs:
        found, expected = list(tensor.shape[1:]), list(features[tensor.name].shape[1:])
        if found != expected:
            raise InputError(
                f"{path}: its input {tensor.name} is {found}, its metadata says {expected}: "
                "the .json next to it belongs to another artefact, export it again"
            )
