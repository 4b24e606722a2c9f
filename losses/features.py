"""Transfer of intermediate maps: attention transfer, hints, similarity preserving.

Sources: Zagoruyko and Komodakis 2017 (arXiv 1612.03928), Romero et al. 2015 (FitNets,
arXiv 1412.6550), Tung and Mori 2019 (arXiv 1907.09682).
"""

from __future__ import annotations

import keras
from keras import ops


def attention_map(features):
    """Q / ‖Q‖₂ with Q = channel mean of F².

    Args:
        features: float [B, h, w, C].

    Returns:
        float32 [B, h, w], not negative, each of Euclidean length 1 (0 where F is 0).
    """
    energy = _per_peak(ops.mean(ops.square(ops.cast(features, "float32")), axis=-1))
    length = ops.sqrt(ops.sum(ops.square(energy), axis=(1, 2), keepdims=True) + 1e-24)
    return energy / length


def attention_transfer_loss(teacher_features, student_features):
    """‖ Q_s/‖Q_s‖ − Q_t/‖Q_t‖ ‖², in [0, 2]; does not change when F is scaled.

    Where the grids differ, the larger energy map is averaged down to the smaller one.

    Args:
        teacher_features: float [B, h_t, w_t, C_t].
        student_features: float [B, h_s, w_s, C_s].

    Returns:
        float32 [B].
    """
    teacher, student = _to_one_grid(teacher_features, student_features)
    difference = attention_map(student) - attention_map(teacher)
    return ops.sum(ops.square(difference), axis=(1, 2))


def hint_loss(teacher_features, adapted_features, variance=None, epsilon: float = 1e-6):
    """Mean of (r(F_s) − F_t)², divided by the variance of F_t in the batch.

    Args:
        teacher_features, adapted_features: float [B, h, w, C]; r is the 1×1 adapter.
        variance: float scalar; None to take that of `teacher_features`. Where a batch is
            spread over replicas, that of the whole batch.

    Returns:
        float32 [B]; about 1 for an adapter that gives the batch mean.
    """
    teacher = ops.stop_gradient(ops.cast(teacher_features, "float32"))
    distance = ops.square(ops.cast(adapted_features, "float32") - teacher)
    variance = ops.var(teacher) if variance is None else variance
    return ops.mean(distance, axis=(1, 2, 3)) / (variance + epsilon)


def similarity_preserving_loss(teacher_features, student_features):
    """(1/B²) · ‖M_s − M_t‖²_F, with M = F·Fᵀ, rows scaled to Euclidean length 1.

    Args:
        teacher_features, student_features: float [B, …], of any shapes.

    Returns:
        float32 [B], the row's share; the sum over the batch is the loss.
    """
    distance = _similarity(student_features) - _similarity(teacher_features)
    batch = ops.cast(ops.shape(distance)[0], "float32")
    return ops.sum(ops.square(distance), axis=1) / ops.square(batch)


def _similarity(features):
    rows = ops.reshape(ops.cast(features, "float32"), (ops.shape(features)[0], -1))
    gram = ops.matmul(rows, ops.transpose(rows))
    return gram / ops.sqrt(ops.sum(ops.square(gram), axis=1, keepdims=True) + 1e-24)


def _to_one_grid(first, second):
    (h1, w1), (h2, w2) = first.shape[1:3], second.shape[1:3]
    if (h1, w1) == (h2, w2):
        return first, second
    if h1 * w1 > h2 * w2:
        return _shrink(first, (h2, w2)), second
    return first, _shrink(second, (h1, w1))


def _shrink(features, size):
    # The energy is what is averaged down: averaging F itself would cancel signs first.
    energy = ops.mean(ops.square(ops.cast(features, "float32")), axis=-1, keepdims=True)
    small = ops.image.resize(_per_peak(energy), size, interpolation="bilinear", antialias=True)
    return ops.sqrt(ops.maximum(small, 0.0) + 1e-24)


def _per_peak(energy):
    """Energy as a share of its peak: fourth powers of small or large features leave float32.

    The result is only used where scale does not matter, so the peak is a constant to the gradient.
    """
    peak = ops.stop_gradient(ops.max(energy, axis=(1, 2), keepdims=True))
    return energy / ops.where(peak > 0, peak, 1.0)


@keras.saving.register_keras_serializable(package="losses")
class AttentionTransfer(keras.losses.Loss):
    """`attention_transfer_loss` as a Keras loss: y_true the teacher's features."""

    def __init__(self, name: str = "attention_transfer", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return attention_transfer_loss(y_true, y_pred)


@keras.saving.register_keras_serializable(package="losses")
class SimilarityPreserving(keras.losses.Loss):
    """`similarity_preserving_loss` as a Keras loss; its reduction is the sum over rows."""

    def __init__(self, name: str = "similarity_preserving", reduction: str = "sum", **kwargs):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        return similarity_preserving_loss(y_true, y_pred)
