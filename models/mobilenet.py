"""MobileNet v1 (Howard et al. 2017, arXiv 1704.04861) and v2 (Sandler et al. 2018, arXiv 1801.04381)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from common.tensors import Tensor
from models.imagenet import ImageNetWeights
from models.layers import bn_relu, channels, conv_bn_relu, frame_input, stage_depths
from models.registry import register

if TYPE_CHECKING:
    import keras

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
# v2: (expansion, channels, stride of the first block), and the blocks of each stage
_STAGES_V2 = ((1, 16, 1), (6, 24, 2), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2), (6, 320, 1))
DEPTHS_V2 = (1, 2, 3, 4, 3, 3, 1)
_TAPS = ("stride4", "stride8", "stride16", "stride32")


def _ours_v1(name: str) -> str:
    """The name of a layer of `keras.applications.MobileNet` here."""
    if name.startswith("conv1"):
        return "stem_bn" if name.endswith("_bn") else "stem_conv"
    _, kind, number, *norm = name.split("_")
    return f"block{number}_{kind}_{'bn' if norm else 'conv'}"


@register(
    "mobilenet_v1",
    "student",
    taps=_TAPS,
    parameters=219_428,
    small={"width": 0.1},
    published=[((224, 224, 3), 1000, {"width": 1.0}, 4_253_864), ((112, 144, 1), 4, {"width": 0.25}, 219_428)],
    width_below={150_000: 0.2, 50_000: 0.1},
    imagenet=ImageNetWeights(
        "MobileNet",
        _ours_v1,
        widths=(0.25, 0.5, 0.75, 1.0),
        layout=lambda options: {"standardise": False},
        widest=("block13_pw_conv", 1024),
    ),
)
def build_v1(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 0.25,
    dropout: float = 0.2,
    standardise: bool = False,
) -> keras.Model:
    """MobileNet v1 with a width multiplier.

    Args:
        keras_module: `keras` or `tf_keras`.
        frame_shape: (H, W, C).
        num_classes: number of logits.
        width: multiplier of all channels.
        dropout: before the classifier.
        standardise: each frame, inside the network; see `models.layers.frame_input`.

    Returns:
        Model [B, H, W, C] → logits [B, num_classes]; taps stride4, 8, 16, 32.
    """
    inputs, x = frame_input(keras_module, frame_shape, standardise)
    x = conv_bn_relu(keras_module, x, channels(32, width), 3, strides=2, name="stem", cap=6.0)
    for number, (filters, strides, tap) in enumerate(_BLOCKS_V1, 1):
        name = f"block{number}"
        x = _depthwise(keras_module, x, strides, name)
        x = conv_bn_relu(keras_module, x, channels(filters, width), 1, name=f"{name}_pw", act=tap, cap=6.0)
    return keras_module.Model(inputs, _logits(keras_module, x, num_classes, dropout), name="mobilenet_v1")


def _ours_v2(name: str) -> str:
    """The name of a layer of `keras.applications.MobileNetV2` here."""
    kind = "bn" if name.lower().endswith("_bn") or name.startswith("bn_") else "conv"
    if name in ("Conv1", "bn_Conv1"):
        return f"stem_{kind}"
    if name.startswith("Conv_1"):
        return f"head_{kind}"
    # The first block there is the "expanded" one, the second block_1.
    number = 1 if name.startswith("expanded_conv") else int(name.split("_")[1]) + 1
    parts = {"expand": "expand", "depthwise": "dw", "project": "project"}
    part = next(ours for theirs, ours in parts.items() if theirs in name.replace("expanded_conv", ""))
    return f"block{number}_{part}_{kind}"


def _layout_v2(options: Mapping[str, Any]) -> dict[str, Any]:
    """The published narrow models keep the last convolution's 1280 channels; the wide ones widen it."""
    follows = options["head_width"] is None and options["width"] >= 1
    return {
        "standardise": False,
        "depths": DEPTHS_V2,
        **({} if follows else {"head_width": max(1.0, options["width"])}),
    }


