"""Where a model looks: the gaze map that it predicts, or the channel mean of its squared activations."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from scipy.special import softmax

from common.grid import GAZE_TAP
from evaluation.artefacts import Artefact
from losses.gaze import SALIENCY
from models.inputs import inputs_of

TAP = GAZE_TAP


def has_attention(artefact: Artefact, tap: str = TAP) -> bool:
    """Whether it is a `.keras` artefact with a layer of that name; others hide their layers."""
    return artefact.model is not None and any(layer.name == tap for layer in artefact.model.layers)


def described(artefact: Artefact, tap: str = TAP) -> str:
    """What `attention_maps` gives of it, in words for captions."""
    if _predicts_gaze(artefact, tap):
        return "the gaze map that it predicts"
    return f"squared activations at {tap}, channel mean"


def attention_maps(artefact: Artefact, features: Mapping[str, np.ndarray], tap: str = TAP) -> np.ndarray:
    """Attention of a batch at a tap, the map that attention transfer compares.

    A model with a layer `saliency` predicts the gaze map and looks through it: for its default
    tap, that map is its attention.

    Args:
        artefact: one that `has_attention`.
        features: as for `Artefact.predict`.
        tap: name of the layer.

    Returns:
        float64 [B, h, w], each sums to 1 (uniform where nothing is active).

    Raises:
        ValueError: an artefact that hides its layers.

    Source: Zagoruyko and Komodakis, "Paying More Attention to Attention", ICLR 2017.
    """
    model = artefact.model
    if model is None:
        raise ValueError(f"{artefact.path}: hides its layers, so it shows no attention")
    inputs = inputs_of(model, {name: tf.constant(features[name], tf.float32) for name in artefact.metadata.inputs})
    if _predicts_gaze(artefact, tap):
        logits = keras.Model(model.input, model.get_layer(SALIENCY).output)(inputs, training=False)
        return softmax(tf.cast(logits, tf.float64).numpy()[..., 0], axis=(1, 2))
    activation = keras.Model(model.input, model.get_layer(tap).output)(inputs, training=False)
    maps = np.square(tf.cast(activation, tf.float32).numpy().astype(np.float64)).mean(axis=-1)
    total = maps.sum(axis=(1, 2), keepdims=True)
    uniform = 1 / (maps.shape[1] * maps.shape[2])
    return np.where(total > 0, maps / np.where(total > 0, total, 1), uniform)


def _predicts_gaze(artefact: Artefact, tap: str) -> bool:
    return tap == TAP and artefact.model is not None and any(layer.name == SALIENCY for layer in artefact.model.layers)
