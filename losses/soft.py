"""Soft targets (Hinton, Vinyals and Dean 2015, arXiv 1503.02531)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from common.tensors import Tensor
from losses.invariances import other_labels, shifted_logits
from losses.registry import SHARE, Bounds, Given, Option, loss_term

TEMPERATURE = Option("temperature", 4.0, "T, by which logits are divided for soft targets", Bounds(1e-6, 1e6))


def soft_target_loss(teacher_logits: Tensor, student_logits: Tensor, temperature: float = 4.0) -> Tensor:
    """T² · KL(softmax(z_t / T) ‖ softmax(z_s / T)).

    The T² keeps the gradient's size as T grows: for large T it tends to that of half the
    squared distance of the centred logits, divided by K (Hinton et al., section 2.1).

    Args:
        teacher_logits, student_logits: float [B, K].
        temperature: T, above 0.

    Returns:
        float32 [B], at least 0, and 0 only where both agree.
    """
    log_t = ops.log_softmax(ops.cast(teacher_logits, "float32") / temperature, axis=-1)
    log_s = ops.log_softmax(ops.cast(student_logits, "float32") / temperature, axis=-1)
    return temperature**2 * ops.sum(ops.exp(log_t) * (log_t - log_s), axis=-1)


@loss_term(
    "soft",
    setting="alpha",
    default=0.7,
    bounds=SHARE,
    help="soft targets, T²·KL of student from teacher at temperature T; the hard labels have 1 − alpha",
    source="Hinton et al. 2015, arXiv 1503.02531",
    unit="nats · T²",
    needs_teacher=True,
    options=(TEMPERATURE,),
    zero_at_teacher=True,
    invariances=(shifted_logits, other_labels),
)
def soft(given: Given) -> Tensor:
    """`soft_target_loss`; the targets of several teachers are their mean at T."""
    target = given.teacher.get("soft_logits", given.teacher["logits"])
    return soft_target_loss(target, given.student["logits"], given.settings.temperature)


@keras.saving.register_keras_serializable(package="losses")
class SoftTargets(keras.losses.Loss):
    """`soft_target_loss` as a Keras loss: y_true the teacher's logits, y_pred the student's."""

    def __init__(self, temperature: float = 4.0, name: str = "soft_targets", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.temperature = temperature

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return soft_target_loss(y_true, y_pred, self.temperature)

    def get_config(self) -> dict:
        return {**super().get_config(), "temperature": self.temperature}
