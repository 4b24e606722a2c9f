"""MobileNet v1 (Howard et al. 2017, arXiv 1704.04861) and v2 (Sandler et al. 2018, arXiv 1801.04381)."""

from __future__ import annotations

from models.layers import bn_relu, channels, conv_bn_relu

# v1: (channels, stride, name of the activation that is the last one at its stride)
_BLOCKS_V1 = (
    (64, 1, None),
    (128, 2, None),
    (128, 1, "stride4"),
    (256, 2, None),
    (256, 1, "stride8"),
    (512, 2, None),
    (512, 1, None),
    (512, 1, None),
    (512, 1, None),
    (512, 1, None),
    (512, 1, "stride16"),
    (1024, 2, None),
    (1024, 1, "stride32"),
)
# v2: (expansion, channels, blocks, stride of the first block)
_STAGES_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def build_v1(keras_module, frame_shape, num_classes, *, width: float = 0.25, dropout: float = 0.2):
    """MobileNet v1 with a width multiplier.

    Args:
        keras_module: `keras` or `tf_keras`.
        frame_shape: (H, W, C).
        num_classes: number of logits.
        width: multiplier of all channels; 0.25 has 219,428 parameters with one input
            channel and four classes, 0.2 stays below 150,000, 0.1 below 50,000.
        dropout: before the classifier.

    Returns:
        Model [B, H, W, C] → logits [B, num_classes]; taps stride4, 8, 16, 32.
    """
    inputs = keras_module.Input(frame_shape, name="frame")
    x = conv_bn_relu(keras_module, inputs, channels(32, width), 3, strides=2, name="stem", cap=6.0)
    for number, (filters, strides, tap) in enumerate(_BLOCKS_V1, 1):
        name = f"block{number}"
        x = _depthwise(keras_module, x, strides, name)
        x = conv_bn_relu(keras_module, x, channels(filters, width), 1, name=f"{name}_pw", act=tap, cap=6.0)
    return keras_module.Model(inputs, _logits(keras_module, x, num_classes, dropout), name="mobilenet_v1")


def build_v2(
    keras_module,
    frame_shape,
    num_classes,
    *,
    width: float = 0.2,
    head_width: float | None = None,
    dropout: float = 0.2,
):
    """MobileNet v2: inverted residuals with linear bottlenecks, with a width multiplier.

    A block's output is linear, so the last *activation* at a stride is the expansion of the
    next block, which still works on the finer grid before its depthwise convolution strides
    to the coarser one. That activation is the tap: it has a sparse, non-negative map with six
    times the bottleneck's channels, as the taps of the other families have, and it is one of
    the tensors that the quantized twin holds.

    Args:
        keras_module: `keras` or `tf_keras`.
        frame_shape: (H, W, C).
        num_classes: number of logits.
        width: multiplier of all channels, rounded to multiples of 8 as published (never more
            than a tenth below); 1 has 3,538,984 parameters with three input channels and 1000
            classes; 0.2 stays below 150,000 with one channel and four classes, 0.08 below 50,000.
        head_width: multiplier of the last convolution's 1280 channels; None follows `width`.
            The published narrow models keep all of them (1.0), which is most of a small
            model: 0.35 with one input channel and four classes has 415,044 parameters then.
        dropout: before the classifier.

    Returns:
        Model [B, H, W, C] → logits [B, num_classes]; taps stride4, 8, 16, 32.
    """
    inputs = keras_module.Input(frame_shape, name="frame")
    x = conv_bn_relu(keras_module, inputs, _divisible(32, width), 3, strides=2, name="stem", cap=6.0)
    grid, number = 2, 0
    for expansion, filters, blocks, first in _STAGES_V2:
        for strides in (first, *[1] * (blocks - 1)):
            number += 1
            name, shortcut = f"block{number}", x
            if expansion > 1:
                # Leaving a grid: nothing else is activated on it.
                tap = f"stride{grid}" if strides == 2 and grid > 2 else None
                x = conv_bn_relu(keras_module, x, expansion * x.shape[-1], 1, name=f"{name}_expand", act=tap, cap=6.0)
            x = _depthwise(keras_module, x, strides, name)
            x = _linear(keras_module, x, _divisible(filters, width), f"{name}_project")
            if strides == 1 and x.shape[-1] == shortcut.shape[-1]:
                x = keras_module.layers.Add(name=f"{name}_add")([shortcut, x])
            grid *= strides
    last = _divisible(1280, width if head_width is None else head_width)
    x = conv_bn_relu(keras_module, x, last, 1, name="head", act=f"stride{grid}", cap=6.0)
    return keras_module.Model(inputs, _logits(keras_module, x, num_classes, dropout), name="mobilenet_v2")


def _divisible(count: int, width: float) -> int:
    """The published rounding: to the nearest multiple of 8, and up if that lost more than a tenth."""
    channels(count, width)  # refuses an impossible width
    nearest = max(8, int(count * width + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * count * width else nearest + 8


def _depthwise(keras_module, x, strides, name):
    x = keras_module.layers.DepthwiseConv2D(
        3,
        strides,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_dw_conv",
    )(x)
    return bn_relu(keras_module, x, name=f"{name}_dw", cap=6.0)


def _linear(keras_module, x, filters, name):
    """A 1×1 convolution with batch normalisation and no activation: the bottleneck."""
    x = keras_module.layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return keras_module.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)


def _logits(keras_module, x, num_classes, dropout):
    x = keras_module.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras_module.layers.Dropout(dropout, name="dropout")(x)
    return keras_module.layers.Dense(num_classes, name="logits")(x)
