"""Peak memory of an inference: weights and feature maps are in it, what the process takes anyway is not."""

import common.quiet  # noqa: F401  isort: skip

import os

import keras
import pytest

from evaluation.memory import measure_memory
from tests.evaluation.small import save_tflite

SIDE, CHANNELS = 256, 32
MAP_BYTES = 4 * SIDE * SIDE * CHANNELS


def write(path, layers, shape):
    """A float model as a .tflite file."""
    return save_tflite(path, keras.Sequential([keras.Input(shape), *layers]))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    dense, conv = keras.layers.Dense, keras.layers.Conv2D
    return {
        "small": write(folder / "small.tflite", [dense(4)], (8,)),
        "weights": write(folder / "weights.tflite", [dense(4096), dense(4)], (1024,)),
        "maps": write(
            folder / "maps.tflite",
            [conv(CHANNELS, 3, padding="same"), conv(1, 1), keras.layers.GlobalAveragePooling2D()],
            (SIDE, SIDE, 1),
        ),
    }


def test_weights_and_feature_maps_count_and_python_does_not(files, tmp_path):
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system does not say what a process takes")
    small, weights, maps, other = measure_memory([*files.values(), tmp_path / "model.keras"])
    size = files["weights"].stat().st_size
    assert small < 10e6, "importing NumPy alone takes more"
    # LiteRT packs the weights, so that they may lie there twice: as read, and as packed.
    assert 0.9 * size < weights - small < 2.5 * size
    # The input and the largest feature map are there at once.
    assert files["maps"].stat().st_size < 20_000 and MAP_BYTES < maps - small < 2 * MAP_BYTES
    assert other is None


def test_a_failed_measurement_says_why(tmp_path):
    (tmp_path / "torn.tflite").write_bytes(b"no model")
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system does not say what a process takes")
    with pytest.raises(RuntimeError, match="measuring memory failed with code 1: ValueError"):
        measure_memory([tmp_path / "torn.tflite"])


def test_it_is_not_known_where_the_system_does_not_say(files, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert measure_memory([files["small"]]) == [None]
