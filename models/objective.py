"""The total distillation loss, and the heads that only training needs.

The same objective serves the float student (`models/distiller.py`) and its quantized twin
(`quantization/`), so both learn from the same teacher in the same way.
"""

from __future__ import annotations

import dataclasses
import math

import keras
import tensorflow as tf

from common.errors import InputError
from losses import (
    attention_transfer_loss,
    decoupled_loss,
    gaze_saliency_loss,
    hard_label_loss,
    hint_loss,
    logit_regression_loss,
    similarity_preserving_loss,
    soft_target_loss,
)
from models.replicas import gather_over_replicas, sum_over_replicas, variance_over_replicas

SALIENCY_TAP = "stride8"
NEED_A_TEACHER = ("alpha", "logit", "decoupled", "attention", "hint", "similarity")


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """Weights of L = c·(1−a)·CE + a·T²·KL + g·gaze + b·attention (+ h·hint + s·similarity + l·logit + d·decoupled).

    A frame without a label feeds every term but the first, where it counts as a 0.

    Attributes:
        alpha: a, weight of the soft targets against the hard labels, in [0, 1].
        temperature: T.
        gaze: g, of the gaze-saliency loss.
        attention: b, of the attention transfer at `attention_taps`.
        hint: h, of the hint at `hint_taps`, each through a 1×1 adapter.
        similarity: s, of similarity preserving at `hint_taps`.
        attention_taps: names of the layers compared by attention transfer.
        hint_taps: names of the layers compared by hints and similarity preserving.
        gaze_uniform_share: e of G' = (1−e)·G + e/N.
        warmup: share of the steps over which g and b grow from 0.
        decay_from: share of the steps after which b falls to a tenth, by a half cosine.
        hard: c, a factor of the hard labels beside 1−a; 0 leaves them out.
        logit: l, of the regression on the teacher's centred logits.
        decoupled: d, of the decoupled soft targets; usually in place of `alpha`.
        decoupled_target: α, of their part between the target class and the rest.
        decoupled_rest: β, of their part among the other classes, where plain soft targets
            have the teacher's 1 − p_t: the surer the teacher, the more a large β changes.
    """

    alpha: float = 0.7
    temperature: float = 4.0
    gaze: float = 0.3
    attention: float = 1.0
    hint: float = 0.0
    similarity: float = 0.0
    attention_taps: tuple[str, ...] = ("stride8", "stride16")
    hint_taps: tuple[str, ...] = ("stride16",)
    gaze_uniform_share: float = 0.05
    warmup: float = 0.1
    decay_from: float = 0.7
    hard: float = 1.0
    logit: float = 0.0
    decoupled: float = 0.0
    decoupled_target: float = 1.0
    decoupled_rest: float = 8.0

    def __post_init__(self):
        if not 0 <= self.alpha <= 1:
            raise InputError(f"loss.alpha {self.alpha}: must be from 0 to 1")
        if not 0 < self.temperature < math.inf:
            raise InputError(f"loss.temperature {self.temperature}: must be above 0")
        weights = ("hard", "gaze", "logit", "decoupled", "attention", "hint", "similarity")
        for name in (*weights, "decoupled_target", "decoupled_rest"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"loss.{name} {getattr(self, name)}: must be a number of at least 0")
        for name in ("gaze_uniform_share", "warmup", "decay_from"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"loss.{name} {getattr(self, name)}: must be from 0 to 1")

    def without_teacher(self) -> LossSettings:
        """The settings with every term that needs a teacher switched off."""
        return dataclasses.replace(self, **dict.fromkeys(NEED_A_TEACHER, 0.0))

    def is_empty(self, labels: bool = True) -> bool:
        """Whether no term is left to learn from; without labels the hard one is none."""
        hard = self.hard * (1 - self.alpha) if labels else 0.0
        return not (hard or self.gaze or any(getattr(self, name) for name in NEED_A_TEACHER))

    def refuse_without_teacher(self, cure: str) -> None:
        """Refuse a weight that was set and needs a teacher, where there is none.

        One at its default is only left out, so that no teacher is enough for the student alone.

        Args:
            cure: what to do about it, the end of the message.

        Raises:
            InputError: naming the weight.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in NEED_A_TEACHER and value not in (0, field.default):
                raise InputError(f"loss.{field.name} {value:g}: needs a teacher, {cure}, or set loss.{field.name} to 0")

    def taps(self) -> tuple[str, ...]:
        """Names of the layers that any term needs, each once."""
        used = (SALIENCY_TAP,) if self.gaze else ()
        used += self.teacher_taps()
        return tuple(dict.fromkeys(used))

    def teacher_taps(self) -> tuple[str, ...]:
        """Names of the layers needed of the teacher."""
        used = tuple(self.attention_taps) if self.attention else ()
        used += tuple(self.hint_taps) if self.hint or self.similarity else ()
        return tuple(dict.fromkeys(used))


class Objective(keras.layers.Layer):
    """All terms of the loss of one batch, each by its name.

    Owns the saliency head (a 1×1 convolution on the student's `stride8` map) and the hint
    adapters; neither is part of the deployed student. Every term is a sum over this
    replica's samples divided by a number counted over *all* replicas, so that the gradients,
    which are added over the replicas, do not depend on how many there are.

    Args:
        settings: the weights.
        student_shapes: {tap: (h, w, C)} of the student.
        teacher_shapes: {tap: (h, w, C)} of the teacher; empty without one.
    """

    def __init__(self, settings: LossSettings, student_shapes: dict, teacher_shapes: dict, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.settings = settings
        self.saliency_head = None
        self.adapters = {}
        if settings.gaze:
            self.saliency_head = keras.layers.Conv2D(1, 1, dtype="float32", name="saliency_head")
            self.saliency_head.build((None, *student_shapes[SALIENCY_TAP]))
        if settings.hint:
            for tap in settings.hint_taps:
                if student_shapes[tap][:2] != teacher_shapes[tap][:2]:
                    raise InputError(
                        f"loss.hint_taps {tap}: the grid is {student_shapes[tap][:2]} in the student and "
                        f"{teacher_shapes[tap][:2]} in the teacher: choose a tap with one grid"
                    )
                adapter = keras.layers.Conv2D(teacher_shapes[tap][-1], 1, dtype="float32", name=f"adapter_{tap}")
                adapter.build((None, *student_shapes[tap]))
                self.adapters[tap] = adapter
        self.built = True

    def call(self, batch: dict, student: dict, teacher: dict | None) -> dict:
        """The unweighted terms.

        Args:
            batch: `label` int [B], `weight` float [B], `gaze` float [B, h, w], `gaze_valid` bool [B].
            student: `logits` [B, K] and the taps' maps.
            teacher: the same of the teacher, or None. Of several teachers also `soft_logits`
                and `mean_logits`, see `models.ensemble`.

        Returns:
            {"hard", "soft", "logit", "decoupled", "gaze", "attention", "hint", "similarity"} →
            float32 scalar, those that are switched on.
        """
        s = self.settings
        weight = tf.cast(batch["weight"], tf.float32)
        count = sum_over_replicas(tf.cast(tf.size(weight), tf.float32))

        def mean(values):
            return tf.reduce_sum(weight * values) / count

        terms = {}
        if s.hard:
            terms["hard"] = mean(hard_label_loss(batch["label"], student["logits"]))
        if s.gaze:
            valid = tf.cast(batch["gaze_valid"], tf.float32)
            values = gaze_saliency_loss(batch["gaze"], self.saliency_logits(student), s.gaze_uniform_share)
            total = tf.maximum(1.0, sum_over_replicas(tf.reduce_sum(valid)))
            terms["gaze"] = tf.reduce_sum(weight * valid * values) / total
        if teacher is None:
            return terms
        soft_logits = teacher.get("soft_logits", teacher["logits"])
        if s.alpha:
            terms["soft"] = mean(soft_target_loss(soft_logits, student["logits"], s.temperature))
        if s.logit:
            mean_logits = teacher.get("mean_logits", teacher["logits"])
            terms["logit"] = mean(logit_regression_loss(mean_logits, student["logits"]))
        if s.decoupled:
            parts = s.temperature, s.decoupled_target, s.decoupled_rest
            terms["decoupled"] = mean(decoupled_loss(soft_logits, student["logits"], batch["label"], *parts))
        if s.attention:
            terms["attention"] = tf.add_n(
                [mean(attention_transfer_loss(teacher[tap], student[tap])) for tap in s.attention_taps]
            )
        if s.hint:
            terms["hint"] = tf.add_n(
                [
                    mean(
                        hint_loss(
                            teacher[tap],
                            self.adapters[tap](student[tap]),
                            variance_over_replicas(teacher[tap]),
                        )
                    )
                    for tap in s.hint_taps
                ]
            )
        if s.similarity:
            terms["similarity"] = tf.add_n([self._similarity(teacher[t], student[t], weight) for t in s.hint_taps])
        return terms

    def saliency_logits(self, student: dict):
        """Logits [B, h, w] of the saliency head on the student's `stride8` map."""
        return self.saliency_head(tf.cast(student[SALIENCY_TAP], tf.float32))[..., 0]

    def total(self, terms: dict, progress) -> tf.Tensor:
        """The weighted sum at `progress`, the share of the steps done, in [0, 1]."""
        s = self.settings
        progress = tf.cast(progress, tf.float32)
        warm = tf.minimum(1.0, progress / s.warmup) if s.warmup else tf.constant(1.0)
        late = tf.clip_by_value((progress - s.decay_from) / max(1.0 - s.decay_from, 1e-6), 0.0, 1.0)
        fade = 0.1 + 0.9 * 0.5 * (1.0 + tf.cos(math.pi * late))
        weights = {
            "hard": s.hard * (1.0 - s.alpha),
            "soft": s.alpha,
            "logit": s.logit,
            "decoupled": s.decoupled,
            "gaze": s.gaze * warm,
            "attention": s.attention * warm * fade,
            "hint": s.hint,
            "similarity": s.similarity,
        }
        return tf.add_n([weights[name] * value for name, value in terms.items()])

    def _similarity(self, teacher, student, weight):
        """Similarities are between pairs, so the batch is the one over all replicas."""
        values = similarity_preserving_loss(gather_over_replicas(teacher), gather_over_replicas(student))
        whole = tf.reduce_sum(gather_over_replicas(weight) * values)
        # Each replica computes the whole term; gradients and values are added over them.
        return whole / tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, tf.float32)
