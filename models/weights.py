"""Arrays into a model's layers by name: all of them fit, or none is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from common.errors import InputError


def assign_weights(
    model: keras.Model,
    values: Mapping[str, Sequence[np.ndarray]],
    source: str,
    cure: str,
    labels: Mapping[str, str] | None = None,
) -> list[str]:
    """Set the weights of the named layers.

    A first kernel that takes one more channel than is given has the gaze as a channel besides the frame
    (early fusion): its part starts at zero, and the network answers as the one without.

    Args:
        model: to be changed.
        values: layer name → its arrays, in the order of `layer.get_weights()`.
        source: what they come from, for errors.
        cure: what to do when they do not fit, for errors.
        labels: layer name → what the source calls it; the layer's own name without.

    Returns:
        Names of the layers that have weights and got none.

    Raises:
        InputError: a layer that the model lacks, or arrays of another shape; the model is
            unchanged then.
    """
    labels = labels or {}
    layers = {layer.name: layer for layer in model.layers if _state(layer)}
    fitted = {}
    for name, arrays in values.items():
        if name not in layers:
            raise InputError(f"{source}: {labels.get(name, name)} has no place in model {model.name}: {cure}")
        wanted = [tuple(variable.shape) for variable in _state(layers[name])]
        fitted[name] = [_with_gaze(np.asarray(a), shape) for a, shape in zip(arrays, wanted)]
        found = [array.shape for array in fitted[name]]
        if len(arrays) != len(wanted) or found != wanted:
            misfit = next((pair for pair in zip(found, wanted) if pair[0] != pair[1]), (len(arrays), len(wanted)))
            raise InputError(
                f"{source}: {labels.get(name, name)} has {_shape(misfit[0])}, model {model.name} wants "
                f"{_shape(misfit[1])}: {cure}"
            )
    for name, arrays in fitted.items():
        for variable, array in zip(_state(layers[name]), arrays):
            variable.assign(array)
    return [name for name in layers if name not in fitted]


def _state(layer: keras.layers.Layer) -> list:
    # The state of a random generator is listed as a weight; it is none.
    return [variable for variable in layer.weights if "seed_generator" not in variable.path]


def _with_gaze(array: np.ndarray, wanted: tuple[int, ...]) -> np.ndarray:
    if array.ndim != 4 or len(wanted) != 4 or wanted != (*array.shape[:2], array.shape[2] + 1, array.shape[3]):
        return array
    return np.concatenate([array, np.zeros_like(array[:, :, :1])], axis=2)


def _shape(value: int | tuple[int, ...]) -> str:
    return f"{value} arrays" if isinstance(value, int) else f"shape {'×'.join(map(str, value))}"
