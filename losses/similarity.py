"""Similarity preserving (Tung and Mori 2019, arXiv 1907.09682)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from common.tensors import Tensor
from losses.hint import HINT_TAPS
from losses.invariances import other_labels, scaled_features
from losses.registry import Given, loss_term
from losses.replicas import gather_over_replicas


def similarity_preserving_loss(
    teacher_features: Tensor,
    student_features: Tensor,
    whole_teacher: Tensor | None = None,
    whole_student: Tensor | None = None,
) -> Tensor:
    """(1/B²) · ‖M_s − M_t‖²_F, with M = F·Fᵀ, rows scaled to Euclidean length 1.

    Args:
        teacher_features, student_features: float [b, …], of any shapes.
        whole_teacher, whole_student: float [B, …], the whole batch, of which the others are a
            replica's part; None where they are the whole.

    Returns:
        float32 [b], the rows' shares; the sum over the batch is the loss.
    """
    student = _similarity(student_features, whole_student)
    distance = student - _similarity(teacher_features, whole_teacher)
    batch = ops.cast(ops.shape(distance)[1], "float32")
    return ops.sum(ops.square(distance), axis=1) / ops.square(batch)


@loss_term(
    "similarity",
    default=0.0,
    help="squared distance of the batch's similarity matrices at hint_taps",
    source="Tung and Mori 2019, arXiv 1907.09682",
    unit="squared distance",
    needs_teacher=True,
    taps="hint_taps",
    options=(HINT_TAPS,),
    zero_at_teacher=True,
    frame_by_frame=False,  # similarities are between pairs
    invariances=(scaled_features, other_labels),
)
def similarity(given: Given) -> Tensor:
    """B times `similarity_preserving_loss`, summed over the taps, so that the mean over the frames is the loss."""
    total = 0.0
    for tap in given.settings.hint_taps:
        teacher, student = given.teacher[tap], given.student[tap]
        whole = gather_over_replicas(teacher), gather_over_replicas(student)
        batch = ops.cast(ops.shape(whole[0])[0], "float32")
        total += batch * similarity_preserving_loss(teacher, student, *whole)
    return total


def _similarity(features: Tensor, whole: Tensor | None = None) -> Tensor:
    rows = _rows(features)
    gram = ops.matmul(rows, ops.transpose(rows if whole is None else _rows(whole)))
    return gram / ops.sqrt(ops.sum(ops.square(gram), axis=1, keepdims=True) + 1e-24)


def _rows(features: Tensor) -> Tensor:
    return ops.reshape(ops.cast(features, "float32"), (ops.shape(features)[0], -1))


@keras.saving.register_keras_serializable(package="losses")
class SimilarityPreserving(keras.losses.Loss):
    """`similarity_preserving_loss` as a Keras loss; its reduction is the sum over rows."""

    def __init__(self, name: str = "similarity_preserving", reduction: str = "sum", **kwargs: Any) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return similarity_preserving_loss(y_true, y_pred)
