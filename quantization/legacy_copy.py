"""A copy of a student in `tf_keras`, for TF-MOT: same builder, same layer names, same weights."""

from __future__ import annotations

from typing import Any

import keras

import models
from common.errors import InputError
from models.layers import standardises
from quantization.legacy import LegacyLayer, LegacyModel, tf_keras


def build_legacy_copy(student: keras.Model, name: str, options: dict[str, Any]) -> LegacyModel:
    """Build a registered student again with `tf_keras` layers and copy the weights layer by layer.

    Args:
        student: Keras 3 model, frame [B, H, W, C] → logits [B, K].
        name: its name in the registry.
        options: of the builder, such as `width`; those that it was built with.

    Returns:
        Functional `tf_keras` model, frame float32 [B, H, W, C] in [0, 1] → logits [B, K],
        float32 whatever the policy of the Keras 3 model is.

    Raises:
        InputError: a layer that only one of the two has, or weights of another shape.
    """
    # Names made by counting, such as TF-MOT's `quantize_layer_3`, are in the exported bytes: they start at the
    # beginning, so that a file does not depend on what the process built before.
    tf_keras().backend.reset_uids()
    copy = models.create(name, student.input_shape[1:], student.output_shape[-1], keras_module=tf_keras(), **options)
    copy_weights(student, copy)
    return copy


def copy_weights(source: keras.Model | LegacyModel, target: keras.Model | LegacyModel) -> None:
    """Copy all weights between two models whose layers have the same names.

    Raises:
        InputError: a layer that only one of the two has, or weights of another shape;
            nothing has been copied then.
    """
    if standardises(source) != standardises(target):
        owner = _library(source if standardises(source) else target)
        raise InputError(
            f"model {source.name}: only the {owner} model standardises its frames: build both with the same options"
        )
    values = _weights_by_layer(source)
    targets = {layer.name: layer for layer in target.layers if layer.weights}
    for layer in sorted(set(values) ^ set(targets)):
        owner, other = (source, target) if layer in values else (target, source)
        raise InputError(
            f"model {source.name}, layer {layer}: is in the {_library(owner)} model and not in the {_library(other)} "
            "one: build both with the same name, frame size, classes and options"
        )
    for name, layer in targets.items():
        given, wanted = [v.shape for v in values[name]], [tuple(v.shape) for v in layer.weights]
        if given != wanted:
            raise InputError(
                f"model {source.name}, layer {name}: has weights of {given}, expected {wanted}: "
                "build both with the same frame size, classes and options"
            )
    for name, layer in targets.items():
        layer.set_weights(values[name])


def _weights_by_layer(model: keras.Model | LegacyModel) -> dict[str, list]:
    # Keras 3 lists the state of a random generator among the weights of Dropout.
    return {layer.name: [keras.ops.convert_to_numpy(v) for v in _own(layer)] for layer in model.layers if _own(layer)}


def _own(layer: keras.layers.Layer | LegacyLayer) -> list:
    return [v for v in layer.weights if "seed_generator" not in getattr(v, "path", v.name)]


def _library(model: keras.Model | LegacyModel) -> str:
    return "Keras 3" if isinstance(model, keras.Model) else "tf_keras"
