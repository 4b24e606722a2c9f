"""Steps and a whole run on one device and on two of this machine; prints what came out, as JSON.

A process of its own, because TensorFlow's logical devices are fixed before its first use.
"""

import json
import sys
from pathlib import Path

import common.quiet  # noqa: F401  (first, before TensorFlow)

import tensorflow as tf  # isort: skip

from data.parts import Part  # isort: skip
from tests.eager import running_eagerly  # isort: skip
from tests.training import steps, tiny  # isort: skip
from tests.training.workers import quick_exports, register  # isort: skip
from training import train  # isort: skip
from training.distribution import start  # isort: skip


def main(data: str, folder: Path) -> dict:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # each graph runs a few times
    register()
    quick_exports()
    mirrored = start("mirrored")
    found = {"replicas": mirrored.replicas, **steps.differences(data, mirrored, [Part()])}
    # Graphs, which take longer than the steps, are left to the run on two devices.
    for name in ("none", "mirrored"):
        settings = {"teacher": "none", "student": "narrow", "stages": ["student"], "distribute": name}
        distil = {"epochs": 2, "batch_size": 16, "warmup_epochs": 0.5, "weight_average": 0.5}
        config = tiny.config(data, folder / name, distil=distil, **settings)
        with running_eagerly(name == "none"):
            train(config)
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
