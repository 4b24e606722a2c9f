"""A student's twin in `tf_keras`: same builder, same layer names, same weights."""

from __future__ import annotations

import keras

import models
from common.errors import InputError
from quantization.legacy import tf_keras


def build_twin(name: str, frame_shape: tuple[int, int, int], num_classes: int, weights_from: keras.Model, **options):
    """Build a registered student with `tf_keras` layers and copy the weights layer by layer.

    Args:
        name: the student's name in the registry.
        frame_shape: (H, W, channels).
        num_classes: number of logits.
        weights_from: the Keras 3 model of the same name and options.
        options: of the builder, such as `width`.

    Returns:
        Functional `tf_keras` model, frame float32 [B, H, W, C] in [0, 1] → logits [B, K],
        float32 whatever the policy of the Keras 3 model is.

    Raises:
        InputError: a layer that only one of the two has, or weights of another shape.
    """
    twin = models.create(name, frame_shape, num_classes, keras_module=tf_keras(), **options)
    copy_weights(weights_from, twin)
    return twin


def copy_weights(source, target) -> None:
    """Copy all weights between two models whose layers have the same names.

    Raises:
        InputError: a layer that only one of the two has, or weights of another shape;
            nothing has been copied then.
    """
    values = _weights_by_layer(source)
    targets = {layer.name: layer for layer in target.layers if layer.weights}
    for layer in sorted(set(values) ^ set(targets)):
        owner, other = (source, target) if layer in values else (target, source)
        raise InputError(
            f"model {source.name}, layer {layer}: is in the {_kit(owner)} model and not in the {_kit(other)} "
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


def _weights_by_layer(model) -> dict[str, list]:
    # Keras 3 lists the state of a random generator as a weight (Dropout); it is none.
    return {layer.name: [keras.ops.convert_to_numpy(v) for v in _own(layer)] for layer in model.layers if _own(layer)}


def _own(layer) -> list:
    return [v for v in layer.weights if "seed_generator" not in getattr(v, "path", v.name)]


def _kit(model) -> str:
    return "Keras 3" if isinstance(model, keras.Model) else "tf_keras"
