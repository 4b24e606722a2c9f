"""One training step on one device and on two; prints what came out, as JSON.

A process of its own, because TensorFlow's logical devices are fixed before its first use.
"""

import json

import common.quiet  # noqa: F401  (first, before TensorFlow)

import keras  # isort: skip
import numpy as np  # isort: skip
import tensorflow as tf  # isort: skip

from models.distiller import Distiller  # isort: skip
from losses import LossSettings  # isort: skip
from tests.models import tiny  # isort: skip

WEIGHTS = {"alpha": 0.6, "gaze": 0.5, "attention": 1.0, "hint": 0.3, "similarity": 5.0, "logit": 0.4, "decoupled": 0.1}
SETTINGS = LossSettings(**WEIGHTS, warmup=0.0, decay_from=1.0)
RATE = 0.2


def run(strategy, data) -> dict:
    with strategy.scope():
        student = tiny.student(regularizer=keras.regularizers.L2(0.01))
        teacher = tiny.teacher()
        made = Distiller(student, teacher, SETTINGS)
        # On one device the graphs, which take longer than the step, are left out; the other run has them.
        alone = strategy.num_replicas_in_sync == 1
        made.compile(optimizer=keras.optimizers.SGD(RATE), jit_compile=False, run_eagerly=alone)
    batches = tf.data.Dataset.from_tensors(data)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    batches = batches.with_options(options)
    before = values(made)
    evaluated = made.evaluate(batches, verbose=0, return_dict=True)
    logs = made.fit(batches, epochs=1, verbose=0).history
    return {
        "before": before,
        "after": values(made),
        "evaluated": evaluated,
        "logs": {name: column[0] for name, column in logs.items()},
    }


def values(made) -> list:
    return [np.array(variable).ravel().tolist() for variable in made.trainable_variables]


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # each graph runs once
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    # Each replica gets half of the batch: all valid gaze but one frame is in the first half.
    data = tiny.batch(8, valid=[1, 1, 1, 0, 0, 0, 1, 0], weight=[1, 2, 1, 0.5, 1, 3, 0, 1])
    one = run(tf.distribute.get_strategy(), data)
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    both = run(mirrored, data)
    print(json.dumps({"replicas": mirrored.num_replicas_in_sync, "one": one, "two": both}))


if __name__ == "__main__":
    main()
