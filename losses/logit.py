"""Logit regression (Ba and Caruana 2014, arXiv 1312.6184; after Buciluǎ, Caruana and Niculescu-Mizil, KDD 2006)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from common.tensors import Tensor
from losses.invariances import other_labels, shifted_logits
from losses.registry import Given, loss_term


def logit_regression_loss(teacher_logits: Tensor, student_logits: Tensor) -> Tensor:
    """Mean over the classes of (z_s − z_t)², each logit taken from its frame's mean over the classes.

    Ba and Caruana regress on the raw logits. Here they are centred: a constant on all
    logits of a frame changes no probability, so a student need not spend weights on it.
    Twice the limit of `soft_target_loss` for T → ∞.

    Args:
        teacher_logits, student_logits: float [B, K].

    Returns:
        float32 [B], at least 0.
    """
    return ops.mean(ops.square(_centred(student_logits) - _centred(teacher_logits)), axis=-1)


def _centred(logits: Tensor) -> Tensor:
    logits = ops.cast(logits, "float32")
    return logits - ops.mean(logits, axis=-1, keepdims=True)


@loss_term(
    "logit",
    default=0.0,
    help="regression on the teacher's centred logits",
    source="Ba and Caruana 2014, arXiv 1312.6184",
    unit="squared logits",
    needs_teacher=True,
    zero_at_teacher=True,
    invariances=(shifted_logits, other_labels),
)
def logit(given: Given) -> Tensor:
    """`logit_regression_loss`; the target of several teachers is the mean of their centred logits."""
    target = given.teacher.get("mean_logits", given.teacher["logits"])
    return logit_regression_loss(target, given.student["logits"])


@keras.saving.register_keras_serializable(package="losses")
class LogitRegression(keras.losses.Loss):
    """`logit_regression_loss` as a Keras loss: y_true the teacher's logits, y_pred the student's."""

    def __init__(self, name: str = "logit_regression", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return logit_regression_loss(y_true, y_pred)
