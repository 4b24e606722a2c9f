"""Steps and a whole run on one device and on two of this machine.

For a process of its own, because TensorFlow's logical devices are fixed before its first use.
"""

from pathlib import Path

import tensorflow as tf

from data.parts import Part
from tests.eager import running_eagerly
from tests.quick import run_quickly
from tests.training import steps, tiny
from tests.training.workers import quick_exports, register
from training import train
from training.distribution import start


def compared(data: str, folder: Path) -> dict:
    """What came out: differences of steps; the runs are left in `folder`."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    run_quickly()
    register()
    quick_exports()
    mirrored = start("mirrored")
    # The student's graphs of a step are compared by the two workers, those of a run below, on two devices.
    learners = {steps.student: False, steps.teacher: True}
    found = {"replicas": mirrored.replicas, **steps.differences(data, mirrored, [Part()], learners)}
    for name in ("none", "mirrored"):
        settings = {"teacher": "none", "student": "narrow", "stages": ["student"], "distribute": name}
        distil = {"epochs": 2, "batch_size": 16, "warmup_epochs": 0.5, "weight_average": 0.5}
        config = tiny.config(data, folder / name, distil=distil, **settings)
        with running_eagerly(name == "none"):
            train(config)
    return found
