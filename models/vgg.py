"""VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556) with its wide dense layers.

This is the conventional model that compression ratios of a thousand are about: nine tenths
of its parameters sit in the two 4096-wide layers.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from common.tensors import Tensor
from models.gaze_fusion import GAZE, GazeFusion, GazeOptions
from models.imagenet import ImageNetWeights
from models.layers import channels, check_frame, conv_bn_relu
from models.preprocess import imagenet_frame
from models.registry import register

if TYPE_CHECKING:
    import keras

_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def _ours(name: str) -> str:
    """The name of a layer of `keras.applications.VGG16` here."""
    block, conv = name.split("_")
    return f"conv{block.removeprefix('block')}_{conv.removeprefix('conv')}_conv"


@register(
    "vgg16",
    "teacher",
    taps=("stride4", "stride8", "stride16", "stride32"),
    parameters=56_718_660,
    small={"width": 0.1, "dense_units": 16},
    published=[((224, 224, 3), 1000, {"fusion": "none", "batch_norm": False}, 138_357_544)],
    imagenet=ImageNetWeights("VGG16", _ours, lambda options: {"batch_norm": False, "preprocess": "imagenet"}),
)
def build_16(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    gaze: GazeOptions = GAZE,
    width: float = 1.0,
    dense_units: int = 4096,
    batch_norm: bool = True,
    preprocess: str = "none",
    dropout: float = 0.5,
) -> keras.Model:
    """VGG-16, with the gaze fused into its features or as an ordinary classifier.

    Args:
        keras_module: `keras` (a teacher is never quantized).
        frame_shape: (H, W, C).
        num_classes: number of logits.
        gaze: how it takes the gaze: options fusion ("none" is the conventional model),
            fusion_stride (2, 4, 8, 16 or 32, or a list of some) and gaze_dropout; see
            `models.gaze_fusion.GazeOptions`.
        width: multiplier of the convolutions' channels.
        dense_units: width of the two dense layers.
        batch_norm: after every hidden layer; without it (the 2014 layout) it hardly trains
            from scratch.
        preprocess: "none", or "imagenet": the frame as the ImageNet weights want it.
        dropout: after each dense layer.

    Returns:
        Model {frame [B, H, W, C], gaze [B, h, w]} or frame → logits [B, num_classes];
        taps stride4, 8, 16, 32. Logits are float32 under any precision policy.
    """
    check_frame("vgg16", frame_shape)
    layers = keras_module.layers
    fused = GazeFusion(keras_module, "vgg16", frame_shape, gaze, (2, 4, 8, 16, 32))
    x, stride = imagenet_frame(fused, "vgg16", preprocess, "caffe"), 1
    for number, (depth, filters) in enumerate(_BLOCKS, 1):
        for k in range(1, depth + 1):
            act = f"stride{stride}" if k == depth and stride >= 4 else None
            x = _conv(keras_module, x, channels(filters, width), f"conv{number}_{k}", act, batch_norm)
        stride *= 2
        x = layers.MaxPooling2D(name="stride32" if stride == 32 else f"pool{number}")(x)
        x = fused(x, stride)
    logits = _classify(keras_module, x, num_classes, dense_units, batch_norm, dropout)
    return keras_module.Model(fused.inputs, logits, name="vgg16")


def _classify(
    keras_module: ModuleType, x: Tensor, num_classes: int, dense_units: int, batch_norm: bool, dropout: float
) -> Tensor:
    """Two wide dense layers, then the logits, float32."""
    layers = keras_module.layers
    x = layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        x = layers.Dense(dense_units, use_bias=not batch_norm, kernel_initializer="he_normal", name=f"dense{number}")(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, name=f"dense{number}_bn")(x)
        x = layers.ReLU(name=f"dense{number}_relu")(x)
        x = layers.Dropout(dropout, name=f"dense{number}_dropout")(x)
    # Small: 4096 inputs at Glorot scale would start the logits far from uniform.
    return layers.Dense(
        num_classes,
        kernel_initializer=keras_module.initializers.RandomNormal(stddev=0.01),
        dtype="float32",
        name="logits",
    )(x)


def _conv(keras_module: ModuleType, x: Tensor, filters: int, name: str, act: str | None, batch_norm: bool) -> Tensor:
    if batch_norm:
        return conv_bn_relu(keras_module, x, filters, 3, name=name, act=act)
    x = keras_module.layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_conv")(x)
    return keras_module.layers.ReLU(name=act or f"{name}_relu")(x)
