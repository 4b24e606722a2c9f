"""ResNet-50 (He et al. 2015, arXiv 1512.03385)."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from common.tensors import Tensor
from models.gaze_fusion import GAZE, GazeFusion, GazeOptions
from models.imagenet import ImageNetWeights
from models.layers import channels, check_frame, stage_depths
from models.preprocess import imagenet_frame
from models.registry import register

if TYPE_CHECKING:
    import keras

_EPSILON = 1.001e-5  # of the ImageNet weights
_FILTERS = (64, 128, 256, 512)
DEPTHS_50 = (3, 4, 6, 3)


@register(
    "resnet50",
    "teacher",
    taps=("stride4", "stride8", "stride16", "stride32"),
    parameters=23_596_420,
    small={"width": 0.1, "depths": (1, 2, 1, 1)},
    published=[((224, 224, 3), 1000, {"fusion": "none"}, 25_636_712)],
    imagenet=ImageNetWeights("ResNet50", str, lambda options: {"depths": DEPTHS_50, "preprocess": "imagenet"}),
)
def build_50(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    gaze: GazeOptions = GAZE,
    width: float = 1.0,
    depths: Sequence[int] = DEPTHS_50,
    preprocess: str = "imagenet",
    dropout: float = 0.2,
) -> keras.Model:
    """ResNet-50, with the gaze fused into its features or as an ordinary classifier.

    Layers, names and biases are those of `keras.applications`, so that its ImageNet weights
    fit. A stage's first block reaches the stage's stride; the gaze is fused behind it.

    Args:
        keras_module: `keras` (a teacher is never quantized).
        frame_shape: (H, W, C).
        num_classes: number of logits.
        gaze: how it takes the gaze: options fusion, fusion_stride (2, 4, 8 or 16, or a list of
            some) and gaze_dropout; see `models.gaze_fusion.GazeOptions`.
        width: multiplier of all channels.
        depths: blocks of each stage; (3, 4, 23, 3) is ResNet-101.
        preprocess: "imagenet" (a grey frame is repeated over three channels) or "none".
        dropout: before the classifier.

    Returns:
        Model {frame [B, H, W, C], gaze [B, h, w]} or frame → logits [B, num_classes];
        taps stride4, 8, 16, 32. Logits are float32 under any precision policy.

    Raises:
        InputError: an option that can't be.
    """
    check_frame("resnet50", frame_shape)
    depths = stage_depths("resnet50", depths)
    layers = keras_module.layers
    fused = GazeFusion(keras_module, "resnet50", frame_shape, gaze)
    x = imagenet_frame(fused, "resnet50", preprocess, "caffe")
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = _conv_bn(keras_module, x, channels(64, width), 7, "conv1", strides=2)
    x = fused(layers.ReLU(name="conv1_relu")(x), 2)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = fused(layers.MaxPooling2D(3, 2, name="pool1_pool")(x), 4)
    for stage, (blocks, filters) in enumerate(zip(depths, _FILTERS), 2):
        stride = 2**stage
        for number in range(1, blocks + 1):
            name = f"conv{stage}_block{number}"
            act = f"stride{stride}" if number == blocks else f"{name}_out"
            x = _block(keras_module, x, channels(filters, width), name, act, stage, number)
            if number == 1 and stage > 2:
                x = fused(x, stride)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras_module.Model(fused.inputs, logits, name="resnet50")


def _block(keras_module: ModuleType, x: Tensor, filters: int, name: str, act: str, stage: int, number: int) -> Tensor:
    """A bottleneck: 1×1, 3×3, 1×1 to four times the channels, added to its input."""
    strides = 2 if number == 1 and stage > 2 else 1
    shortcut = _conv_bn(keras_module, x, 4 * filters, 1, f"{name}_0", strides) if number == 1 else x
    x = keras_module.layers.ReLU(name=f"{name}_1_relu")(_conv_bn(keras_module, x, filters, 1, f"{name}_1", strides))
    x = keras_module.layers.ReLU(name=f"{name}_2_relu")(
        _conv_bn(keras_module, x, filters, 3, f"{name}_2", padding="same")
    )
    x = _conv_bn(keras_module, x, 4 * filters, 1, f"{name}_3")
    x = keras_module.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras_module.layers.ReLU(name=act)(x)


def _conv_bn(
    keras_module: ModuleType, x: Tensor, filters: int, size: int, name: str, strides: int = 1, padding: str = "valid"
) -> Tensor:
    x = keras_module.layers.Conv2D(
        filters,
        size,
        strides,
        padding=padding,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return keras_module.layers.BatchNormalization(momentum=0.9, epsilon=_EPSILON, name=f"{name}_bn")(x)
