"""Blocks that the families share; each takes the Keras to build with."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from common.errors import InputError
from common.tensors import Tensor

if TYPE_CHECKING:
    import keras

# The layer in which a network standardises its frames.
STANDARDISE = "standardise"


def channels(count: int, width: float, divisor: int = 4) -> int:
    """Channels at a width multiplier: a multiple of `divisor` (SIMD lanes), at least 8 or `count`.

    Raises:
        InputError: a width that is not above 0, or above 4.
    """
    if not 0 < width <= 4:
        raise InputError(f"width {width}: must be above 0 and at most 4")
    if width == 1:
        return count
    return max(min(8, count), divisor * round(count * width / divisor))


def check_frame(model: str, frame_shape: tuple[int, int, int], least: int = 32) -> None:
    """Refuse frames that the poolings of a model would shrink to nothing.

    Raises:
        InputError: a side is shorter than `least` pixels.
    """
    height, width = frame_shape[:2]
    if min(height, width) < least:
        raise InputError(
            f"model {model}: a frame of {height}×{width} vanishes in its poolings: give frames of at least "
            f"{least}×{least}"
        )


def frame_input(
    keras_module: ModuleType, frame_shape: tuple[int, int, int], standardise: bool
) -> tuple[Tensor, Tensor]:
    """A student's input `frame`, and what its first convolution takes of it.

    Args:
        keras_module: `keras` or `tf_keras`.
        frame_shape: (H, W, C).
        standardise: each frame minus its mean, over its standard deviation (Baumgartner et al., TMI 2017), so that the
            answer does not change where all grey levels are multiplied or a constant is added; a constant frame gives
            zeros. In the 8-bit file of quantization-aware training most of it computes in float.

    Returns:
        The input [B, H, W, C] in [0, 1], and the same or the standardised frame.
    """
    frame = keras_module.Input(frame_shape, name="frame")
    if not standardise:
        return frame, frame
    # Of the layers that both Keras have, the one that does it; its floor lies far below one grey level's worth.
    norm = keras_module.layers.LayerNormalization(
        axis=(1, 2, 3), epsilon=1e-6, center=False, scale=False, dtype="float32", name=STANDARDISE
    )
    return frame, norm(frame)


def standardises(model: keras.Model) -> bool:
    """Whether a model, of `keras` or `tf_keras`, has a layer that standardises its frames: one without weights."""
    return any(layer.name == STANDARDISE for layer in model.layers)


def stage_depths(model: str, depths: Sequence[int], stages: int = 4) -> tuple[int, ...]:
    """The number of blocks of each stage, as a tuple.

    Raises:
        InputError: anything but so many whole numbers of at least 1.
    """
    given = tuple(depths) if isinstance(depths, (tuple, list)) else ()
    if len(given) != stages or not all(type(depth) is int and depth > 0 for depth in given):
        raise InputError(f"model {model}: depths {depths!r}: must be {stages} whole numbers of at least 1")
    return given


def conv_bn_relu(
    keras_module: ModuleType,
    x: Tensor,
    filters: int,
    size: int,
    *,
    name: str,
    strides: int = 1,
    act: str | None = None,
    cap: float | None = None,
    epsilon: float = 1e-3,
) -> Tensor:
    """Convolution without bias, batch normalisation, ReLU.

    Args:
        keras_module: `keras` or `tf_keras`.
        x: [B, h, w, C].
        filters, size, strides: of the convolution, which pads to "same".
        name: of the layers, with `_conv`, `_bn` and `_relu` after it.
        act: name of the ReLU, such as that of a tap, in place of `<name>_relu`.
        cap: largest value of the ReLU; None for no bound.
        epsilon: of batch normalisation.

    Returns:
        [B, ⌈h / strides⌉, ⌈w / strides⌉, filters].
    """
    x = keras_module.layers.Conv2D(
        filters,
        size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return bn_relu(keras_module, x, name=name, act=act, cap=cap, epsilon=epsilon)


def bn_relu(
    keras_module: ModuleType,
    x: Tensor,
    *,
    name: str,
    act: str | None = None,
    cap: float | None = None,
    epsilon: float = 1e-3,
) -> Tensor:
    """Batch normalisation and ReLU; arguments as of `conv_bn_relu`.

    Returns:
        Of the shape of `x`.
    """
    # Clips are few and epochs short: moving statistics must settle within tens of steps.
    x = keras_module.layers.BatchNormalization(momentum=0.9, epsilon=epsilon, name=f"{name}_bn")(x)
    return keras_module.layers.ReLU(max_value=cap, name=act or f"{name}_relu")(x)
