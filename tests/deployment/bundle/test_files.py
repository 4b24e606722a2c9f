"""The files of a bundle, as others read them."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data.dataset import open_dataset
from data.reading import read_split
from deployment.bundle.engines import litert_answers
from evaluation.artefacts import load_artefact
from quantization.tensor_names import tensor_names
from tests.private import found_in, private_words
from tests.training.tiny import CLASSES, FRAME_SIZE

HERE = Path(__file__).resolve().parent
INT8, RGB = "student_int8.tflite", "student_int8_rgb.tflite"


@pytest.fixture(scope="module")
def frames(data):
    """100 test frames, uint8 [100, H, W, 1]."""
    rows = read_split(open_dataset(data), "test").take(100).as_numpy_iterator()
    return np.stack([row["frame"] for row in rows])


@pytest.fixture(scope="module")
def wanted(run, frames):
    """What the run's own file answers: uint8 [100, 3], and all three classes."""
    answers = litert_answers((run / "int8" / INT8).read_bytes(), frames)
    assert set(answers.argmax(1)) == {0, 1, 2}
    return answers


@pytest.fixture(scope="module")
def about(bundle):
    return json.loads((bundle / "bundle.json").read_text())


def test_no_file_names_a_folder_of_this_machine(bundle, run, data):
    """The run's config.yaml does."""
    assert str(data) in (run / "config.yaml").read_text()
    assert found_in(bundle, private_words(bundle.parent, run.parent, data.parent)) == []


@pytest.mark.parametrize("name", [INT8, RGB])
def test_tensor_names_are_unique(bundle, name):
    names = tensor_names(bundle / name)
    assert len(set(names)) == len(names) > 10


def test_thresholds_and_the_rule_for_unlike_frames_are_those_of_the_run(about, run):
    metadata = json.loads((run / "int8" / (INT8 + ".json")).read_text())
    assert metadata["decision"]["target"] == 0.95 and metadata["ood"]["frames"] == 240
    assert (about["decision"], about["ood"]) == (metadata["decision"], metadata["ood"])
    assert about["preparation"]["fit"] == metadata["fit"] and about["preparation"]["fan"] == metadata["fan"]


def test_metadata_changes_no_answer(bundle, frames, wanted):
    np.testing.assert_array_equal(litert_answers((bundle / INT8).read_bytes(), frames), wanted)


def test_rgb_gives_the_answers_of_grey_and_looks_at_one_channel(bundle, frames, wanted):
    content, colour = (bundle / RGB).read_bytes(), frames.repeat(3, axis=-1)
    np.testing.assert_array_equal(litert_answers(content, colour), wanted)
    colour[..., 1:] = 0
    np.testing.assert_array_equal(litert_answers(content, colour), wanted)


