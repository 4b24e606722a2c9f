"""Every student family: quantized by TF-MOT, converted, and read alike by LiteRT, OpenVINO and ONNX Runtime."""

import collections
import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from quantization.legacy import tf_keras
from quantization.tensor_names import tensor_names, unique
from tests.quantization import blobs, engines, families
from tests.quantization.interpret import probabilities, run_tflite

NEEDED = {"openvino": ("openvino",), "onnxruntime": ("tf2onnx", "onnx", "onnxruntime")}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    return {name: families.export(name, folder) for name in families.NAMES}


@pytest.fixture(scope="module")
def images():
    return blobs.frames(100, seed=12)[0]


@pytest.mark.parametrize("name", families.NAMES)
def test_the_copy_in_legacy_keras_gives_the_students_logits_and_tfmot_takes_it(exported, images, name):
    family, frames = exported[name], images[:8] / np.float32(255)
    logits = family.student(frames, training=False).numpy()
    # Logits that are all alike would agree whatever the weights are.
    assert logits.std(axis=0).min() > 1e-2
    np.testing.assert_allclose(family.copy(frames, training=False).numpy(), logits, atol=3e-5 * abs(logits).max())
    assert [layer.name for layer in family.copy.layers] == [layer.name for layer in family.student.layers]
    assert isinstance(family.copy, tf_keras().Model)
    assert family.refused == []


@pytest.mark.parametrize("name", families.NAMES)
def test_every_tensor_has_a_name_of_its_own(exported, name):
    for kind, path in exported[name].files.items():
        names = collections.Counter(tensor_names(path))
        assert len(names) > 20
        assert [each for each, count in names.items() if count > 1] == [], kind


@pytest.mark.parametrize("name", families.WHOLE)
def test_every_tensor_of_a_family_with_all_of_its_layers_has_a_name_of_its_own(name, tmp_path):
    families.export_whole(name, tmp_path / "float.tflite")
    names = collections.Counter(tensor_names(tmp_path / "float.tflite"))
    assert len(names) > 20 and max(names.values()) == 1


def test_repeated_names_are_numbered_and_meet_no_other():
    assert unique(["a", "a", "a_1", "b", "a"]) == ["a", "a_2", "a_1", "b", "a_3"]


@pytest.mark.parametrize("name", ["squeezenet_1_1", "mobilenet_v1"])
def test_students_below_150_000_parameters_are_small_files(exported, name):
    assert exported[name].student.count_params() < 150_000
    assert exported[name].files["int8"].stat().st_size < 220_000


def test_inverted_residuals_in_int8_agree_with_the_fake_quantized_student(exported):
    """Linear bottlenecks and residuals too: the file computes what fake quantization does, up to ties in rounding."""
    family = exported["mobilenet_v2"]
    assert sum(isinstance(layer, keras.layers.Add) for layer in family.student.layers) == 2
    images, labels = blobs.frames(200, seed=11)
    given, wanted = run_tflite(family.files["int8"], images), probabilities(family.quantized, images)
    assert (wanted.argmax(-1) == labels).mean() > 0.95
    assert (given.argmax(-1) == wanted.argmax(-1)).mean() >= 0.99


@pytest.mark.parametrize("engine", NEEDED)
def test_other_engines_give_the_answers_of_litert(exported, images, engine, tmp_path):
    missing = [package for package in NEEDED[engine] if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (requirements-dev.txt)")
    files = [path for family in exported.values() for path in family.files.values()]
    np.save(tmp_path / "frames.npy", images)
    request = {"engine": engine, "frames": str(tmp_path / "frames.npy"), "files": [str(path) for path in files]}
    if engine == "onnxruntime":
        engines.main(request)  # tf2onnx would only import the TensorFlow again that is here
    else:
        answer_elsewhere(request, tmp_path)
    agreement = {}
    for path in files:
        wanted, given = run_tflite(path, images), np.load(f"{path}.{engine}.npy")
        assert given.dtype == wanted.dtype and given.shape == wanted.shape
        # One class for all frames is what an engine answers that confuses tensors.
        assert len(np.unique(wanted.argmax(-1))) > 1, path.name
        agreement[path.name] = float((given.argmax(-1) == wanted.argmax(-1)).mean())
        if wanted.dtype == np.float32:
            np.testing.assert_allclose(given, wanted, atol=1e-4, err_msg=path.name)
    assert min(agreement.values()) >= 0.94, agreement


def answer_elsewhere(request, folder):
    """Ask an engine in a process of its own, as not every native library works in one with TensorFlow."""
    (folder / "request.json").write_text(json.dumps(request))
    done = subprocess.run(
        [sys.executable, engines.__file__, str(folder / "request.json")],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
