"""Train a `tf_keras` model on by the Distiller's objective: what every compression of a student shares."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import keras
import tensorflow as tf

from common.console import track
from common.errors import InputError
from models.accounting import Means, Measured, measure
from models.distiller import teacher_pass
from models.learner import own_losses, unpack
from models.objective import Objective
from quantization.legacy import tf_keras


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """What a compressed student is trained on with, and for how long.

    Attributes:
        objective: terms and weights of the loss, heads included; it trains on.
        batches: endless, ({"frame", "gaze", "gaze_valid"}, label, weight).
        steps: in all.
        steps_per_epoch: a line of logs after as many.
        teacher: Keras 3 teacher, or None for plain labels.
        learning_rate: peak; it warms up over the first 5 % of the steps and falls to 0 by a
            half cosine.
        freeze_batch_norm_from: share of the steps after which batch normalisation uses, and
            keeps, its moving statistics; 1 never freezes them.
        seed: of dropout.
        validation: finite batches of the same shape, gone through after each epoch, or None.
        rate_flag: what sets the learning rate, for errors.
    """

    objective: Objective
    batches: tf.data.Dataset
    steps: int
    steps_per_epoch: int
    teacher: keras.Model | None = None
    learning_rate: float = 5e-4
    freeze_batch_norm_from: float = 1.0
    seed: int = 0
    validation: tf.data.Dataset | None = None
    rate_flag: str = "the learning rate"

    def __post_init__(self):
        if self.steps < 1 or self.steps_per_epoch < 1:
            raise InputError(f"steps {self.steps}, steps_per_epoch {self.steps_per_epoch}: both must be at least 1")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate {self.learning_rate}: must be above 0")


def fine_tune(
    model, training: FineTuning, what: str, after_epoch: Callable[[int, dict], None] | None = None
) -> tuple[dict[str, float], ...]:
    """Train a Functional `tf_keras` student, wrapped by TF-MOT or not, in place.

    The weights of the loss are those of the end of the Distiller's schedule (progress 1):
    this is the late part of one training.

    Args:
        model: frame [B, H, W, C] in [0, 1] → logits [B, K]; a tap is the layer of its name,
            with or without TF-MOT's `quant_` before it.
        training: data, loss, steps.
        what: named in the progress line and in errors, such as "pruning to 80 %".
        after_epoch: called with (epoch from 0, logs).

    Returns:
        One dict of logs an epoch: `loss`, each term by its name, `regularisation`,
        `accuracy`, `agreement` with a teacher, `val_*` of all these, `learning_rate`.

    Raises:
        InputError: a part of the loss that is not finite, with the step and the part.
    """
    keras.utils.set_random_seed(training.seed)
    trainer = _Trainer(model, training)
    history, feed = [], iter(training.batches)
    epochs = math.ceil(training.steps / training.steps_per_epoch)
    for epoch, first in enumerate(range(0, training.steps, training.steps_per_epoch)):
        logs = Means()
        last = min(first + training.steps_per_epoch, training.steps)
        for step in track(range(first, last), f"{what}, epoch {epoch + 1}/{epochs}"):
            frozen = step >= training.freeze_batch_norm_from * training.steps
            logs.add(_finite(trainer.train_step(next(feed), frozen), f"{what}, step {step + 1}", training.rate_flag))
        row = logs.result()
        if training.validation is not None:
            means = Means()
            for batch in training.validation:
                means.add(trainer.test_step(batch))
            row |= {f"val_{name}": value for name, value in means.result().items()}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(trainer.schedule(last - 1)))
        history.append(row)
        if after_epoch is not None:
            after_epoch(epoch, row)
    return tuple(history)


class _Trainer:
    """One step: Keras 3 teacher and objective, legacy student and optimiser, one gradient tape."""

    def __init__(self, model, training: FineTuning):
        keras_module = tf_keras()
        objective = training.objective
        taps = {tap: _tap(model, tap) for tap in objective.settings.taps()}
        self.student = keras_module.Model(model.inputs, {"logits": model.output, **taps})
        self.objective = objective
        self.teacher = teacher_pass(training.teacher, objective.settings)
        inner = [getattr(layer, "layer", layer) for layer in model.layers]
        self.norms = [layer for layer in inner if isinstance(layer, keras_module.layers.BatchNormalization)]
        self.variables = [*model.trainable_variables, *(v.value for v in objective.trainable_variables)]
        warmup = min(training.steps - 1, max(1, training.steps // 20))
        self.schedule = keras_module.optimizers.schedules.CosineDecay(
            training.learning_rate / (warmup + 1),
            max(1, training.steps - warmup),
            warmup_target=training.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        self.optimizer = keras_module.optimizers.Adam(self.schedule)
        self.optimizer.build(self.variables)

    @tf.function(autograph=False)
    def train_step(self, batch, frozen: bool) -> Measured:
        batch = unpack(batch)
        teacher = self.teacher(batch) if self.teacher else None
        # Read while tracing: each of the two traces has its own mode. Scale and offset train on.
        for norm in self.norms:
            norm.trainable = not frozen
        with tf.GradientTape() as tape:
            student, terms = self._terms(batch, teacher, training=True)
        pairs = zip(tape.gradient(terms["loss"], self.variables), self.variables)
        # A clustered kernel is made from its centroids: the variable itself has no gradient.
        self.optimizer.apply_gradients([pair for pair in pairs if pair[0] is not None])
        return measure(batch, student["logits"], teacher["logits"] if teacher else None, terms)

    @tf.function(autograph=False)
    def test_step(self, batch) -> Measured:
        batch = unpack(batch)
        teacher = self.teacher(batch) if self.teacher else None
        student, terms = self._terms(batch, teacher, training=False)
        return measure(batch, student["logits"], teacher["logits"] if teacher else None, terms)

    def _terms(self, batch: dict, teacher: dict | None, training: bool) -> tuple[dict, dict]:
        student = self.student(batch["frame"], training=training)
        terms = self.objective(batch, student, teacher)
        own = own_losses(self.student)
        return student, {"loss": self.objective.total(terms, 1.0) + own, **terms, "regularisation": own}


def _tap(model, name: str):
    there = {layer.name: layer for layer in model.layers}
    for known in (name, f"quant_{name}"):
        if known in there:
            # A layer that TF-MOT did not wrap belongs to the model it was made from too: its last use is this model's.
            return there[known].get_output_at(-1)
    raise InputError(f"model {model.name}: has no tap {name!r}; it has {', '.join(n for n in there if 'stride' in n)}")


def _finite(measured: Measured, where: str, rate_flag: str) -> Measured:
    # The parts before their sum, so that it is the part that gets named.
    for name, (value, _) in sorted(measured.items(), key=lambda item: item[0] == "loss"):
        if not math.isfinite(float(value)):
            raise InputError(
                f"{where}: {name} is {float(value)}: lower {rate_flag}, or look for bad frames in the data set"
            )
    return measured
