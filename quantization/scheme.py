"""TF-MOT's 8-bit scheme, with depthwise kernels quantized for each channel, as TFLite holds them.

TF-MOT means to quantize every convolution's kernel for each output channel, and takes the
kernel's last axis for it. Of a depthwise kernel [h, w, C, 1] that axis is the depth
multiplier: one range for all channels, which leaves a channel of small weights a few of the
256 levels, while the converter, which has a scale for each channel, rounds those levels a
second time. Here the ranges are those of the C·1 output channels, so that the int8 file holds
exactly the weights that training saw.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from quantization.legacy import LegacyLayer, LegacyModel, tf_keras, tfmot

if TYPE_CHECKING:
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_registry import QuantizeRegistry


# TF-MOT's layers branch by `smart_cond`; converting their Python took a quarter of the time.
@tf.autograph.experimental.do_not_convert
def quantize_model(model: LegacyModel) -> LegacyModel:
    """The fake-quantized model: TF-MOT's `quantize_model`, with the scheme above.

    Args:
        model: Functional or Sequential `tf_keras` model; it is copied with its weights.

    Raises:
        ValueError, RuntimeError: TF-MOT refuses it.
    """
    api = tfmot().quantization.keras
    return api.quantize_apply(api.quantize_annotate_model(model), scheme=_scheme()())


def registry() -> QuantizeRegistry:
    """What TF-MOT knows to quantize, and how."""
    return _scheme()().get_quantize_registry()


# Its base classes come with TF-MOT, which is imported on first use.
@functools.cache
def _scheme() -> type:
    tfmot()
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry,
        default_8bit_quantize_scheme,
        default_8bit_quantizers,
    )

    class DepthwiseKernelQuantizer(default_8bit_quantizers.Default8BitConvWeightsQuantizer):
        """Symmetric, narrow 8 bits for each of the C·M channels of a kernel [h, w, C, M]."""

        def build(self, tensor_shape: tf.TensorShape, name: str, layer: LegacyLayer) -> dict[str, tf.Variable]:
            return super().build(_by_channel(tensor_shape), name, layer)

        def __call__(
            self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable], **kwargs: Any
        ) -> tf.Tensor:
            kernel = tf_keras().backend.reshape(inputs, _by_channel(inputs.shape))
            quantized = super().__call__(kernel, training, weights, **kwargs)
            return tf_keras().backend.reshape(quantized, inputs.shape)

    class DepthwiseQuantizeConfig(default_8bit_quantize_registry.Default8BitConvQuantizeConfig):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.weight_quantizer = DepthwiseKernelQuantizer()

    class Registry(default_8bit_quantize_registry.Default8BitQuantizeRegistry):
        def __init__(self) -> None:
            super().__init__()
            config = DepthwiseQuantizeConfig(["depthwise_kernel"], ["activation"], False)
            self._layer_quantize_map[tf_keras().layers.DepthwiseConv2D] = config
            # A network that standardises its frames: what this gives is quantized, itself it stays in float.
            output = default_8bit_quantize_registry.Default8BitQuantizeConfig([], [], True)
            self._layer_quantize_map[tf_keras().layers.LayerNormalization] = output

    class Scheme(default_8bit_quantize_scheme.Default8BitQuantizeScheme):
        def get_quantize_registry(self) -> QuantizeRegistry:
            return Registry()

    return Scheme


def _by_channel(shape: tf.TensorShape) -> tuple[int, int, int, int]:
    height, width, inputs, multiplier = shape
    return 1, int(height), int(width), int(inputs * multiplier)
