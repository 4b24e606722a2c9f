"""SqueezeNet 1.0 and 1.1 (Iandola et al. 2016, arXiv 1602.07360; 1.1 is the authors' later, cheaper layout)."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from common.tensors import Tensor
from models.layers import channels, conv_bn_relu, frame_input
from models.registry import register

if TYPE_CHECKING:
    import keras

# (squeeze, expand) of each fire module; "pool" halves the grid.
_Layout = tuple[Literal["pool"] | tuple[int, int], ...]
_LAYOUT_1_0: _Layout = ("pool", (16, 64), (16, 64), (32, 128), "pool", (32, 128), (48, 192), (48, 192), (64, 256))
_LAYOUT_1_0 += ("pool", (64, 256))
_LAYOUT_1_1: _Layout = ("pool", (16, 64), (16, 64), "pool", (32, 128), (32, 128), "pool")
_LAYOUT_1_1 += ((48, 192), (48, 192), (64, 256), (64, 256))
_TAPS = ("stride4", "stride8", "stride16")


@register(
    "squeezenet_1_0",
    "student",
    taps=_TAPS,
    parameters=147_072,
    small={"width": 0.15},
    published=[((224, 224, 3), 1000, {"width": 1.0, "batch_norm": False}, 1_248_424)],
    width_below={150_000: 0.44, 50_000: 0.24},
    learns_behind_taps=("classes_conv",),
)
def build_1_0(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 0.44,
    dropout: float = 0.2,
    batch_norm: bool = True,
    standardise: bool = False,
) -> keras.Model:
    """SqueezeNet 1.0: a 7×7 stem of 96 filters, and poolings later than in 1.1.

    Args and returns: as `build_1_1`.
    """
    options = width, dropout, batch_norm, standardise
    return _build("squeezenet_1_0", keras_module, frame_shape, num_classes, _LAYOUT_1_0, (96, 7), *options)


@register(
    "squeezenet_1_1",
    "student",
    taps=_TAPS,
    parameters=149_584,
    small={"width": 0.15},
    published=[((224, 224, 3), 1000, {"width": 1.0, "batch_norm": False}, 1_235_496)],
    width_below={150_000: 0.45, 50_000: 0.25},
    learns_behind_taps=("classes_conv",),
)
def build_1_1(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 0.45,
    dropout: float = 0.2,
    batch_norm: bool = True,
    standardise: bool = False,
) -> keras.Model:
    """SqueezeNet 1.1 with a width multiplier and batch normalisation.

    The original has none and does not train from scratch on small sets. It stands after
    every convolution and never after a Concatenate, which TF-MOT refuses to fold.

    Args:
        keras_module: `keras` or `tf_keras`.
        frame_shape: (H, W, C).
        num_classes: number of logits.
        width: multiplier of all channels.
        dropout: before the classifying convolution.
        batch_norm: False gives the published layers.
        standardise: each frame, inside the network; see `models.layers.frame_input`.

    Returns:
        Model [B, H, W, C] → logits [B, num_classes]; taps stride4, 8, 16.
    """
    options = width, dropout, batch_norm, standardise
    return _build("squeezenet_1_1", keras_module, frame_shape, num_classes, _LAYOUT_1_1, (64, 3), *options)


def _build(
    model_name: str,
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    layout: _Layout,
    stem: tuple[int, int],
    width: float,
    dropout: float,
    batch_norm: bool,
    standardise: bool,
) -> keras.Model:
    inputs, x = frame_input(keras_module, frame_shape, standardise)
    conv: Callable[..., Tensor] = conv_bn_relu if batch_norm else _conv_relu
    filters, size = stem
    x = conv(keras_module, x, channels(filters, width), size, strides=2, name="stem")
    stride, number = 2, 1
    for place, item in enumerate(layout):
        if item == "pool":
            stride *= 2
            x = keras_module.layers.MaxPooling2D(3, 2, padding="same", name=f"pool{stride}")(x)
            continue
        number += 1
        last = place + 1 == len(layout) or layout[place + 1] == "pool"
        name = f"fire{number}"
        squeeze, expand = (channels(n, width) for n in item)
        x = conv(keras_module, x, squeeze, 1, name=f"{name}_squeeze")
        x = keras_module.layers.Concatenate(name=f"stride{stride}" if last else f"{name}_concat")(
            [
                conv(keras_module, x, expand, 1, name=f"{name}_expand1"),
                conv(keras_module, x, expand, 3, name=f"{name}_expand3"),
            ]
        )
    x = keras_module.layers.Dropout(dropout, name="dropout")(x)
    x = keras_module.layers.Conv2D(num_classes, 1, name="classes_conv")(x)
    logits = keras_module.layers.GlobalAveragePooling2D(name="logits")(x)
    return keras_module.Model(inputs, logits, name=model_name)


def _conv_relu(keras_module: ModuleType, x: Tensor, filters: int, size: int, *, name: str, strides: int = 1) -> Tensor:
    x = keras_module.layers.Conv2D(filters, size, strides, padding="same", name=f"{name}_conv")(x)
    return keras_module.layers.ReLU(name=f"{name}_relu")(x)
