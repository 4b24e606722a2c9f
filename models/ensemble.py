"""Several teachers at once: one student learns from their weighted mean (Vaseli et al. 2019 distil three networks)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from common.errors import InputError


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Teachers with their shares.

    Soft targets are the weighted mean of the teachers' probabilities at temperature T.
    Logit regression goes to the weighted mean of their centred logits, which has the gradient
    of the weighted mean of the single regressions. Intermediate maps can't be averaged over
    networks: they come from `source`, the first teacher that has all the taps.

    Attributes:
        models: Functional teachers, each with `frame` and, if fused, `gaze` as inputs.
        shares: one per teacher, adding up to 1.
    """

    models: tuple[keras.Model, ...]
    shares: tuple[float, ...]

    @property
    def name(self) -> str:
        """The names of its teachers, joined by +."""
        return "+".join(model.name for model in self.models)

    def source(self, taps: Sequence[str]) -> keras.Model:
        """The teacher that gives the intermediate maps.

        Raises:
            InputError: none of them has all the taps.
        """
        for model in self.models:
            if set(taps) <= {layer.name for layer in model.layers}:
                return model
        raise InputError(
            f"teacher_path: none of the {len(self.models)} teachers has all of the taps {', '.join(taps)}: choose "
            "other taps, or add a teacher that has them"
        )


def shares(count: int, weights: Sequence[float] | None) -> tuple[float, ...]:
    """The share of each of `count` teachers, adding up to 1; None weighs all alike.

    Raises:
        InputError: another number of weights than of teachers, or a weight that is not above 0.
    """
    weights = [1.0] * count if weights is None else list(weights)
    if len(weights) != count:
        raise InputError(
            f"teacher_weights must be one for each of the {count} teachers in teacher_path, not {len(weights)}"
        )
    for weight in weights:
        if not 0 < weight < math.inf:
            raise InputError(f"teacher_weights must be above 0, not {weight:g}")
    return tuple(weight / sum(weights) for weight in weights)


def combine(logits: Sequence, shares: Sequence[float], temperature: float) -> dict[str, tf.Tensor]:
    """What a student learns of several teachers' logits.

    Args:
        logits: float [B, K] of each teacher.
        shares: of each, adding up to 1.
        temperature: T of the soft targets.

    Returns:
        float32 [B, K] each: "logits", whose softmax is the mean of the probabilities;
        "soft_logits", whose softmax at T is the mean of the probabilities at T; "mean_logits",
        the mean of the centred logits.
    """

    def mean(at: float) -> tf.Tensor:
        # A mean of probabilities by their logarithms: sure teachers would round to 0.
        rows = [math.log(share) + tf.nn.log_softmax(z / at) for z, share in zip(logits, shares, strict=True)]
        return at * tf.reduce_logsumexp(tf.stack(rows), axis=0)

    centred = [share * (z - tf.reduce_mean(z, axis=-1, keepdims=True)) for z, share in zip(logits, shares, strict=True)]
    return {"logits": mean(1.0), "soft_logits": mean(temperature), "mean_logits": tf.add_n(centred)}
