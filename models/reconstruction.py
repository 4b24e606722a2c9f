"""Least-squares reconstruction after channels were removed (He et al. 2017, arXiv 1707.06168, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from common.console import track

# Frames whose patches are taken at a time: those of a 3×3 convolution are nine times its input.
_CHUNK = 4


def reconstruct(
    smaller: keras.Model,
    model: keras.Model,
    kept: Mapping[str, np.ndarray],
    batches: Iterable[Mapping],
    positions: int = 20,
    seed: int = 0,
) -> None:
    """Refit each layer that lost input channels, so that its outputs are again what they were.

    Layer by layer, from the input on: with X the input of the layer in the smaller model, at
    sampled positions, and Y the outputs of the same layer in the original one, its kernel W
    becomes argmin ‖X·W − Y‖² + λ‖W − W₀‖², W₀ being what was left of the original. The last
    term decides what the samples don't. A layer with an activation of its own is left alone.

    Args:
        smaller: what `remove_channels` gave; its kernels change.
        model: what it was made from.
        kept: the channels that stayed, as given to `remove_channels`.
        batches: {"frame" [B, H, W, C] and, if the model takes it, "gaze" [B, h, w]}.
        positions: of each frame and layer, chosen at random for each layer.
        seed: of the positions.
    """
    random = np.random.default_rng(seed)
    batches = list(batches)
    changed = [layer for layer in smaller.layers if _lost_inputs(layer, model.get_layer(layer.name))]
    for layer in track(changed, "reconstructing layers"):
        original = model.get_layer(layer.name)
        before = _forward(smaller, layer.input)
        after = _forward(model, original.output)
        stay = kept.get(layer.name, np.arange(original.output.shape[-1]))
        pairs = ((before(batch), after(batch)) for batch in batches)
        _refit(layer, (sample for x, y in pairs for sample in _samples(layer, x, y, stay, positions, random)))


def _lost_inputs(layer: keras.layers.Layer, original: keras.layers.Layer) -> bool:
    if type(layer).__name__ not in ("Conv2D", "Dense") or layer.activation is not keras.activations.linear:
        return False
    return layer.kernel.shape[-2] != original.kernel.shape[-2]


def _forward(model: keras.Model, tensor: keras.KerasTensor) -> Callable[[Mapping], tf.Tensor]:
    part = keras.Model(model.input, tensor)

    def run(features: Mapping) -> tf.Tensor:
        inputs = keras.tree.map_structure(lambda entry: features[entry.name], model.input)
        return tf.cast(part(inputs, training=False), tf.float32)

    return run


def _samples(
    layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor, stay: np.ndarray, positions: int, random: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (X [n, what one output is made of], Y [n, outputs that stay]), float64."""
    if type(layer).__name__ == "Dense":
        yield _pair(x, y, stay)
        return
    sizes, strides, rates = ([1, *of, 1] for of in (layer.kernel_size, layer.strides, layer.dilation_rate))
    for first in range(0, len(x), _CHUNK):
        patches = tf.image.extract_patches(x[first : first + _CHUNK], sizes, strides, rates, layer.padding.upper())
        rows, wanted = (tf.reshape(t, (-1, t.shape[-1])) for t in (patches, y[first : first + _CHUNK]))
        chosen = random.permutation(len(rows))[: positions * _CHUNK]
        yield _pair(tf.gather(rows, chosen), tf.gather(wanted, chosen), stay)


def _pair(x: tf.Tensor, y: tf.Tensor, stay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.numpy().astype(np.float64), y.numpy().astype(np.float64)[:, stay]


def _refit(layer: keras.layers.Layer, samples: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
    kernel = keras.ops.convert_to_numpy(layer.kernel).astype(np.float64)
    start = kernel.reshape(-1, kernel.shape[-1])
    bias = keras.ops.convert_to_numpy(layer.bias) if layer.use_bias else 0.0
    gram, moment = np.zeros((len(start), len(start))), np.zeros_like(start)
    for x, y in samples:
        gram += x.T @ x
        moment += x.T @ (y - x @ start - bias)
    # Small compared with the samples, so that it decides only where they say nothing.
    gram[np.diag_indices_from(gram)] += 1e-4 * np.trace(gram) / len(gram) + np.finfo(np.float32).tiny
    layer.kernel.assign((start + np.linalg.solve(gram, moment)).reshape(kernel.shape))
