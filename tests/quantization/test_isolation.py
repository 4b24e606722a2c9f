"""TensorFlow starts quietly, and legacy Keras by its first use alone; who may import it: tests/test_structure.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


# One process for what two tests hold: it starts TensorFlow, which takes longer than all else.
CODE = """
import gc, os, sys
import common.quiet, tensorflow as tf; tf.constant(1) + 1; print("ok")
print("started", file=sys.stderr)
loaded = [name for name in ("matplotlib", "sklearn") if name in sys.modules]
assert not loaded, f"starting TensorFlow loads {loaded}"
assert gc.isenabled() and gc.get_freeze_count() > 100_000, "TensorFlow's modules are looked through for garbage"

import compress, evaluate, models.distiller, prepare, quantization.qat, quantization.tflite, train
loaded = [name for name in ("tf_keras", "tensorflow_model_optimization") if name in sys.modules]
assert not loaded, f"importing the commands loads {loaded}"

from quantization.legacy import tfmot
tfmot()
import keras, matplotlib, sklearn
assert "TF_USE_LEGACY_KERAS" not in os.environ, "child processes would use Keras 2"
assert keras.__version__.startswith("3")
"""


@pytest.fixture(scope="module")
def done():
    left_out = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    return subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_importing_does_not_load_legacy_keras_and_child_processes_keep_keras_3(done):
    assert done.returncode == 0, done.stderr[-2000:]


def test_tensorflow_starts_without_a_word(done):
    assert done.stdout == "ok\n" and done.stderr.startswith("started\n")
