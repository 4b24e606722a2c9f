"""One training step for every network: the student, the teacher, the teacher that predicts gaze."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from common.tensors import Tensor
from models.accounting import logged_names, measure
from models.inputs import input_tensors, inputs_of
from models.objective import Objective


class Learner(keras.Model):
    """Trains a network by the terms of an `Objective`, with or without a frozen teacher.

    A step is one pass of the network in training mode, which gives logits and taps together,
    and one pass of the teacher, if any, in inference mode. The teacher is reached through a
    closure: it is not a part of this model, so it has no place in its weights and is never
    saved with it.

    Batches are ({"frame" [B, H, W, 1], "gaze" [B, h, w], "gaze_valid" [B]}, label [B],
    weight [B]). What is logged is in `models.accounting`. In evaluation the weights of the
    terms are those of the end of the training, so that losses of epochs compare.

    Args:
        network: Functional model, inputs `frame` and, if fused, `gaze`, logits out.
        objective: the loss; its heads train too.
        total_steps: steps of the whole training, for warm-up and decay; None trains by the weights as they are set.
        teacher: batch → {"logits", tap: …}, see `models.distiller.teacher_pass`; None without one.
        taps: layers of the network that the objective needs, besides the logits.

    Attributes:
        over_workers: logs are [1] instead of scalars, which Keras can't average over several machines.
    """

    over_workers = False
    # What a kind of learner sets: a change of a network → the same learner over changed networks.
    _again: Callable[[Callable[[keras.Model], keras.Model]], Learner]

    def __init__(
        self,
        network: keras.Model,
        objective: Objective,
        total_steps: int | None = None,
        teacher: Callable[[dict], dict] | None = None,
        taps: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.objective = objective
        self.total_steps = None if total_steps is None else max(1, total_steps)
        self._teacher_pass = teacher
        whole = tapped(network, taps)
        self._network_pass = lambda: whole  # Keras tracks what is assigned, and leaves a function alone
        terms = [term.name for term in objective.settings.active()]
        self._means = {name: keras.metrics.Mean(name=name) for name in logged_names(terms, teacher is not None)}
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self._means.values())

    def call(self, inputs: Mapping[str, Tensor] | Tensor, training: bool = False) -> Tensor:
        """Logits [B, K]; `inputs` is a batch's features or, for a network without gaze, its frames."""
        given = inputs_of(self.network, inputs) if isinstance(inputs, Mapping) else inputs
        return self.network(given, training=training)

    def copied(self) -> Learner:
        """The same learner over copies of its networks, its teacher's too, made in the scope that this is called in.

        Keras draws the seeds of new layers from Python's random numbers: what is built after a copy must start as
        without it.
        """
        state = random.getstate()
        try:
            made = self._again(copy_model)
            made.take_weights(self)
        finally:
            random.setstate(state)
        return made

    def take_weights(self, other: Learner) -> None:
        """Have the weights of the same learner over other networks."""
        give_weights(self.network, other.network)
        self.objective.set_weights(other.objective.get_weights())

    def _maybe_symbolic_build(self, iterator: Iterator | None = None, data_batch: tuple | None = None) -> None:
        """Nothing: every part is built already.

        Under a `tf.distribute` strategy Keras 3 would average the first batch over the replicas
        to learn its shapes, and fails on the booleans of `gaze_valid`.
        """

    def train_step(self, data: tuple) -> dict[str, tf.Tensor]:
        batch = unpack(data)
        teacher = self._teacher_pass(batch) if self._teacher_pass else None
        with tf.GradientTape() as tape:
            outputs, losses = self._forward(batch, teacher, training=True)
            scaled = self.optimizer.scale_loss(losses["loss"])
        variables = self.trainable_variables
        if not self.optimizer.built:
            self.optimizer.build(variables)
        # A loss without labels or soft targets ends at a tap: the layers above it have no gradient, and stay.
        pairs = zip(tape.gradient(scaled, variables), variables)
        self.optimizer.apply_gradients([pair for pair in pairs if pair[0] is not None])
        return self._log(batch, outputs, teacher, losses)

    def test_step(self, data: tuple) -> dict[str, tf.Tensor]:
        batch = unpack(data)
        teacher = self._teacher_pass(batch) if self._teacher_pass else None
        outputs, losses = self._forward(batch, teacher, training=False)
        return self._log(batch, outputs, teacher, losses)

    def _forward(self, batch: dict, teacher: dict | None, training: bool) -> tuple[dict, dict]:
        outputs = self._network_pass()(inputs_of(self.network, self._seen(batch)), training=training)
        terms = self.objective(batch, outputs, teacher)
        progress: tf.Tensor | float | None = 1.0 if self.total_steps else None
        if training and self.total_steps:
            progress = tf.cast(self.optimizer.iterations, tf.float32) / self.total_steps
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        own = own_losses(self.network) / replicas
        return outputs, {"loss": self.objective.total(terms, progress) + own, **terms, "regularisation": own}

    def _seen(self, batch: dict) -> dict:
        """Of a batch what the network sees; the loss has all of it."""
        return batch

    def _log(self, batch: dict, outputs: dict, teacher: dict | None, losses: dict) -> dict:
        measured = measure(batch, outputs["logits"], teacher["logits"] if teacher else None, losses)
        for name, (mean, count) in measured.items():
            self._means[name].update_state(mean, count)
        results = {name: mean.result() for name, mean in self._means.items()}
        return {name: value[None] for name, value in results.items()} if self.over_workers else results


def tapped(model: keras.Model, taps: tuple[str, ...]) -> keras.Model:
    """A model over the same layers that gives {"logits": …, tap: …} in one pass."""
    outputs = {"logits": model.output, **{tap: model.get_layer(tap).output for tap in taps}}
    return keras.Model(input_tensors(model), outputs, name=f"{model.name}_tapped")


def copy_model(model: keras.Model) -> keras.Model:
    """A model of the same layers, names and weights."""
    made = keras.models.clone_model(model)
    give_weights(made, model)
    return made


def give_weights(model: keras.Model, source: keras.Model) -> None:
    """Set the weights of a model to those of one of the same layers."""
    for layer in model.layers:
        layer.set_weights(source.get_layer(layer.name).get_weights())


def unpack(data: tuple) -> dict:
    """({features}, label, weight) → one dict; without weights each frame counts one."""
    features, label, weight = keras.utils.unpack_x_y_sample_weight(data)
    if weight is None:
        weight = tf.ones(tf.shape(label)[:1])
    return {**features, "label": tf.cast(label, tf.int32), "weight": weight}


def own_losses(model: keras.Model) -> tf.Tensor:
    """The sum of a model's own losses, such as regularisation: float32 scalar, 0 without any."""
    return tf.add_n([tf.cast(value, tf.float32) for value in model.losses] or [tf.constant(0.0)])
