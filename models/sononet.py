"""SonoNet (Baumgartner et al., IEEE TMI 2017, arXiv 1612.05601), as teacher and as student.

The convolutions of VGG-16 up to the 13th at a fraction of the channels, then two 1×1
convolutions and a mean over the grid in place of the dense layers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from common.grid import GAZE_STRIDE
from common.tensors import Tensor
from models.gaze_fusion import GAZE, GazeFusion, GazeOptions
from models.layers import STANDARDISE, channels, check_frame, conv_bn_relu, frame_input
from models.preprocess import STANDARD_DEVIATION, Standardise
from models.registry import register

if TYPE_CHECKING:
    import keras

# (convolutions, channels as a multiple of the first layer's), a pooling before all but the first.
BLOCKS = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
ADAPTATION = 4
# Of the authors' framework: their running statistics hold it.
_EPSILON = 1e-4


def build_teacher(
    filters: int,
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    gaze: GazeOptions = GAZE,
    width: float = 1.0,
    standardise: bool = True,
    dropout: float = 0.2,
) -> keras.Model:
    """SonoNet-16, -32 or -64, with the gaze fused into its features or as an ordinary classifier.

    Args:
        filters: channels of the first layer.
        keras_module: `keras` (a teacher is never quantized).
        frame_shape: (H, W, C).
        num_classes: number of logits.
        gaze: how it takes the gaze: options fusion, fusion_stride (2, 4, 8 or 16, or a list of
            some) and gaze_dropout; see `models.gaze_fusion.GazeOptions`.
        width: multiplier of all channels.
        standardise: each frame, inside the network, as the authors trained it:
            `models.preprocess.Standardise`. Their weights need it.
        dropout: before the classifying convolution.

    Returns:
        Model {frame [B, H, W, C], gaze [B, h, w]} or frame → logits [B, num_classes];
        taps stride4, 8, 16. Logits are float32 under any precision policy.

    Raises:
        InputError: an option that can't be.
    """
    name = f"sononet_{filters}"
    check_frame(name, frame_shape, 16)
    fused = GazeFusion(keras_module, name, frame_shape, gaze)
    x, gain = start(fused.frame, standardise)
    logits = classify(keras_module, fused(x, 1, gain), filters, num_classes, width, dropout, fused)
    return keras_module.Model(fused.inputs, logits, name=name)


def build_student(
    filters: int,
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    dropout: float = 0.2,
    standardise: bool = False,
) -> keras.Model:
    """SonoNet with few filters.

    Args:
        filters: channels of the first layer.
        keras_module: `keras` or `tf_keras`.
        frame_shape: (H, W, C).
        num_classes: number of logits.
        width: multiplier of all channels.
        dropout: before the classifying convolution.
        standardise: each frame, inside the network; see `models.layers.frame_input`.

    Returns:
        Model [B, H, W, C] → logits [B, num_classes]; taps stride4, 8, 16.
    """
    frame, x = frame_input(keras_module, frame_shape, standardise)
    logits = classify(keras_module, x, filters, num_classes, width, dropout)
    return keras_module.Model(frame, logits, name=f"sononet_{filters}")


def start(frame: Tensor, standardise: bool) -> tuple[Tensor, float]:
    """What the first convolution takes, and how many times a frame's magnitude it has."""
    return (Standardise(name=STANDARDISE, dtype="float32")(frame), STANDARD_DEVIATION) if standardise else (frame, 1.0)


def classify(
    keras_module: ModuleType,
    x: Tensor,
    filters: int,
    num_classes: int,
    width: float,
    dropout: float,
    fused: Callable[[Tensor, int], Tensor] | None = None,
    attended: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """All layers from the first convolution to the logits.

    Args:
        x: what the first convolution takes, [B, H, W, C].
        fused: (features, stride) → features, wherever a pooling has led to a new stride.
        attended: features → features, before the last convolution at the stride of the gaze map.
        keras_module, filters, num_classes, width, dropout: as of `build_teacher`.

    Returns:
        Logits [B, num_classes], float32.
    """
    stride = 1
    for number, (depth, multiple) in enumerate(BLOCKS, 1):
        if number > 1:
            stride *= 2
            # On even grids as the authors' pooling; on odd ones the grid stays that of the gaze map.
            x = keras_module.layers.MaxPooling2D(padding="same", name=f"pool{number - 1}")(x)
            x = fused(x, stride) if fused else x
        for k in range(1, depth + 1):
            if attended and stride == GAZE_STRIDE and k == depth:
                x = attended(x)
            act = f"stride{stride}" if k == depth and stride in (4, 8) else None
            count = channels(filters * multiple, width)
            x = conv_bn_relu(keras_module, x, count, 3, name=f"conv{number}_{k}", act=act, epsilon=_EPSILON)
    count = channels(filters * ADAPTATION, width)
    x = conv_bn_relu(keras_module, x, count, 1, name="adaptation", act="stride16", epsilon=_EPSILON)
    x = keras_module.layers.Dropout(dropout, name="dropout")(x)
    x = keras_module.layers.Conv2D(num_classes, 1, dtype="float32", name="classes_conv")(x)
    return keras_module.layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)


def _register(
    role: Literal["student", "teacher"],
    build: Callable[..., keras.Model],
    filters: int,
    parameters: int,
    **declared: Any,
) -> None:
    register(
        f"sononet_{filters}",
        role,
        taps=("stride4", "stride8", "stride16"),
        parameters=parameters,
        learns_behind_taps=("classes_conv",),
        **declared,
    )(functools.partial(build, filters))


_register("student", build_student, 4, 59_192, small={"width": 1.0}, width_below={150_000: 1.5, 50_000: 0.9})
_register("student", build_student, 8, 234_316, small={"width": 0.5}, width_below={150_000: 0.75, 50_000: 0.45})
_register("teacher", build_teacher, 16, 932_436, small={"width": 0.5})
_register("teacher", build_teacher, 32, 3_719_844, small={"width": 0.25})
_register("teacher", build_teacher, 64, 14_859_588, small={"width": 0.125})
