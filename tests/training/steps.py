"""One step of the same learner on one device and on several."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from data.dataset import open_dataset
from data.parts import Part
from data.pipeline import PipelineSettings, training_batches
from losses import LossSettings
from models.distiller import Distiller
from models.learner import Learner
from models.teaching import TeacherLearner
from tests.training import tiny
from training.distribution import SINGLE, Distribution

BATCH = 12
TERMS = {"gaze": 0.5, "attention": 1.0, "hint": 0.3, "similarity": 2.0, "logit": 0.2, "decoupled": 0.1}
LOSS = LossSettings(**TERMS, warmup=0.0, decay_from=1.0)


def student() -> Learner:
    """A student with batch normalisation and weight decay, and its teacher; neither draws at random."""
    keras.utils.set_random_seed(1)
    shape, classes = (*tiny.FRAME_SIZE, 1), len(tiny.CLASSES)
    teacher = tiny.build_family(keras, shape, classes, width=12)
    network = tiny.build_family(keras, shape, classes, regularizer=keras.regularizers.L2(0.01))
    return Distiller(network, teacher, LOSS)


def teacher() -> Learner:
    """A teacher with batch normalisation."""
    keras.utils.set_random_seed(2)
    network = tiny.build_family(keras, (*tiny.FRAME_SIZE, 1), len(tiny.CLASSES), width=12)
    return TeacherLearner(network, label_smoothing=0.1)


def step(learner: Learner, distribution: Distribution, batches, graphs: bool) -> dict:
    """One step of gradient descent: weights before and after, what was logged and what the batches then score."""
    before = _weights(learner)
    placed = distribution.place(learner)
    with distribution.scope():
        placed.compile(optimizer=keras.optimizers.SGD(0.01), jit_compile=False, run_eagerly=not graphs)
    logs = placed.fit(batches, steps_per_epoch=1, epochs=1, verbose=0, shuffle=False).history
    scored = placed.evaluate(batches, steps=1, verbose=0, return_dict=True)
    if placed is not learner:
        learner.take_weights(placed)
    return {
        "before": before,
        "after": _weights(learner),
        "logs": {name: float(column[0]) for name, column in logs.items()},
        "scored": {name: float(value) for name, value in scored.items()},
        "config": learner.network.get_config(),
    }


@functools.cache
def pieces(folder, part: Part) -> tuple:
    """The first batch of a part of the training split, in its pieces; no two weigh as much or have as much gaze."""
    batches = training_batches(open_dataset(folder), "train", PipelineSettings(BATCH, seed=4), part=part)
    return tuple(_uneven(*batch) for batch in batches.take(part.pieces))


def parted(folder, part: Part) -> tf.data.Dataset:
    """The same, to be read over and over."""
    together = tf.nest.map_structure(lambda *each: tf.stack(each), *pieces(folder, part))
    return tf.data.Dataset.from_tensor_slices(together)


def _uneven(features, label, _):
    """Weights and valid gaze that no two devices have as much of: a mean over devices is not the mean over frames."""
    corner = features["frame"][:, 0, 0, 0]
    return {**features, "gaze_valid": corner > 0.3}, label, tf.gather([0.5, 0.0, 3.0], label) + corner


def _is_uneven(folder, distribution: Distribution, parts: list[Part]) -> bool:
    each = [dataclasses.replace(part, pieces=distribution.part.pieces) for part in parts]
    found = [piece for part in each for piece in pieces(folder, part)]
    weights = {float(tf.reduce_sum(weight)) for _, _, weight in found}
    valid = {int(tf.math.count_nonzero(features["gaze_valid"])) for features, *_ in found}
    return len(found) == len(weights) == len(valid) == distribution.replicas


def joined(folder, parts: list[Part]) -> tf.data.Dataset:
    """The first batches of all parts as one."""
    found = [piece for part in parts for piece in pieces(folder, part)]
    whole = tf.nest.map_structure(lambda *each: tf.concat(each, axis=0), *found)
    return tf.data.Dataset.from_tensors(whole).repeat()


def differences(folder, distribution: Distribution, parts: list[Part], learners: dict) -> dict:
    """{learner: the largest difference of a step on one device and on several, by what is compared}.

    And `uneven`: whether the devices' frames differ in weight and in number with valid gaze. Of each learner
    `learners` says whether the several devices have graphs, which take longer than the step; one device has none.
    """
    found = {"uneven": _is_uneven(folder, distribution, parts)}
    for make, graphs in learners.items():
        one = step(make(), SINGLE, joined(folder, parts), graphs=False)
        several = step(make(), distribution, distribution.batches(lambda part: parted(folder, part)), graphs)
        names = one["logs"].keys()
        found[make.__name__] = {
            "still": sum(_largest([a], [b]) < 1e-5 for a, b in zip(one["before"], one["after"], strict=True)),
            "weights": _largest(one["after"], several["after"]),
            "logs": _largest(*([run["logs"][name] for name in names] for run in (one, several))),
            "scored": _largest(*([run["scored"][name] for name in names] for run in (one, several))),
            "names": sorted(names),
            "same names": names == several["logs"].keys() == several["scored"].keys(),
            "same configuration": one["config"] == several["config"],
        }
    return found


def _weights(learner: Learner) -> list[np.ndarray]:
    return [*learner.network.get_weights(), *learner.objective.get_weights()]


def _largest(one, other) -> float:
    """The largest difference: of numbers above 1, as a share of them."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=False)]
    return max(float(np.max(np.abs(a - b) / np.maximum(1, np.abs(a)))) for a, b in pairs)
