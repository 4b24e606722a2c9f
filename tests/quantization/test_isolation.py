"""Legacy Keras is loaded by its first use alone; who may import it is held by tests/test_structure.py."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


CODE = """
import os, sys
import compress, evaluate, models.distiller, prepare, quantization.qat, quantization.tflite, train
loaded = [name for name in ("tf_keras", "tensorflow_model_optimization") if name in sys.modules]
assert not loaded, f"importing the commands loads {loaded}"

from quantization.legacy import tfmot
tfmot()
import keras
assert "TF_USE_LEGACY_KERAS" not in os.environ, "child processes would use Keras 2"
assert keras.__version__.startswith("3")
"""


def test_importing_does_not_load_legacy_keras_and_child_processes_keep_keras_3():
    environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
