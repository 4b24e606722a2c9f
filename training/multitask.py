"""A teacher that also predicts where the sonographer looks (multi-task SonoEyeNet, Cai et al., MICCAI 2018)."""

from __future__ import annotations

import keras
import tensorflow as tf

from common.errors import InputError
from losses import gaze_saliency_loss
from models.inputs import input_tensors, inputs_of
from models.replicas import sum_over_replicas

PREDICTED_MAP = "saliency"


def predicts_gaze(teacher: keras.Model) -> bool:
    """Whether a model has a layer `saliency`: logits [B, h, w, 1] of a gaze map."""
    return any(layer.name == PREDICTED_MAP for layer in teacher.layers)


def check_grid(teacher: keras.Model, map_size: tuple[int, int]) -> None:
    """Refuse a predicted map that has another grid than the gaze maps.

    Raises:
        InputError: with both grids.
    """
    grid = tuple(teacher.get_layer(PREDICTED_MAP).output.shape[1:])
    if grid != (*map_size, 1):
        raise InputError(
            f"teacher {teacher.name}: its layer {PREDICTED_MAP} gives {grid}, and the gaze maps are {map_size}: choose "
            "options or a frame size with which both are alike"
        )


class MultitaskTeacher(keras.Model):
    """Trains such a teacher: L = CE(labels) + g · KL(G' ‖ spatial softmax of the predicted map).

    The published network has an adversarial part; here the map is learned by the divergence
    alone, as Droste et al. (IPMI 2019) learn theirs. The second term is over the frames with
    valid gaze; without any it is exactly 0. Batches are ({inputs, "gaze", "gaze_valid"},
    one-hot label [B, K], weight [B]).

    Logged: `loss`, `hard`, `gaze`, `accuracy`.

    Args:
        teacher: Functional model with the layer `saliency`.
        gaze_weight: g.
        label_smoothing: of the labels, in [0, 1).
    """

    def __init__(self, teacher: keras.Model, gaze_weight: float, label_smoothing: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.teacher = teacher
        self.gaze_weight = gaze_weight
        self.label_smoothing = label_smoothing
        outputs = {"logits": teacher.output, "map": teacher.get_layer(PREDICTED_MAP).output}
        whole = keras.Model(input_tensors(teacher), outputs, name=f"{teacher.name}_multitask")
        self._pass = lambda: whole  # not tracked: its layers are the teacher's
        self._means = {name: keras.metrics.Mean(name=name) for name in ("loss", "hard", "gaze", "accuracy")}
        self.built = True

    @property
    def metrics(self):
        return list(self._means.values())

    def call(self, inputs, training=False):
        """The teacher's logits [B, K]."""
        return self._outputs(inputs, training)["logits"]

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: every part is built already."""

    def train_step(self, data):
        with tf.GradientTape() as tape:
            outputs, terms, loss = self._loss_terms(data, training=True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables))
        return self._log(data, outputs, terms, loss)

    def test_step(self, data):
        outputs, terms, loss = self._loss_terms(data, training=False)
        return self._log(data, outputs, terms, loss)

    def _outputs(self, features, training: bool):
        return self._pass()(inputs_of(self.teacher, features), training=training)

    def _loss_terms(self, data, training: bool):
        features, label, weight = data
        outputs = self._outputs(features, training)
        logits, predicted = (tf.cast(outputs[name], tf.float32) for name in ("logits", "map"))
        hard = keras.losses.categorical_crossentropy(
            label, logits, from_logits=True, label_smoothing=self.label_smoothing
        )
        count = sum_over_replicas(tf.cast(tf.size(weight), tf.float32))
        valid = tf.cast(features["gaze_valid"], tf.float32)
        seen = tf.maximum(1.0, sum_over_replicas(tf.reduce_sum(valid)))
        divergence = gaze_saliency_loss(features["gaze"], predicted[..., 0])
        terms = {
            "hard": tf.reduce_sum(weight * hard) / count,
            "gaze": tf.reduce_sum(weight * valid * divergence) / seen,
        }
        own = tf.add_n([tf.cast(value, tf.float32) for value in self.teacher.losses] or [tf.constant(0.0)])
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return outputs, terms, terms["hard"] + self.gaze_weight * terms["gaze"] + own / replicas

    def _log(self, data, outputs, terms, loss):
        features, label, weight = data
        frames = tf.cast(tf.size(weight), tf.float32)
        for name, value in {"loss": loss, **terms}.items():
            count = tf.reduce_sum(tf.cast(features["gaze_valid"], tf.float32)) if name == "gaze" else frames
            self._means[name].update_state(sum_over_replicas(value), count)
        right = tf.argmax(outputs["logits"], axis=-1) == tf.argmax(label, axis=-1)
        self._means["accuracy"].update_state(tf.cast(right, tf.float32), weight)
        return {name: mean.result() for name, mean in self._means.items()}
