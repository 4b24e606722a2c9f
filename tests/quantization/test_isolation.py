"""Legacy Keras is loaded by its first use alone; who may import it is held by tests/test_structure.py."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["models.distiller", "quantization.tflite", "train"])
def test_importing_does_not_load_legacy_keras(module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"there is no {module}.py")
    run(f"import {module}, sys; bad = [m for m in ('tf_keras', 'tensorflow_model_optimization') "
        "if m in sys.modules]; sys.exit(bool(bad) and str(bad))")  # fmt: skip


def test_child_processes_keep_keras_3():
    run(
        "from quantization.legacy import tfmot; tfmot(); import os, sys, keras; "
        "bad = 'TF_USE_LEGACY_KERAS' in os.environ or not keras.__version__.startswith('3'); sys.exit(bad)"
    )


def run(code):
    environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
