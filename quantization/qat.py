"""Quantisation-aware training: the student's twin, fake-quantised, goes on being distilled."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from common.console import track
from common.errors import InputError
from models.distiller import teacher_pass
from models.objective import Objective
from quantization.check import try_quantise
from quantization.legacy import tf_keras
from quantization.ranges import set_ranges
from quantization.twin import build_twin


@dataclasses.dataclass(frozen=True)
class QatSettings:
    """How the quantised twin is trained.

    Attributes:
        learning_rate: peak; it warms up over the first 5 % of the steps and falls to 0 by a
            half cosine. The student is trained already: a tenth of its own rate or less.
        calibration_batches: training batches that set the activations' first ranges.
        range_decay: of the activation ranges' moving average, per step.
        freeze_batch_norm_from: share of the steps after which batch normalisation uses, and
            keeps, its moving statistics: the last steps train with what will be folded into
            the int8 weights. 1 never freezes them.
    """

    learning_rate: float = 2e-4
    calibration_batches: int = 8
    range_decay: float = 0.99
    freeze_batch_norm_from: float = 2 / 3

    def __post_init__(self):
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"quantise.learning_rate {self.learning_rate}: must be above 0")
        if self.calibration_batches < 1:
            raise InputError(f"quantise.calibration_batches {self.calibration_batches}: at least 1 is needed")
        for name in ("range_decay", "freeze_batch_norm_from"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"quantise.{name} {getattr(self, name)}: must be from 0 to 1")


@dataclasses.dataclass(frozen=True)
class QuantisedStudent:
    """A fake-quantised student.

    Attributes:
        model: Functional `tf_keras` model, frame [B, H, W, C] in [0, 1] → logits [B, K].
        history: one dict of logs an epoch.
    """

    model: object
    history: tuple[dict, ...] = ()

    def __call__(self, frames) -> tf.Tensor:
        """Logits [B, K] of frames [B, H, W, C] in [0, 1], in inference mode."""
        return self.model(frames, training=False)


def quantise(
    student: keras.Model, name: str, options: dict, calibration, range_decay: float = 0.99
) -> QuantisedStudent:
    """The fake-quantised twin of a trained student, its ranges set, not trained further.

    Args:
        student: trained Keras 3 student.
        name, options: what it was built with.
        calibration: a few batches of frames [B, H, W, C] in [0, 1].
        range_decay: see `QatSettings`.

    Raises:
        InputError: naming every layer that TF-MOT refuses.
    """
    twin = build_twin(name, student.input_shape[1:], student.output_shape[-1], student, **options)
    model, refused = try_quantise(twin)
    if refused:
        told = "; ".join(f"{layer} ({kind}) {reason}" for layer, kind, reason in refused)
        raise InputError(f"model {name}: can't be quantised: {told}")
    set_ranges(model, calibration, range_decay)
    return QuantisedStudent(model)


def quantise_aware_train(
    student: keras.Model,
    *,
    name: str,
    options: dict,
    teacher: keras.Model | None,
    objective: Objective,
    batches: tf.data.Dataset,
    steps: int,
    steps_per_epoch: int,
    validation: tf.data.Dataset | None = None,
    settings: QatSettings | None = None,
    on_epoch: Callable[[int, dict], None] | None = None,
    seed: int = 0,
) -> QuantisedStudent:
    """Quantise a trained student and go on distilling it from the same teacher.

    The objective is the Distiller's own, saliency head and adapters included, and trains
    on; its weights are those of the end of the schedule (progress 1), as this is the late
    part of one training. The student itself is not changed.

    Args:
        student: trained Keras 3 student, frame → logits.
        name, options: what it was built with.
        teacher: Keras 3 teacher, or None.
        objective: of the Distiller that trained the student.
        batches: endless, ({"frame", "gaze", "gaze_valid"}, label, weight).
        steps: in all.
        steps_per_epoch: a line of logs, and a validation, after as many.
        validation: finite batches of the same shape, or None.
        settings: see `QatSettings`.
        on_epoch: called with (epoch from 0, logs) after each.
        seed: of dropout.

    Returns:
        The trained student; `history` has for each epoch the Distiller's logs (`loss`, each
        term by its name, `regularisation`, `accuracy`, `agreement`), `val_*` and `learning_rate`.

    Raises:
        InputError: a layer that TF-MOT refuses, or a part of the loss that is not finite,
            with the step and the part.
    """
    settings = settings or QatSettings()
    keras.utils.set_random_seed(seed)
    calibration = [features["frame"] for features, *_ in batches.take(settings.calibration_batches)]
    quantised = quantise(student, name, options, calibration, settings.range_decay)
    trainer = _Trainer(quantised.model, teacher, objective, settings, steps)
    history, feed = [], iter(batches)
    for epoch, first in enumerate(range(0, steps, steps_per_epoch)):
        logs = _Means()
        last = min(first + steps_per_epoch, steps)
        for step in track(range(first, last), f"int8 epoch {epoch + 1}/{math.ceil(steps / steps_per_epoch)}"):
            frozen = step >= settings.freeze_batch_norm_from * steps
            values = trainer.train_step(next(feed), frozen)
            _check_finite(values, step + 1, settings)
            logs.add(values)
        row = logs.result()
        if validation is not None:
            means = _Means()
            for batch in validation:
                means.add(trainer.test_step(batch))
            row |= {f"val_{key}": value for key, value in means.result().items()}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(trainer.schedule(last - 1)))
        history.append(row)
        if on_epoch is not None:
            on_epoch(epoch, row)
    return QuantisedStudent(quantised.model, tuple(history))


class _Trainer:
    """The steps: Keras 3 teacher and objective, legacy student and optimiser, one gradient tape."""

    def __init__(self, model, teacher, objective: Objective, settings: QatSettings, steps: int):
        kit = tf_keras()
        taps = {tap: model.get_layer(f"quant_{tap}").output for tap in objective.settings.taps()}
        self.student = kit.Model(model.inputs, {"logits": model.output, **taps})
        self.objective = objective
        self.teacher = teacher_pass(teacher, objective.settings)
        self.norms = [
            layer.layer
            for layer in model.layers
            if isinstance(getattr(layer, "layer", None), kit.layers.BatchNormalization)
        ]
        self.variables = [*model.trainable_variables, *(v.value for v in objective.trainable_variables)]
        warmup = min(steps - 1, max(1, steps // 20)) if steps > 1 else 0
        self.schedule = kit.optimizers.schedules.CosineDecay(
            settings.learning_rate if warmup == 0 else settings.learning_rate / (warmup + 1),
            max(1, steps - warmup),
            warmup_target=settings.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        self.optimizer = kit.optimizers.Adam(self.schedule)
        self.optimizer.build(self.variables)

    @tf.function(autograph=False)
    def train_step(self, batch, frozen: bool):
        batch = _unpack(batch)
        teacher = self.teacher(batch)
        # Read while tracing: each of the two traces has its own mode. Scale and offset train on.
        for norm in self.norms:
            norm.trainable = not frozen
        with tf.GradientTape() as tape:
            student, terms, loss = self._loss_terms(batch, teacher, training=True)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.variables), self.variables))
        return _sums(batch, student, teacher, terms, loss)

    @tf.function(autograph=False)
    def test_step(self, batch):
        batch = _unpack(batch)
        teacher = self.teacher(batch)
        student, terms, loss = self._loss_terms(batch, teacher, training=False)
        return _sums(batch, student, teacher, terms, loss)

    def _loss_terms(self, batch, teacher, training: bool):
        student = self.student(batch["frame"], training=training)
        terms = self.objective(batch, student, teacher)
        own = tf.add_n([tf.cast(value, tf.float32) for value in self.student.losses] or [tf.constant(0.0)])
        return student, {**terms, "regularisation": own}, self.objective.total(terms, 1.0) + own


def _unpack(batch) -> dict:
    features, label, weight = batch
    return {**features, "label": tf.cast(label, tf.int32), "weight": weight}


def _sums(batch, student, teacher, terms, loss) -> dict:
    """(sum, count) of all that is logged: batches for the losses, frames for the rest."""
    one = tf.constant(1.0)
    sums = {name: (value, one) for name, value in {"loss": loss, **terms}.items()}
    chosen = tf.argmax(student["logits"], axis=-1, output_type=tf.int32)
    labelled = tf.cast(batch["label"] >= 0, tf.float32)
    right = tf.cast(chosen == batch["label"], tf.float32)
    sums["accuracy"] = (tf.reduce_sum(labelled * right), tf.reduce_sum(labelled))
    if teacher is not None:
        same = tf.cast(chosen == tf.argmax(teacher["logits"], axis=-1, output_type=tf.int32), tf.float32)
        sums["agreement"] = (tf.reduce_sum(same), tf.cast(tf.size(same), tf.float32))
    return sums


class _Means:
    def __init__(self):
        self._sums: dict[str, np.ndarray] = {}

    def add(self, sums: dict) -> None:
        for name, pair in sums.items():
            self._sums[name] = self._sums.get(name, np.zeros(2)) + [float(value) for value in pair]

    def result(self) -> dict[str, float]:
        return {name: float(total / count) if count else 0.0 for name, (total, count) in self._sums.items()}


def _check_finite(sums: dict, step: int, settings: QatSettings) -> None:
    # The parts before their sum, so that it is the part that gets named.
    for name, (value, _) in sorted(sums.items(), key=lambda item: item[0] == "loss"):
        if not math.isfinite(float(value)):
            raise InputError(
                f"quantisation-aware training, step {step}: {name} is {float(value)}: lower "
                f"--quantise.learning_rate (now {settings.learning_rate}), or look for bad frames in the data set"
            )
