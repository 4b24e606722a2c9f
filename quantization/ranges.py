"""The ranges of a fake-quantized model: measured before training, then followed.

TF-MOT starts every activation at ±6 and follows the data by 0.1 % a step: a training of
a few hundred steps would end, and be converted, with ranges still near ±6. And it takes
the input's range from the frames it happens to see, so that a byte of a raw frame would
not be one step of the int8 input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import tensorflow as tf

from quantization.legacy import LegacyModel, tfmot

if TYPE_CHECKING:
    from tensorflow_model_optimization.python.core.quantization.keras.quantizers import Quantizer


def set_ranges(model: LegacyModel, frames: Iterable, decay: float) -> None:
    """Set the ranges to those of the float activations; from then on they follow by `decay`.

    The input's range is [0, 1] for good: scale 1/255, zero point 0.

    Args:
        model: what `quantize_model` gave; only its ranges change.
        frames: a few batches [B, H, W, C] in [0, 1]; each range is the mean of the batches'.
        decay: of the moving average, per training step.
    """
    watched = []
    moving = tfmot().quantization.keras.quantizers.MovingAverageQuantizer

    def replaced(quantizer: Quantizer) -> Quantizer | RangeFollower:
        if not isinstance(quantizer, moving):
            return quantizer
        watched.append(RangeFollower(decay))
        return watched[-1]

    for layer in model.layers:
        if hasattr(layer, "quantizer_vars"):
            layer.quantizer = FixedRange()
            layer.quantizer_vars["min_var"].assign(0.0)
            layer.quantizer_vars["max_var"].assign(1.0)
        elif hasattr(layer, "quantize_config"):
            for weight, quantizer, variables in layer._weight_vars:
                quantizer(weight, True, weights=variables)
            for activation in layer._quantize_activations:
                activation.quantizer = replaced(activation.quantizer)
            layer._output_quantizers = [replaced(quantizer) for quantizer in layer._output_quantizers]
    for follower in watched:
        follower.start_watching()
    for batch in frames:
        model(batch, training=False)
    for follower in watched:
        follower.settle()


class FixedRange:
    """A TF-MOT quantizer whose range never moves."""

    def __call__(self, inputs: tf.Tensor, training: bool, weights: Mapping[str, tf.Variable]) -> tf.Tensor:
        return tf.quantization.fake_quant_with_min_max_vars(inputs, weights["min_var"], weights["max_var"])


class RangeFollower(FixedRange):
    """A TF-MOT quantizer with a chosen decay, which can also watch without quantizing."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self._seen: dict | None = None

    def __call__(self, inputs: tf.Tensor, training: bool, weights: Mapping[str, tf.Variable]) -> tf.Tensor:
        low, high = weights["min_var"], weights["max_var"]
        if not training and self._seen is None:
            return super().__call__(inputs, training, weights)
        # Zero must be in the range: it is what TFLite pads with.
        ends = tf.minimum(tf.reduce_min(inputs), 0.0), tf.maximum(tf.reduce_max(inputs), 0.0)
        if self._seen is not None:
            self._seen.setdefault((low.ref(), high.ref()), []).append(ends)
            return inputs
        for variable, end in zip((low, high), ends):
            variable.assign(self.decay * variable + (1.0 - self.decay) * end)
        return super().__call__(inputs, training, weights)

    def start_watching(self) -> None:
        """Until `settle`, pass everything through and note its range. Eager calls only."""
        self._seen = {}

    def settle(self) -> None:
        """Take the mean of the ranges seen."""
        for variables, seen in (self._seen or {}).items():
            for variable, ends in zip(variables, zip(*seen)):
                variable.deref().assign(tf.reduce_mean(tf.stack(ends)))
        self._seen = None
