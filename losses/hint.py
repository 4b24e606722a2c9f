"""Hints (Romero et al. 2015, FitNets, arXiv 1412.6550)."""

from __future__ import annotations

import keras
from keras import ops

from common.errors import InputError
from common.tensors import Tensor
from losses.invariances import other_labels
from losses.registry import Given, Option, Settings, Shapes, loss_term
from losses.replicas import variance_over_replicas

HINT_TAPS = Option("hint_taps", ("stride16",), "layers that hints and similarity preserving compare")


def hint_loss(
    teacher_features: Tensor, adapted_features: Tensor, variance: Tensor | float | None = None, epsilon: float = 1e-6
) -> Tensor:
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


def adapters(settings: Settings, student: Shapes, teacher: Shapes) -> list[keras.layers.Layer]:
    """A 1×1 convolution for each tap, from the student's channels to the teacher's.

    Raises:
        InputError: a tap whose grids differ.
    """
    layers = []
    for tap in settings.hint_taps:
        if student[tap][:2] != teacher[tap][:2]:
            raise InputError(
                f"loss.hint_taps {tap}: the grid is {student[tap][:2]} in the student and {teacher[tap][:2]} in the "
                "teacher: choose a tap with one grid"
            )
        layer = keras.layers.Conv2D(teacher[tap][-1], 1, dtype="float32", name=_name(tap))
        layer.build((None, *student[tap]))
        layers.append(layer)
    return layers


@loss_term(
    "hint",
    default=0.0,
    help="squared distance of the maps at hint_taps, the student's through a 1×1 adapter",
    source="Romero et al. 2015, arXiv 1412.6550",
    unit="share of the teacher's variance",
    needs_teacher=True,
    taps="hint_taps",
    options=(HINT_TAPS,),
    heads=adapters,
    zero_at_teacher=True,
    frame_by_frame=False,  # the variance is the batch's
    invariances=(other_labels,),
)
def hint(given: Given) -> Tensor:
    """`hint_loss`, summed over the taps."""
    return sum(
        hint_loss(
            given.teacher[tap], given.heads[_name(tap)](given.student[tap]), variance_over_replicas(given.teacher[tap])
        )
        for tap in given.settings.hint_taps
    )


def _name(tap: str) -> str:
    return f"adapter_{tap}"
