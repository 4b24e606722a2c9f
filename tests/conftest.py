"""Shared by all tests: a quiet TensorFlow, and where real data may lie."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.eager import running_eagerly
from tests.quick import build_models_quickly, run_quickly

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# The networks of tests are too small for more than one thread, and each worker has a core of its own.
for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(threads, "1")

# oneDNN compiles a kernel for each shape that it meets, which costs more than the few steps of a test gain by it; and
# its results differ between processors.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# In the background of a shell Ctrl-C is ignored, by what a test starts as well: here it is what it is in a terminal.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Until all tests are collected: nothing of what importing builds is garbage.
gc.disable()

ROOT = Path(__file__).resolve().parent
# The tests of these folders share trainings and simulations, which one worker makes once (`--dist loadgroup`).
TOGETHER = ("baselines", "deployment", "evaluation", "phantom", "quantization", "studies", "training")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(config, items):
    """What shares costly fixtures runs in one worker: a folder of `TOGETHER`, elsewhere a file."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        place = item.path.relative_to(ROOT)
        item.add_marker(pytest.mark.xdist_group(place.parts[0] if place.parts[0] in TOGETHER else str(place)))


def pytest_make_parametrize_id(config, val, argname):
    """A long value is not written out in a test's name, which pytest keeps in many copies."""
    return f"{argname}-{len(val)}" if isinstance(val, str | bytes) and len(val) > 200 else None


def pytest_collection_finish(session):
    """What importing left behind stays: the garbage collector need not walk through TensorFlow again and again."""
    grouped = all("@" in item.nodeid for item in session.items)
    if getattr(session.config.option, "loadgroup", False) and not grouped:
        raise pytest.UsageError("pytest-xdist does not see the groups, so each worker would make what is shared again")
    if "tensorflow" in sys.modules:
        run_quickly()
    if "keras" in sys.modules:
        build_models_quickly()
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_sessionfinish():
    """The process ends: what is garbage by now need not be looked for."""
    gc.freeze()


@pytest.fixture
def eagerly():
    """See `running_eagerly`."""
    with running_eagerly():
        yield


@pytest.fixture(scope="session")
def fetal_planes_dir() -> Path:
    """A folder in the layout of FETAL_PLANES_DB."""
    return _real_data("FETAL_PLANES_DIR")


@pytest.fixture(scope="session")
def gaze_recordings_dir() -> Path:
    """Real eye-tracker files."""
    return _real_data("GAZE_RECORDINGS_DIR")


@pytest.fixture(scope="session")
def sononet_dir() -> Path:
    """SonoNet16.npz of the authors beside examples/, some of their example screens."""
    return _real_data("SONONET_DIR")


def _real_data(variable: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"real data: {variable} is not set")
    if not Path(folder).is_dir():
        pytest.fail(f"{variable} is {folder}, which is no folder")
    return Path(folder)
