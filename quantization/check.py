"""The dry run: every layer that TF-MOT would refuse, named before any training."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import models
from common.errors import InputError, in_words
from models.layers import STANDARDISE
from quantization.legacy import LegacyLayer, LegacyModel, tf_keras
from quantization.scheme import quantize_model, registry

if TYPE_CHECKING:
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_registry import QuantizeRegistry

# What a builder raises when it uses a layer or an option that legacy Keras lacks, and
# what TF-MOT raises when it refuses.
_REFUSALS = (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError)
# Replaced by quantizable layers before TF-MOT asks its registry.
_REWRITTEN = ("InputLayer", "SeparableConv1D", "SeparableConv2D")
_FOLDABLE = ("Conv2D", "DepthwiseConv2D", "Dense")
# What was found, by builder, name, shape, classes and options: a study asks the same of many rows.
_found: dict[tuple[Any, ...], tuple[Refusal, ...]] = {}


class Refusal(NamedTuple):
    """One layer that can't be quantized: its name, its class, and why with the cure."""

    layer: str
    kind: str
    reason: str


def dry_run(name: str, frame_shape: tuple[int, int, int], num_classes: int, **options: Any) -> list[Refusal]:
    """Build a registered model with `tf_keras` and name every layer that TF-MOT refuses.

    Returns:
        The refusals, in the order of the layers; empty if the model can be quantized.

    Raises:
        InputError: an unknown name or option.
    """
    key = (models.find(name).build, name, frame_shape, num_classes, repr(sorted(options.items())))
    if key not in _found:
        _found[key] = tuple(_build_and_ask(name, frame_shape, num_classes, options))
    return list(_found[key])


def _build_and_ask(
    name: str, frame_shape: tuple[int, int, int], num_classes: int, options: dict[str, Any]
) -> list[Refusal]:
    try:
        model = models.create(name, frame_shape, num_classes, keras_module=tf_keras(), **options)
    except InputError:
        raise
    except _REFUSALS as error:
        reason = f"can't be built with tf_keras ({in_words(error)}): use plain layers that both Keras have"
        return [Refusal(name, f"{models.find(name).role} model", reason)]
    return refused_layers(model)


def refused_layers(model: LegacyModel) -> list[Refusal]:
    """Every layer of a `tf_keras` model that TF-MOT refuses, or leaves in float.

    Each layer is held against TF-MOT's own registry; a model that passes is then
    quantized for a trial, so that an empty list is a promise kept.

    Returns:
        The refusals, in the order of the layers.
    """
    return try_quantize(model)[1]


def try_quantize(model: LegacyModel) -> tuple[object | None, list[Refusal]]:
    """The fake-quantized model and no refusals, or None and the refusals; see `refused_layers`."""
    keras_module = tf_keras()
    functional = isinstance(model, keras_module.Sequential) or getattr(model, "_is_graph_network", False)
    if not isinstance(model, keras_module.Model) or not functional:
        reason = "is not a Functional tf_keras model: build it from an input to an output with plain layers"
        return None, [Refusal(getattr(model, "name", "model"), type(model).__name__, reason)]
    known = registry()
    reasons = [(layer, _reason(keras_module, known, layer)) for layer in model.layers]
    refused = [Refusal(layer.name, type(layer).__name__, reason) for layer, reason in reasons if reason]
    if refused:
        return None, refused
    try:
        return quantize_model(model), []
    except _REFUSALS as error:
        return None, [Refusal(model.name, "model", f"TF-MOT refuses it: {in_words(error)}")]


def _reason(keras_module: ModuleType, known: QuantizeRegistry, layer: LegacyLayer) -> str | None:
    kind = type(layer).__name__
    if isinstance(layer, keras_module.Model):
        return "is a model inside the model: build all layers flat"
    if isinstance(layer, keras_module.layers.Lambda):
        return "would be left in float: use a layer that TF-MOT knows, or do it before the model"
    if layer.compute_dtype != "float32":
        return f"computes in {layer.compute_dtype}: the quantization stage is float32"
    if isinstance(layer, keras_module.layers.BatchNormalization):
        return _batch_norm_reason(layer)
    if isinstance(layer, keras_module.layers.LayerNormalization) and (layer.weights or layer.name != STANDARDISE):
        return "would be left in float: use BatchNormalization behind a convolution"
    if kind in _REWRITTEN:
        return None
    if not known.supports(layer):
        cure = (
            "the model takes frames in [0, 1] as they are"
            if kind in ("Rescaling", "Normalization")
            else "use another layer"
        )
        return f"is not in TF-MOT's 8-bit registry: {cure}"
    return _activation_reason(layer)


def _batch_norm_reason(layer: LegacyLayer) -> str | None:
    before = [parent.layer for node in layer.inbound_nodes for parent in node.parent_nodes]
    if len(before) != 1 or type(before[0]).__name__ not in _FOLDABLE:
        found = " and ".join(f"{parent.name} ({type(parent).__name__})" for parent in before)
        return f"follows {found or 'the input'}: only after {', '.join(_FOLDABLE)} can it be folded away"
    if before[0].activation.__name__ != "linear":
        return f"follows {before[0].name}, which has an activation of its own: put it between the two"
    if len(before[0].outbound_nodes) > 1:
        return f"follows {before[0].name}, which feeds other layers too: it can't be folded away"
    return None


def _activation_reason(layer: LegacyLayer) -> str | None:
    from tensorflow_model_optimization.python.core.quantization.keras import quantize_aware_activation

    known = quantize_aware_activation.QuantizeAwareActivation
    activation = getattr(layer, "activation", None)
    names = known._PRE_QUANT_ACTIVATIONS | known._POST_QUANT_ACTIVATIONS
    if activation is None or getattr(activation, "__name__", "") in names:
        return None
    name = getattr(activation, "__name__", type(activation).__name__)
    return f"has the activation {name}: TF-MOT knows {', '.join(sorted(names))}"
