"""Structured pruning: whole channels are removed from a trained network, which becomes a smaller dense one.

Unlike single weights, channels that are gone need no sparse kernels to make a network
smaller and faster. Which ones leave is decided by the size of their weights (Li et al. 2017,
arXiv 1608.08710) or of their batch normalisation's scale (Liu et al. 2017, arXiv 1708.06519),
both simpler than the LASSO of He et al. 2017 (arXiv 1707.06168), whose reconstruction of the
next layer is in `models/reconstruction.py`.
"""

from __future__ import annotations

import keras
import numpy as np

from common.errors import InputError
from common.typed import one_of

CRITERIA = ("l1", "scale")
_PRUNABLE = ("Conv2D", "Dense")
# What a channel goes through as it is, each on its own.
_CHANNELWISE: tuple[str, ...] = ("ReLU", "LeakyReLU", "Activation", "Dropout", "SpatialDropout2D", "Identity")
_CHANNELWISE += ("ZeroPadding2D", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D")
_FOLLOWED = (*_CHANNELWISE, "BatchNormalization", "DepthwiseConv2D", "Flatten", "Concatenate", "GazeModulation")


def choose_channels(model: keras.Model, keep: float, criterion: str = "l1") -> dict[str, np.ndarray]:
    """The channels to keep: in each layer that can lose some, the best share `keep`.

    Args:
        model: trained Functional Keras 3 model.
        keep: share of the channels (units of a dense layer) kept in each layer, above 0 and
            at most 1; at least one stays.
        criterion: "l1" (sum of the absolute weights that make the channel) or "scale"
            (absolute scale of the batch normalisation that follows).

    Returns:
        {name of a layer: indices of the channels that stay, ascending}, for `remove_channels`.

    Raises:
        InputError: a share or a criterion that can't be, or a model with nothing to prune.
    """
    check_choice(keep, criterion)
    kept = {}
    for layer in prunable_layers(model):
        kept[layer.name] = best_channels(model, layer, max(1, round(keep * layer.kernel.shape[-1])), criterion)
    return kept


def check_choice(keep: float, criterion: str) -> None:
    """Refuse a share of channels or a criterion that can't be.

    Raises:
        InputError: naming the parameter.
    """
    if not 0 < keep <= 1:
        raise InputError(f"keep must be above 0 and at most 1, not {keep}")
    one_of("criterion", criterion, CRITERIA)


def best_channels(model: keras.Model, layer: keras.layers.Layer, count: int, criterion: str = "l1") -> np.ndarray:
    """Indices of a layer's `count` best channels, ascending; see `choose_channels`."""
    # Stable: equal channels leave from the end, on every machine alike.
    return np.sort(np.argsort(-_score(model, layer, criterion), kind="stable")[:count])


def prunable_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Convolutions and dense layers that can lose channels, in the order of the graph.

    That is those whose channels are only read by other convolutions and dense layers. What
    the model gives, what is added to a shortcut, and what a layer reads that is not known
    here keeps all its channels.

    Raises:
        InputError: there is none.
    """
    readers = _readers(model)
    outputs = {id(tensor) for tensor in model.outputs}

    def is_free(layer: keras.layers.Layer) -> bool:
        return id(layer.output) not in outputs and all(
            _is_plain(reader) or (_passes(reader, layer) and is_free(reader)) for reader in readers.get(layer.name, [])
        )

    found = [layer for layer in model.layers if _is_plain(layer) and is_free(layer)]
    if not found:
        raise InputError(
            f"model {model.name}: no layer can lose channels: give a chain of convolutions and dense layers, such as "
            "vgg16"
        )
    return found


def remove_channels(model: keras.Model, kept: dict[str, np.ndarray]) -> keras.Model:
    """The same network without some channels, rebuilt from the layers' configurations.

    Args:
        model: trained Functional Keras 3 model; it is not changed.
        kept: indices of the channels that stay, for any of `prunable_layers`, by name.

    Returns:
        Model whose weights are those of the channels that stay, nothing else changed.

    Raises:
        InputError: a layer that can't lose channels.
    """
    free = {layer.name for layer in prunable_layers(model)}
    for name in kept:
        if name not in free:
            raise InputError(f"model {model.name}: layer {name!r} can't lose channels; these can: {', '.join(free)}")

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in kept:
            config["units" if type(layer).__name__ == "Dense" else "filters"] = len(kept[layer.name])
        return type(layer).from_config(config)

    smaller = keras.models.clone_model(model, clone_function=clone)
    alive: dict[int, np.ndarray] = {}
    for layer in model.layers:
        inputs = [alive.get(id(tensor), np.arange(tensor.shape[-1])) for tensor in _inputs(layer)]
        weights, outputs = _sliced(layer, inputs, kept.get(layer.name))
        if weights:
            smaller.get_layer(layer.name).set_weights(weights)
        for tensor in keras.tree.flatten(layer.output):
            alive[id(tensor)] = outputs if outputs is not None else np.arange(tensor.shape[-1])
    return smaller


def _sliced(
    layer: keras.layers.Layer, inputs: list[np.ndarray], kept: np.ndarray | None
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """(weights of the channels that stay, indices of the output's channels that stay)."""
    kind, weights = type(layer).__name__, layer.get_weights()
    if kind in _PRUNABLE and _is_plain(layer):
        kept = np.arange(weights[0].shape[-1]) if kept is None else kept
        kernel = np.take(np.take(weights[0], inputs[0], axis=-2), kept, axis=-1)
        return [kernel, *(bias[kept] for bias in weights[1:])], kept
    if kind == "DepthwiseConv2D":
        many = weights[0].shape[-1]
        outputs = (inputs[0][:, None] * many + np.arange(many)).ravel()
        return [weights[0][:, :, inputs[0]], *(bias[outputs] for bias in weights[1:])], outputs
    if kind in ("BatchNormalization", "GazeModulation"):
        return [values[inputs[0]] for values in weights], inputs[0]
    if kind == "Flatten":
        shape = layer.input.shape[1:]
        places = np.arange(np.prod(shape[:-1], dtype=int))
        return [], (places[:, None] * shape[-1] + inputs[0]).ravel()
    if kind == "Concatenate":
        starts = np.cumsum([0, *(tensor.shape[-1] for tensor in _inputs(layer))])
        return [], np.concatenate([start + channels for start, channels in zip(starts, inputs)])
    if kind in _CHANNELWISE:
        return [], inputs[0]
    return weights, None


def _score(model: keras.Model, layer: keras.layers.Layer, criterion: str) -> np.ndarray:
    """[channels]; the largest are kept."""
    if criterion == "l1":
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        return np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0)
    for reader in _readers(model).get(layer.name, []):
        if type(reader).__name__ == "BatchNormalization" and reader.scale:
            return np.abs(keras.ops.convert_to_numpy(reader.gamma))
    raise InputError(
        f"criterion 'scale': layer {layer.name} of model {model.name} has no batch normalisation behind it: choose 'l1'"
    )


def _is_plain(layer: keras.layers.Layer) -> bool:
    return type(layer).__name__ in _PRUNABLE and getattr(layer, "groups", 1) == 1


def _passes(reader: keras.layers.Layer, layer: keras.layers.Layer) -> bool:
    """Whether channels go through `reader` one by one, so that they can be followed."""
    kind = type(reader).__name__
    if kind == "Concatenate":
        return reader.axis in (-1, len(reader.output.shape) - 1)
    if kind == "GazeModulation":
        return _inputs(reader)[0] is layer.output
    return kind in _FOLLOWED


def _inputs(layer: keras.layers.Layer) -> list:
    return [] if isinstance(layer, keras.layers.InputLayer) else keras.tree.flatten(layer.input)


def _readers(model: keras.Model) -> dict[str, list]:
    """{name of a layer: the layers that read its output}."""
    made = {id(tensor): layer.name for layer in model.layers for tensor in keras.tree.flatten(layer.output)}
    readers: dict[str, list] = {}
    for layer in model.layers:
        for tensor in _inputs(layer):
            readers.setdefault(made[id(tensor)], []).append(layer)
    return readers
