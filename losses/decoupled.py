"""Decoupled soft targets, DKD (Zhao et al., CVPR 2022, arXiv 2203.08679, section 3).

With p the teacher's and q the student's probabilities at temperature T and t the target class,

    KL(p ‖ q) = TCKD + (1 − p_t) · NCKD,
    TCKD = KL((p_t, 1 − p_t) ‖ (q_t, 1 − q_t)),
    NCKD = KL(p̂ ‖ q̂), p̂ and q̂ over the other classes alone.

A sure teacher (p_t → 1) switches the second part off; α·TCKD + β·NCKD keeps what it knows
about the other classes.
"""

from __future__ import annotations

from keras import ops

from common.tensors import Tensor
from losses.invariances import shifted_logits
from losses.registry import Given, Option, loss_term
from losses.soft import TEMPERATURE

# Finite, so that its products with 0 are 0 and not NaN.
_NEVER = -1e30


def decoupled_parts(
    teacher_logits: Tensor, student_logits: Tensor, labels: Tensor, temperature: float = 4.0
) -> tuple[Tensor, Tensor]:
    """T² · TCKD and T² · NCKD.

    Args:
        teacher_logits, student_logits: float [B, K].
        labels: int [B], the target class; for −1, an unlabelled frame, it is the class that
            the teacher chooses.
        temperature: T, above 0.

    Returns:
        (float32 [B], float32 [B]), each at least 0.
    """
    teacher, student = (ops.cast(z, "float32") / temperature for z in (teacher_logits, student_logits))
    labels = ops.cast(labels, "int32")
    target = ops.where(labels >= 0, labels, ops.cast(ops.argmax(teacher, axis=-1), "int32"))
    mask = ops.one_hot(target, teacher.shape[-1], dtype="bool")
    (chosen_t, rest_t, others_t), (chosen_s, rest_s, others_s) = _split(teacher, mask), _split(student, mask)
    target_part = ops.exp(chosen_t) * (chosen_t - chosen_s) + ops.exp(rest_t) * (rest_t - rest_s)
    rest_part = ops.sum(ops.where(mask, 0.0, ops.exp(others_t) * (others_t - others_s)), axis=-1)
    return temperature**2 * target_part, temperature**2 * rest_part


def decoupled_loss(
    teacher_logits: Tensor,
    student_logits: Tensor,
    labels: Tensor,
    temperature: float = 4.0,
    alpha: float = 1.0,
    beta: float = 8.0,
) -> Tensor:
    """T² · (α · TCKD + β · NCKD), section 3.3 of the paper; see `decoupled_parts`.

    Returns:
        float32 [B], at least 0.
    """
    parts = decoupled_parts(teacher_logits, student_logits, labels, temperature)
    return alpha * parts[0] + beta * parts[1]


@loss_term(
    "decoupled",
    default=0.0,
    help="decoupled soft targets, T²·(α·TCKD + β·NCKD); usually in place of alpha",
    source="Zhao et al. 2022, arXiv 2203.08679, section 3.3",
    unit="nats · T²",
    needs_teacher=True,
    options=(
        TEMPERATURE,
        Option("dkd_alpha", 1.0, "α of the decoupled soft targets: of the target class against the rest"),
        Option("dkd_beta", 8.0, "β of the decoupled soft targets: of the classes other than the target"),
    ),
    zero_at_teacher=True,
    invariances=(shifted_logits,),
)
def decoupled(given: Given) -> Tensor:
    """`decoupled_loss`; the targets of several teachers are their mean at T."""
    s = given.settings
    target = given.teacher.get("soft_logits", given.teacher["logits"])
    label = given.batch["label"]
    return decoupled_loss(target, given.student["logits"], label, s.temperature, s.dkd_alpha, s.dkd_beta)


def _split(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithms of p_t [B], of 1 − p_t [B], and of p̂ [B, K] (without meaning at the target)."""
    others = ops.where(mask, _NEVER, logits)
    rest = ops.logsumexp(others, axis=-1)
    whole = ops.logsumexp(logits, axis=-1)
    chosen = ops.sum(ops.where(mask, logits, 0.0), axis=-1)
    return chosen - whole, rest - whole, others - rest[:, None]
