"""Artefacts from anywhere: a damaged one is found, and a hostile one is refused before it does anything."""

import json
import resource
import shutil
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from evaluation.artefacts import load_artefact, metadata_path, write_metadata
from evaluation.artefacts.graph import forbidden_operations
from models import keras_file
from tests.evaluation.small import CLASSES, SIZE, artefact_paths, describe


@pytest.fixture
def keras_copy(run_folder, tmp_path):
    """A function that rewrites the archive of a student by `change(members, archive)` and describes it again."""

    def build(change):
        path = tmp_path / "student.keras"
        with zipfile.ZipFile(run_folder / "student" / "student.keras") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            change(members, archive)
            for name, content in members.items():
                archive.writestr(name, content)
        write_metadata(path, describe())
        return path

    return build


@pytest.mark.parametrize("number", range(5))
def test_a_flipped_bit_is_found_in_every_kind(run_folder, tmp_path, number):
    source = artefact_paths(run_folder)[number]
    path = tmp_path / source.name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, path)
    shutil.copy(metadata_path(source), metadata_path(path))
    load_artefact(path)
    # Somewhere in the weights, where no library looks.
    file = max((f for f in path.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size) if path.is_dir() else path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"{path.name}: its SHA-256 is"):
        load_artefact(path)


def test_an_unchanged_copy_loads(keras_copy):
    assert load_artefact(keras_copy(lambda members, archive: None)).model is not None


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt", "..\\outside.txt", "C:\\x"])
def test_a_member_that_leads_out_is_refused(keras_copy, name, tmp_path):
    def add(members, archive):
        archive.writestr(zipfile.ZipInfo(name), b"hello")

    with pytest.raises(InputError, match="leads out"):
        load_artefact(keras_copy(add))
    assert not (tmp_path.parent / "outside.txt").exists()


def test_a_link_is_refused(keras_copy):
    def add(members, archive):
        link = zipfile.ZipInfo("assets/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, b"/etc/passwd")

    with pytest.raises(InputError, match="leads out"):
        load_artefact(keras_copy(add))


def test_a_bomb_is_refused_before_it_is_unpacked(keras_copy, monkeypatch):
    def swell(members, archive):
        members.pop("model.weights.h5")
        archive.writestr("model.weights.h5", bytes(20 << 20), compress_type=zipfile.ZIP_DEFLATED)

    path = keras_copy(swell)
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(InputError, match=r"'model.weights.h5' grows from [\d,]+ to 20,971,520 bytes"):
        load_artefact(path)


def test_size_and_number_of_members_are_bounded(keras_copy, monkeypatch):
    monkeypatch.setattr(keras_file, "MOST_UNPACKED_BYTES", 1000)
    with pytest.raises(InputError, match=r"unpacks to [\d,]+ bytes, at most 1,000"):
        load_artefact(keras_copy(lambda members, archive: None))

    def many(members, archive):
        for number in range(keras_file.MOST_MEMBERS):
            archive.writestr(f"assets/{number}", b"")

    with pytest.raises(InputError, match="has 1003 members"):
        load_artefact(keras_copy(many))


def with_layer(entry):
    """Puts a layer's configuration in the place of the student's first hidden layer."""

    def change(members, archive):
        config = json.loads(members["config.json"])
        config["config"]["layers"][1] |= entry
        members["config.json"] = json.dumps(config).encode()

    return change


@pytest.mark.parametrize(
    "entry",
    [
        {"module": "os", "class_name": "system"},
        {"module": "subprocess", "class_name": "Popen"},
        {"module": "builtins", "class_name": "eval"},
        {"class_name": "Nothing"},
        {"config": None},
        {"inbound_nodes": [[["x"]]]},
    ],
)
def test_foreign_classes_and_broken_configurations_are_one_line(keras_copy, entry):
    with pytest.raises(InputError, match=r"student\.keras: can't be loaded") as raised:
        load_artefact(keras_copy(with_layer(entry)))
    assert len(str(raised.value).splitlines()) == 1


def test_a_lambda_does_not_run(tmp_path):
    ran = str(tmp_path / "ran")
    frame = keras.Input((*SIZE, 1), name="frame")
    x = keras.layers.Lambda(lambda x: (open(ran, "w").close(), x)[1], output_shape=(*SIZE, 1))(frame)
    x = keras.layers.Dense(len(CLASSES))(keras.layers.Flatten()(x))
    path = tmp_path / "student.keras"
    keras.Model(frame, x).save(path)
    write_metadata(path, describe())
    Path(ran).unlink(missing_ok=True)
    with pytest.raises(InputError, match="can't be loaded"):
        load_artefact(path)
    assert not Path(ran).exists()


def test_layers_that_the_weights_can_not_fill_are_refused_before_they_take_memory(keras_copy):
    def widen(members, archive):
        config = json.loads(members["config.json"])
        config["config"]["layers"][1]["config"]["filters"] = 200_000_000
        members["config.json"] = json.dumps(config).encode()

    path, limit = keras_copy(widen), resource.getrlimit(resource.RLIMIT_AS)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"student\.keras: can't be loaded"):
        load_artefact(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 1 << 20
    assert resource.getrlimit(resource.RLIMIT_AS) == limit


def test_a_link_to_another_file_is_one_line_without_a_librarys_warnings(keras_copy, tmp_path, recwarn):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros((3, 3, 1, 8), np.float32)

    def link(members, archive):
        path = tmp_path / "weights.h5"
        path.write_bytes(members["model.weights.h5"])
        with h5py.File(path, "a") as file:
            names: list[str] = []
            file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            del file[names[0]]
            file[names[0]] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
        members["model.weights.h5"] = path.read_bytes()

    with pytest.raises(InputError, match=r"student\.keras: can't be loaded"):
        load_artefact(keras_copy(link))
    assert not recwarn.list


def test_nesting_and_a_foreign_archive_are_one_line(keras_copy, tmp_path):
    def nest(members, archive):
        members["config.json"] = b'{"config": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    with pytest.raises(InputError, match="can't be loaded"):
        load_artefact(keras_copy(nest))
    path = tmp_path / "student.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    write_metadata(path, describe())
    with pytest.raises(InputError, match="can't be loaded"):
        load_artefact(path)


def save_serving(path, act):
    """A SavedModel whose `serve` keeps the contract and does `act()` next to it."""

    class Serving(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, *SIZE, 1], tf.float32)])
        def serve(self, frame):
            with tf.control_dependencies([act()]):
                return {"probabilities": tf.tile(tf.constant([[0.2, 0.3, 0.5]]), [tf.shape(frame)[0], 1])}

    tf.saved_model.save(Serving(), str(path))
    write_metadata(path, describe(output="probabilities"))
    return path


