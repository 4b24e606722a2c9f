"""Attention transfer (Zagoruyko and Komodakis 2017, arXiv 1612.03928)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from common.tensors import Tensor
from losses.invariances import other_labels, scaled_features
from losses.registry import Given, Option, loss_term

ATTENTION_TAPS = Option("attention_taps", ("stride8", "stride16"), "layers that attention transfer compares")


def attention_map(features: Tensor) -> Tensor:
    """Q / ‖Q‖₂ with Q = channel mean of F².

    Args:
        features: float [B, h, w, C].

    Returns:
        float32 [B, h, w], not negative, each of Euclidean length 1 (0 where F is 0).
    """
    energy = _per_peak(ops.mean(ops.square(ops.cast(features, "float32")), axis=-1))
    length = ops.sqrt(ops.sum(ops.square(energy), axis=(1, 2), keepdims=True) + 1e-24)
    return energy / length


def attention_transfer_loss(teacher_features: Tensor, student_features: Tensor) -> Tensor:
    """‖ Q_s/‖Q_s‖ − Q_t/‖Q_t‖ ‖², in [0, 2]; does not change when F is scaled.

    Where the grids differ, the larger energy map is averaged down to the smaller one.

    Args:
        teacher_features: float [B, h_t, w_t, C_t].
        student_features: float [B, h_s, w_s, C_s].

    Returns:
        float32 [B].
    """
    teacher, student = on_one_grid(teacher_features, student_features)
    difference = attention_map(student) - attention_map(teacher)
    return ops.sum(ops.square(difference), axis=(1, 2))


@loss_term(
    "attention",
    default=1.0,
    help="attention transfer, squared distance of the normalised maps of squared activations at attention_taps",
    source="Zagoruyko and Komodakis 2017, arXiv 1612.03928",
    unit="squared distance",
    needs_teacher=True,
    needs_features=False,
    taps="attention_taps",
    options=(ATTENTION_TAPS,),
    warms_up=True,
    fades=True,
    zero_at_teacher=True,
    invariances=(scaled_features, other_labels),
)
def attention(given: Given) -> Tensor:
    """`attention_transfer_loss`, summed over the taps."""
    return sum(attention_transfer_loss(given.teacher[tap], given.student[tap]) for tap in given.settings.attention_taps)


def on_one_grid(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both features [B, h, w, C] on the smaller grid; of the one that is averaged down only the energy is left."""
    (h1, w1), (h2, w2) = first.shape[1:3], second.shape[1:3]
    if (h1, w1) == (h2, w2):
        return first, second
    if h1 * w1 > h2 * w2:
        return _shrink(first, (h2, w2)), second
    return first, _shrink(second, (h1, w1))


def _shrink(features: Tensor, size: tuple[int, int]) -> Tensor:
    # The energy is what is averaged down: averaging F itself would cancel signs first.
    energy = ops.mean(ops.square(ops.cast(features, "float32")), axis=-1, keepdims=True)
    small = ops.image.resize(_per_peak(energy), size, interpolation="bilinear", antialias=True)
    return ops.sqrt(ops.maximum(small, 0.0) + 1e-24)


def _per_peak(energy: Tensor) -> Tensor:
    """Energy as a share of its peak: fourth powers of small or large features leave float32.

    The result is only used where scale does not matter, so the peak is a constant to the gradient.
    """
    peak = ops.stop_gradient(ops.max(energy, axis=(1, 2), keepdims=True))
    return energy / ops.where(peak > 0, peak, 1.0)


@keras.saving.register_keras_serializable(package="losses")
class AttentionTransfer(keras.losses.Loss):
    """`attention_transfer_loss` as a Keras loss: y_true the teacher's features."""

    def __init__(self, name: str = "attention_transfer", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return attention_transfer_loss(y_true, y_pred)
