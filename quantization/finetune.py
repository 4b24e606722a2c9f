"""Further training of a `tf_keras` student by the Distiller's objective: what quantization and the baselines share.

A training that was interrupted goes on after its last whole epoch and gives, bit for bit, what
it would have given. All that it depends on is stored: weights, quantizers' ranges, masks and
centroids, the heads of the objective, the optimizer's slots. Dropout is seeded from the epoch,
the batches are skipped, and whether batch normalisation is frozen follows from the step."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from common.console import track
from common.errors import InputError
from common.state_file import State, give_values, read_state, write_state
from common.tensors import Tensor
from models.accounting import Means, Measured, measure
from models.distiller import teacher_pass
from models.finite import check_finite
from models.learner import own_losses, unpack
from models.objective import Objective
from quantization.legacy import LegacyModel, tf_keras


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """The data, the loss and the length of a further training.

    Attributes:
        objective: terms and weights of the loss, heads included, which are trained too.
        batches: number of batches to skip → endless ({"frame", "gaze", "gaze_valid"}, label, weight).
        steps: in all.
        steps_per_epoch: a line of logs after as many.
        teacher: Keras 3 teacher, or None for plain labels.
        learning_rate: peak; it warms up over the first 5 % of the steps and falls to 0 by a
            half cosine.
        freeze_batch_norm_from: share of the steps after which batch normalisation uses, and
            keeps, its moving statistics; 1 never freezes them.
        seed: of dropout.
        validation: finite batches of the same shape, gone through after each epoch, or None.
        checkpoint: file that keeps the state after every epoch, or None. A training that finds it
            goes on from there; who saves the result removes the file after that.
    """

    objective: Objective
    batches: Callable[[int], tf.data.Dataset]
    steps: int
    steps_per_epoch: int
    teacher: keras.Model | None = None
    learning_rate: float = 5e-4
    freeze_batch_norm_from: float = 1.0
    seed: int = 0
    validation: tf.data.Dataset | None = None
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.steps_per_epoch < 1:
            raise InputError(
                f"steps and steps_per_epoch must be at least 1, not {self.steps} and {self.steps_per_epoch}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate must be above 0, not {self.learning_rate}")
        if not 0 <= self.freeze_batch_norm_from <= 1:
            raise InputError(f"freeze_batch_norm_from must be in [0, 1], not {self.freeze_batch_norm_from}")


def fine_tune(
    model: LegacyModel, training: FineTuning, what: str, after_epoch: Callable[[int, dict], None] | None = None
) -> tuple[dict[str, float], ...]:
    """Train a Functional `tf_keras` student, wrapped by TF-MOT or not, in place.

    The weights of the loss are those of the end of the Distiller's schedule (progress 1):
    this is the late part of one training.

    Args:
        model: frame [B, H, W, C] in [0, 1] → logits [B, K]; a tap is the layer of its name,
            with or without TF-MOT's `quant_` before it.
        training: data, loss, steps.
        what: named in the progress line and in errors, such as "pruning to 80 %".
        after_epoch: called with (epoch from 0, logs) after each epoch of this process.

    Returns:
        One dict of logs per epoch, those before an interruption included: `loss`, each term by its
        name, `regularisation`, `accuracy`, `agreement` with a teacher, `val_*` of all these,
        `learning_rate`.

    Raises:
        Diverged: a part of the loss that is not finite, with the step and the part.
    """
    trainer = _Trainer(model, training)
    history, file = trainer.restore(), training.checkpoint
    feed = iter(training.batches(len(history) * training.steps_per_epoch))
    for epoch in range(len(history), math.ceil(training.steps / training.steps_per_epoch)):
        row = _train_epoch(trainer, feed, epoch, what)
        history.append(row)
        if after_epoch is not None:
            after_epoch(epoch, row)
        if file is not None:
            values = tuple(np.array(keras.ops.convert_to_numpy(variable)) for variable in trainer.state())
            write_state(file, State(len(history), values, tuple(history)))
    return tuple(history)


def _train_epoch(trainer: _Trainer, feed: Iterator, epoch: int, what: str) -> dict[str, float]:
    """One epoch and its validation; its logs."""
    training = trainer.training
    epochs = math.ceil(training.steps / training.steps_per_epoch)
    first = epoch * training.steps_per_epoch
    last = min(first + training.steps_per_epoch, training.steps)
    trainer.seed_dropout(epoch)
    logs, rate = Means(), training.learning_rate
    for step in track(range(first, last), f"{what}, epoch {epoch + 1}/{epochs}"):
        frozen = step >= training.freeze_batch_norm_from * training.steps
        batch = next(feed)
        measured = trainer.train_step(batch, frozen)
        check_finite({name: value for name, (value, _) in measured.items()}, f"{what}, step {step + 1}", rate)
        logs.add(measured)
    row = logs.result()
    if training.validation is not None:
        means = Means()
        for batch in training.validation:
            means.add(trainer.test_step(batch))
        row |= {f"val_{name}": value for name, value in means.result().items()}
        check_finite(row, f"{what}, after epoch {epoch + 1}", rate)
    elif last == training.steps:  # the step's own loss is of the weights before it
        after = Means()
        after.add(trainer.test_step(batch))
        check_finite(after.result(), f"{what}, after epoch {epoch + 1}", rate)
    row["learning_rate"] = float(keras.ops.convert_to_numpy(trainer.schedule(last - 1)))
    return row


class _Trainer:
    """One step: Keras 3 teacher and objective, legacy student and optimizer, one gradient tape."""

    def __init__(self, model: LegacyModel, training: FineTuning) -> None:
        keras_module = tf_keras()
        self.model, self.training = model, training
        objective = training.objective
        taps = {tap: _tap(model, tap) for tap in objective.settings.taps()}
        self.student = keras_module.Model(model.inputs, {"logits": model.output, **taps})
        self.objective = objective
        self.teacher = teacher_pass(training.teacher, objective.settings)
        inner = [getattr(layer, "layer", layer) for layer in model.layers]
        self.norms = [layer for layer in inner if isinstance(layer, keras_module.layers.BatchNormalization)]
        self.dropouts = [layer for layer in inner if isinstance(layer, keras_module.layers.Dropout)]
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

    def state(self) -> list:
        """All variables that the training changes, in a fixed order."""
        return [*self.model.variables, *self.objective.variables, *self.optimizer.variables]

    def restore(self) -> list[dict[str, float]]:
        """Take the state of the checkpoint, if there is one; the logs of its epochs."""
        file = self.training.checkpoint
        state = None if file is None else read_state(file)
        if file is None or state is None:
            return []
        give_values(file, state, self.state())
        return list(state.history)

    def seed_dropout(self, epoch: int) -> None:
        """Dropout that depends on seed, layer and epoch alone; the state of its generator is no weight."""
        for layer in self.dropouts:
            words = f"{self.training.seed} {layer.name} {epoch}"
            layer._random_generator._generator.reset_from_seed(zlib.crc32(words.encode()))

    @tf.function(autograph=False)
    def train_step(self, data: tuple, frozen: bool) -> Measured:
        batch = unpack(data)
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
    def test_step(self, data: tuple) -> Measured:
        batch = unpack(data)
        teacher = self.teacher(batch) if self.teacher else None
        student, terms = self._terms(batch, teacher, training=False)
        return measure(batch, student["logits"], teacher["logits"] if teacher else None, terms)

    def _terms(self, batch: dict, teacher: dict | None, training: bool) -> tuple[dict, dict]:
        student = self.student(batch["frame"], training=training)
        terms = self.objective(batch, student, teacher)
        own = own_losses(self.student)
        return student, {"loss": self.objective.total(terms, 1.0) + own, **terms, "regularisation": own}


def _tap(model: LegacyModel, name: str) -> Tensor:
    there = {layer.name: layer for layer in model.layers}
    for known in (name, f"quant_{name}"):
        if known in there:
            # A layer that TF-MOT did not wrap belongs to the model it was made from too: its last use is this model's.
            return there[known].get_output_at(-1)
    raise InputError(f"model {model.name}: has no tap {name!r}; it has {', '.join(n for n in there if 'stride' in n)}")
