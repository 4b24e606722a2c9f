"""MobileNet v1 (Howard et al. 2017, arXiv 1704.04861)."""

from __future__ import annotations

from models.layers import bn_relu, channels, conv_bn_relu

# (channels, stride, name of the activation that is the last one at its stride)
_BLOCKS = (
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


def build_v1(kit, frame_shape, num_classes, *, width: float = 0.25, dropout: float = 0.2):
    """MobileNet v1 with a width multiplier.

    Args:
        kit: `keras` or `tf_keras`.
        frame_shape: (H, W, C).
        num_classes: number of logits.
        width: multiplier of all channels; 0.25 has 219,428 parameters with one input
            channel and four classes, 0.2 stays below 150,000.
        dropout: before the classifier.

    Returns:
        Model [B, H, W, C] → logits [B, num_classes]; taps stride4, 8, 16, 32.
    """
    inputs = kit.Input(frame_shape, name="frame")
    x = conv_bn_relu(kit, inputs, channels(32, width), 3, strides=2, name="stem", cap=6.0)
    for number, (filters, strides, tap) in enumerate(_BLOCKS, 1):
        name = f"block{number}"
        x = kit.layers.DepthwiseConv2D(
            3,
            strides,
            padding="same",
            use_bias=False,
            depthwise_initializer="he_normal",
            name=f"{name}_dw_conv",
        )(x)
        x = bn_relu(kit, x, name=f"{name}_dw", cap=6.0)
        x = conv_bn_relu(kit, x, channels(filters, width), 1, name=f"{name}_pw", act=tap, cap=6.0)
    x = kit.layers.GlobalAveragePooling2D(name="pool")(x)
    x = kit.layers.Dropout(dropout, name="dropout")(x)
    logits = kit.layers.Dense(num_classes, name="logits")(x)
    return kit.Model(inputs, logits, name="mobilenet_v1")