def python_call():
    return tf.py_function(lambda: 1, [], tf.int32)


def read_in_a_branch(file):
    return tf.cond(tf.random.uniform([]) < 2, lambda: tf.io.read_file(file), lambda: tf.constant(""))


def count_lines(file):
    return tf.data.TextLineDataset([file]).reduce(np.int64(0), lambda n, _: n + 1)


def restore(file):
    return tf.raw_ops.RestoreV2(prefix=file, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32])[0]


ACTS = {
    "WriteFile": lambda file: tf.io.write_file(file, "x"),
    "ReadFile": read_in_a_branch,
    "MatchingFiles": lambda file: tf.io.matching_files(file),
    "EagerPyFunc": lambda file: python_call(),
    "TextLineDataset": count_lines,
    "RestoreV2": restore,
    "SaveV2": lambda file: tf.raw_ops.SaveV2(prefix=file, tensor_names=["x"], shape_and_slices=[""], tensors=[[1.0]]),
    "PrintV2": lambda file: tf.print("x", output_stream=f"file://{file}"),
}


@pytest.mark.parametrize("operation", ACTS)
def test_a_graph_that_reaches_out_is_refused_before_it_is_loaded(tmp_path, monkeypatch, operation):
    file = str(tmp_path / "touched")
    path = save_serving(tmp_path / "saved_model", lambda: ACTS[operation](file))
    shutil.rmtree(file, ignore_errors=True)
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("loaded"))
    with pytest.raises(InputError, match=rf"saved_model: its graph holds .*{operation}.*trust=True") as refused:
        load_artefact(path)
    assert refused.value.parameter == "trust", "evaluate.py and predict.py name --trust"
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("touched")] == []


def test_trust_loads_it_and_it_does_what_it_does(tmp_path):
    path = save_serving(tmp_path / "saved_model", lambda: tf.io.write_file(str(tmp_path / "touched"), "x"))
    artefact = load_artefact(path, trust=True)
    frame = np.zeros((2, *SIZE, 1), np.float32)
    np.testing.assert_allclose(artefact.predict({"frame": frame}), [[0.2, 0.3, 0.5]] * 2, atol=1e-6)
    assert (tmp_path / "touched").read_text() == "x"


def test_a_table_that_is_filled_from_a_file_is_refused(tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\n")
    words = tf.lookup.TextFileInitializer(
        str(tmp_path / "words.txt"),
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    table = tf.lookup.StaticVocabularyTable(words, 1)
    module = tf.Module()
    module.table = table
    module.serve = tf.function(lambda word: table.lookup(word), input_signature=[tf.TensorSpec([], tf.string)])
    tf.saved_model.save(module, str(tmp_path / "saved_model"))
    assert "InitializeTableFromTextFileV2" in forbidden_operations(tmp_path / "saved_model")


def test_an_ordinary_network_is_not_refused(tmp_path):
    """Layers of every family, random ones and a recurrent one too: nothing in them reaches out."""
    frame = keras.Input((32, 32, 1), name="frame")
    x = keras.layers.RandomFlip()(frame)
    x = keras.layers.SeparableConv2D(4, 3, activation="relu6")(keras.layers.ZeroPadding2D()(x))
    x = keras.layers.DepthwiseConv2D(3)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Concatenate()([keras.layers.MaxPooling2D()(x), keras.layers.AveragePooling2D(2)(x)])
    x = keras.layers.Resizing(8, 8)(keras.layers.Dropout(0.5)(keras.layers.LayerNormalization()(x)))
    x = keras.layers.LSTM(4)(keras.layers.Reshape((8, -1))(x))
    keras.Model(frame, keras.layers.Softmax()(x)).export(tmp_path / "saved_model", verbose=False)
    assert forbidden_operations(tmp_path / "saved_model") == []


def test_the_student_is_found_clean(run_folder):
    assert forbidden_operations(run_folder / "student" / "saved_model") == []