@register(
    "mobilenet_v2",
    "student",
    taps=_TAPS,
    parameters=131_588,
    small={"width": 0.1},
    published=[((224, 224, 3), 1000, {"width": 1.0}, 3_538_984)],
    width_below={150_000: 0.2, 50_000: 0.08},
    imagenet=ImageNetWeights(
        "MobileNetV2", _ours_v2, _layout_v2, (0.35, 0.5, 0.75, 1.0, 1.3, 1.4), ("block17_project_conv", 320)
    ),
)
def build_v2(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 0.2,
    head_width: float | None = None,
    depths: Sequence[int] = DEPTHS_V2,
    dropout: float = 0.2,
    standardise: bool = False,
) -> keras.Model:
    """MobileNet v2: inverted residuals with linear bottlenecks, with a width multiplier.

    A block's output is linear, so the last *activation* at a stride is the expansion of the
    next block, which still works on the finer grid before its depthwise convolution strides
    to the coarser one. That activation is the tap: it has a sparse, non-negative map with six
    times the bottleneck's channels, as the taps of the other families have, and it is one of
    the tensors that the quantized model holds.

    Args:
        keras_module: `keras` or `tf_keras`.
        frame_shape: (H, W, C).
        num_classes: number of logits.
        width: multiplier of all channels, rounded to multiples of 8 as published (never more
            than a tenth below).
        head_width: multiplier of the last convolution's 1280 channels; None follows `width`.
            The published narrow models keep all of them (1.0), which is most of a small
            model: 0.35 with one input channel and four classes has 415,044 parameters then.
        depths: blocks of each of the seven stages.
        dropout: before the classifier.
        standardise: each frame, inside the network; see `models.layers.frame_input`.

    Returns:
        Model [B, H, W, C] → logits [B, num_classes]; taps stride4, 8, 16, 32.

    Raises:
        InputError: depths that can't be.
    """
    depths = stage_depths("mobilenet_v2", depths, len(_STAGES_V2))
    inputs, x = frame_input(keras_module, frame_shape, standardise)
    x = conv_bn_relu(keras_module, x, _divisible(32, width), 3, strides=2, name="stem", cap=6.0)
    grid, number = 2, 0
    for (expansion, filters, first), blocks in zip(_STAGES_V2, depths, strict=True):
        for strides in (first, *[1] * (blocks - 1)):
            number += 1
            # Leaving a grid: nothing else is activated on it.
            tap = f"stride{grid}" if strides == 2 and grid > 2 else None
            x = _inverted(keras_module, x, expansion, _divisible(filters, width), strides, f"block{number}", tap)
            grid *= strides
    last = _divisible(1280, width if head_width is None else head_width)
    x = conv_bn_relu(keras_module, x, last, 1, name="head", act=f"stride{grid}", cap=6.0)
    return keras_module.Model(inputs, _logits(keras_module, x, num_classes, dropout), name="mobilenet_v2")


def _inverted(
    keras_module: ModuleType, x: Tensor, expansion: int, filters: int, strides: int, name: str, tap: str | None
) -> Tensor:
    """An inverted residual: 1×1 expansion, depthwise 3×3, linear 1×1 bottleneck, added to its input if it fits."""
    shortcut = x
    if expansion > 1:
        x = conv_bn_relu(keras_module, x, expansion * x.shape[-1], 1, name=f"{name}_expand", act=tap, cap=6.0)
    x = _depthwise(keras_module, x, strides, name)
    x = keras_module.layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}_project_conv")(x)
    x = keras_module.layers.BatchNormalization(momentum=0.9, name=f"{name}_project_bn")(x)
    if strides == 1 and x.shape[-1] == shortcut.shape[-1]:
        x = keras_module.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _divisible(count: int, width: float) -> int:
    """The published rounding: to the nearest multiple of 8, and up if that lost more than a tenth."""
    channels(count, width)  # refuses an impossible width
    nearest = max(8, int(count * width + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * count * width else nearest + 8


def _depthwise(keras_module: ModuleType, x: Tensor, strides: int, name: str) -> Tensor:
    x = keras_module.layers.DepthwiseConv2D(
        3,
        strides,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_dw_conv",
    )(x)
    return bn_relu(keras_module, x, name=f"{name}_dw", cap=6.0)


def _logits(keras_module: ModuleType, x: Tensor, num_classes: int, dropout: float) -> Tensor:
    x = keras_module.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras_module.layers.Dropout(dropout, name="dropout")(x)
    return keras_module.layers.Dense(num_classes, name="logits")(x)
