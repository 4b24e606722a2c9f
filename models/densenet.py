"""DenseNet-121 (Huang et al. 2016, arXiv 1608.06993)."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from common.tensors import Tensor
from models.gaze_fusion import GAZE, GazeFusion, GazeOptions
from models.imagenet import ImageNetWeights
from models.layers import bn_relu, channels, check_frame, stage_depths
from models.preprocess import imagenet_frame
from models.registry import register

if TYPE_CHECKING:
    import keras

_EPSILON = 1.001e-5  # of the ImageNet weights
_GROWTH = 32
DEPTHS_121 = (6, 12, 24, 16)


@register(
    "densenet121",
    "teacher",
    taps=("stride4", "stride8", "stride16", "stride32"),
    parameters=7_041_732,
    small={"width": 0.1, "depths": (1, 2, 1, 1)},
    published=[
        ((224, 224, 3), 1000, {"fusion": "none"}, 8_062_504),
        ((224, 224, 3), 1000, {"fusion": "none", "depths": (6, 12, 32, 32)}, 14_307_880),
    ],
    # The transitions: their 1×1 convolution stands between the activation and the pooling.
    learns_behind_taps=("pool2_conv", "pool3_conv", "pool4_conv"),
    imagenet=ImageNetWeights("DenseNet121", str, lambda options: {"depths": DEPTHS_121, "preprocess": "imagenet"}),
)
def build_121(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    gaze: GazeOptions = GAZE,
    width: float = 1.0,
    depths: Sequence[int] = DEPTHS_121,
    preprocess: str = "imagenet",
    dropout: float = 0.2,
) -> keras.Model:
    """DenseNet-121, with the gaze fused into its features or as an ordinary classifier.

    Layers and names are those of `keras.applications`, so that its ImageNet weights fit.
    The last activation at a stride is that of the transition, over all that its dense
    block has gathered; the transition's 1×1 convolution and pooling come behind it.

    Args:
        keras_module: `keras` (a teacher is never quantized).
        frame_shape: (H, W, C).
        num_classes: number of logits.
        gaze: how it takes the gaze: options fusion, fusion_stride (2, 4, 8 or 16, or a list of
            some) and gaze_dropout; see `models.gaze_fusion.GazeOptions`.
        width: multiplier of the stem's channels and of the growth rate.
        depths: layers of each dense block; (6, 12, 32, 32) is DenseNet-169.
        preprocess: "imagenet" (a grey frame is repeated over three channels) or "none".
        dropout: before the classifier.

    Returns:
        Model {frame [B, H, W, C], gaze [B, h, w]} or frame → logits [B, num_classes];
        taps stride4, 8, 16, 32. Logits are float32 under any precision policy.

    Raises:
        InputError: an option that can't be.
    """
    check_frame("densenet121", frame_shape)
    depths = stage_depths("densenet121", depths)
    layers = keras_module.layers
    fused = GazeFusion(keras_module, "densenet121", frame_shape, gaze)
    x = imagenet_frame(fused, "densenet121", preprocess, "torch")
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = _conv(keras_module, x, channels(2 * _GROWTH, width), 7, "conv1", strides=2, padding="valid")
    x = fused(bn_relu(keras_module, x, name="conv1", epsilon=_EPSILON), 2)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = fused(layers.MaxPooling2D(3, 2, name="pool1")(x), 4)
    for stage, depth in enumerate(depths, 2):
        for number in range(1, depth + 1):
            x = _dense(keras_module, x, channels(_GROWTH, width), f"conv{stage}_block{number}")
        if stage < 5:
            x = bn_relu(keras_module, x, name=f"pool{stage}", act=f"stride{2**stage}", epsilon=_EPSILON)
            x = _conv(keras_module, x, x.shape[-1] // 2, 1, f"pool{stage}")
            x = fused(layers.AveragePooling2D(2, name=f"pool{stage}_pool")(x), 2 ** (stage + 1))
    x = layers.BatchNormalization(momentum=0.9, epsilon=_EPSILON, name="bn")(x)
    x = layers.ReLU(name="stride32")(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras_module.Model(fused.inputs, logits, name="densenet121")


def _dense(keras_module: ModuleType, x: Tensor, growth: int, name: str) -> Tensor:
    """`growth` new channels, made by a 1×1 bottleneck and a 3×3 convolution, joined to all earlier ones."""
    new = bn_relu(keras_module, x, name=f"{name}_0", epsilon=_EPSILON)
    new = _conv(keras_module, new, 4 * growth, 1, f"{name}_1")
    new = bn_relu(keras_module, new, name=f"{name}_1", epsilon=_EPSILON)
    new = _conv(keras_module, new, growth, 3, f"{name}_2")
    return keras_module.layers.Concatenate(name=f"{name}_concat")([x, new])


def _conv(
    keras_module: ModuleType, x: Tensor, filters: int, size: int, name: str, strides: int = 1, padding: str = "same"
) -> Tensor:
    return keras_module.layers.Conv2D(
        filters,
        size,
        strides,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