@pytest.fixture(scope="module")
def mediapipe(bundle, frames, tmp_path_factory):
    """What MediaPipe reads, in the Python that MEDIAPIPE_PYTHON names: it can't be installed together with TF-MOT."""
    python = os.environ.get("MEDIAPIPE_PYTHON")
    if not python:
        pytest.skip("MEDIAPIPE_PYTHON does not name a Python that has MediaPipe (requirements-mediapipe.txt)")
    path = tmp_path_factory.mktemp("mediapipe") / "frames.npy"
    np.save(path, frames[:20, ..., 0])
    command = [python, str(HERE / "mediapipe_reader.py"), str(bundle), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize(("name", "colour"), [(INT8, 2), (RGB, 1)])
def test_a_public_reader_of_the_published_schema_reads_the_metadata(mediapipe, about, name, colour):
    found = mediapipe["metadata"][name]
    assert "area" in found.pop("input")
    assert found == {
        "name": "shapes_net",
        "version": about["version"],
        "licence": "CC0 1.0",
        "size": list(FRAME_SIZE),
        "colour": colour,  # of the schema: 1 RGB, 2 grey
        "mean": [0.0],
        "std": [255.0],
        "range": [0.0, 255.0],
        "labels": "labels.txt",
    }


def test_mediapipes_image_classifier_gives_the_same_probabilities_and_names(mediapipe, wanted):
    assert len(mediapipe["answers"]) == 20
    for found, bytes_ in zip(mediapipe["answers"], wanted):
        assert found == {name: byte / 256 for name, byte in zip(CLASSES, bytes_.tolist())}


@pytest.mark.parametrize("name", [INT8, RGB])
def test_labels_and_preparation_are_in_the_file(bundle, about, name):
    with zipfile.ZipFile(bundle / name) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().splitlines() == list(CLASSES)
        inside = json.loads(archive.read("student.json"))
    assert inside == {key: value for key, value in about.items() if key not in ("files", "self_test")}


def test_this_project_takes_the_file_as_an_artefact(bundle, run, frames):
    features = {"frame": frames[:5].astype(np.float32) / 255}
    given = load_artefact(bundle / INT8).predict(features)
    np.testing.assert_array_equal(given, load_artefact(run / "int8" / INT8).predict(features))


def test_tensorflow_lite_micro_answers_alike_and_needs_the_whole_arena(bundle, frames, wanted):
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    card = json.loads((bundle / "model_card.json").read_text())
    arena = card["memory_bytes"]["micro_arena"]
    assert f"#define STUDENT_INT8_ARENA_BYTES {arena}\n" in (bundle / "student_int8.h").read_text()
    code = """if True:
        import sys
        import numpy as np
        from tflite_micro import runtime
        content, frames, arena = open(sys.argv[1], "rb").read(), np.load(sys.argv[2]), int(sys.argv[3])
        interpreter = runtime.Interpreter.from_bytes(content, arena_size=arena)
        classes = []
        for frame in frames:
            interpreter.set_input(frame[None], 0)
            interpreter.invoke()
            classes.append(int(interpreter.get_output(0).argmax()))
        print(classes)
        try:
            runtime.Interpreter.from_bytes(content, arena_size=arena - 16)
        except RuntimeError:
            print("too small")
    """
    path = bundle.parent / "frames.npy"
    np.save(path, frames)
    out = subprocess.check_output(
        [sys.executable, "-c", code, str(bundle / INT8), str(path), str(arena)], text=True, stderr=subprocess.DEVNULL
    )
    classes, refused = out.splitlines()
    assert (np.array(json.loads(classes)) == wanted.argmax(1)).mean() >= 0.99
    assert refused == "too small"


def test_onnx_answers_alike(bundle, frames, wanted):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = onnxruntime.InferenceSession(str(bundle / "student_int8.onnx"), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    given = np.concatenate([session.run(None, {entry.name: frame[None]})[0] for frame in frames])
    assert given.dtype == np.uint8
    assert abs(given.astype(int) - wanted).max() <= 1


def test_the_array_is_the_file_and_the_example_compiles(bundle, run, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("there is no g++")
    (tmp_path / "main.cc").write_text(
        '#include <cstdint>\n#include <cstdio>\n#include "student_int8.h"\n'
        "int main() { if ((uintptr_t)student_int8_model % 16) return 1; for (auto* n : student_int8_class_names) "
        'fprintf(stderr, "%s ", n); fwrite(student_int8_model, 1, student_int8_model_size, stdout); return 0; }\n'
    )
    words = ["g++", "-std=c++17", "-Wall", "-Werror", f"-I{bundle}"]
    sources = [str(bundle / "student_int8.cc"), str(tmp_path / "main.cc")]
    subprocess.run([*words, *sources, "-o", str(tmp_path / "main")], check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, check=True)
    assert done.stdout == (run / "int8" / INT8).read_bytes()
    assert done.stderr.decode().split() == list(CLASSES)
    # The headers of tflite-micro are in no package; these declare what the example calls, as they do.
    stand_in = HERE / "tflite_micro_headers"
    subprocess.run([*words, f"-I{stand_in}", "-fsyntax-only", str(bundle / "example_micro.cc")], check=True)
    assert len((bundle / "example_micro.cc").read_text().splitlines()) <= 45


def test_the_reader_needs_numpy_and_litert_alone(bundle, run, frames, wanted, tmp_path):
    """It gives the probabilities that predict.py gives, also where the bytes do not sum to 256."""
    row = int(np.flatnonzero(wanted.astype(int).sum(1) != 256)[0])
    np.save(tmp_path / "frame.npy", frames[row, ..., 0])
    script = bundle / "read_bundle.py"
    assert len(script.read_text().splitlines()) <= 30
    code = f"""if True:
        import runpy, sys
        sys.argv = ["read_bundle.py", {str(bundle)!r}, "frame.npy"]
        runpy.run_path({str(script)!r}, run_name="__main__")
        foreign = {{"tensorflow", "keras", "common", "deployment", "evaluation"}} & set(sys.modules)
        assert not foreign, foreign
    """
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    features = {"frame": frames[row : row + 1].astype(np.float32) / 255}
    given = load_artefact(run / "int8" / INT8).predict(features)[0]
    assert json.loads(done.stdout) == dict(zip(CLASSES, given.tolist()))


def test_the_reader_refuses_a_model_that_answers_otherwise(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    about = json.loads((copy / "bundle.json").read_text())
    about["self_test"][1]["output"] = [byte ^ 255 for byte in about["self_test"][1]["output"]]
    (copy / "bundle.json").write_text(json.dumps(about))
    done = subprocess.run(
        [sys.executable, copy / "read_bundle.py", copy], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1 and "other answers" in done.stderr


def test_checksums_are_those_of_every_file(bundle):
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=bundle, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    named = {line.split("  ")[1] for line in (bundle / "SHA256SUMS").read_text().splitlines()}
    assert named == {path.name for path in bundle.iterdir()} - {"SHA256SUMS"}
