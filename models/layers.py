"""Blocks that the families share; each takes the Keras to build with."""

from __future__ import annotations

from common.errors import InputError


def channels(count: int, width: float, divisor: int = 4) -> int:
    """Channels at a width multiplier, a multiple of `divisor` (SIMD lanes) and at least 8."""
    if not 0 < width <= 4:
        raise InputError(f"width {width}: must be above 0 and at most 4")
    if width == 1:
        return count
    return max(8, divisor * round(count * width / divisor))


def conv_bn_relu(kit, x, filters: int, size: int, *, name: str, strides: int = 1, act: str | None = None, cap=None):
    """Convolution without bias, batch normalisation, ReLU; the ReLU is named `act`."""
    x = kit.layers.Conv2D(
        filters,
        size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return bn_relu(kit, x, name=name, act=act, cap=cap)


def bn_relu(kit, x, *, name: str, act: str | None = None, cap=None):
    """Batch normalisation and ReLU (capped at `cap`)."""
    # Clips are few and epochs short: moving statistics must settle within tens of steps.
    x = kit.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return kit.layers.ReLU(max_value=cap, name=act or f"{name}_relu")(x)
