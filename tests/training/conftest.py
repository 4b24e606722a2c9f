"""The tiny models by name, the tiny data set, and one whole run that many tests look at."""

import pytest

from tests.eager import export_with_graphs, running_eagerly
from tests.training import tiny
from training import train


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch):
    """The tiny models are known by name."""
    tiny.register(monkeypatch)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """The folder of the tiny data set."""
    return tiny.write_shapes(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="session")
def whole_run(shapes, tmp_path_factory):
    """Configuration of a run of all three stages and the evaluation, which is there; read only."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny.register(monkeypatch)
        timed = {"median": 1.0, "p95": 1.0}
        monkeypatch.setattr("evaluation.report.measure_latency", lambda paths, **_: [timed] * len(paths))
        config = tiny.config(shapes, tmp_path_factory.mktemp("whole") / "run", evaluate=True)
        export_with_graphs(monkeypatch)
        with running_eagerly():
            train(config)
    return config


@pytest.fixture
def run(tmp_path):
    """A run folder that does not exist yet."""
    return tmp_path / "run"


@pytest.fixture
def quick_exports(monkeypatch, eagerly):
    """For tests of a few steps that do not look at what a student is exported as: no graphs are built."""
    monkeypatch.setattr("quantization.saved_model.export_saved_model", lambda model, path, *_: path.mkdir())
    monkeypatch.setattr("quantization.tflite.export_float_tflite", lambda model, path, *_: path.touch())
