"""Shards and JSON files from elsewhere: refused in one line, or all that reads them works."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from data.dataset import open_dataset
from data.pipeline import PipelineSettings, evaluation_batches, training_batches
from data.splits import SPLITS
from evaluation.artefacts import load_artefact, metadata_path, write_metadata
from evaluation.artefacts.load import blank_features
from evaluation.predictions import split_rows
from tests.data.described import describe_again
from tests.data.tiny_dataset import records, write
from tests.evaluation.small import describe, make_student, save_keras, save_tflite
from tests.fuzz.drive import accepted, fuzz
from tests.fuzz.strategies import changed, damaged


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set of a few frames in each split."""
    folder = tmp_path_factory.mktemp("set")
    splits = {split: records(2, 3, seed=number, prefix=split) for number, split in enumerate(SPLITS)}
    return write(folder / "data", splits)


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(whole.path, tmp_path / "copy")


def use(path, split):
    """Read a split in every way that there is."""
    data = open_dataset(path, verify=True)
    split_rows(data, split)
    for batches in (
        training_batches(data, split, PipelineSettings(batch_size=2, class_weights=True)).take(2),
        evaluation_batches(data, split, batch_size=2),
    ):
        for features, _, weight in batches.as_numpy_iterator():
            assert np.isfinite(features["gaze"]).all() and np.isfinite(weight).all()
    return data


def test_a_damaged_shard_is_always_found(whole, copy):
    shard = copy / whole.info["splits"]["train"]["shards"][0]
    data = shard.read_bytes()

    def check(wrong):
        shard.write_bytes(wrong)
        assert accepted(lambda: open_dataset(copy)) is None or wrong == data

    fuzz(check, examples=24, wrong=damaged(data))


def test_a_record_that_somebody_changed(whole, copy):
    shard = copy / whole.info["splits"]["train"]["shards"][0]
    originals = [record.numpy() for record in tf.data.TFRecordDataset(str(shard))]
    kinds = ("bytes_list", "float_list", "int64_list")

    @st.composite
    def examples(draw):
        example = tf.train.Example.FromString(originals[0])
        features = example.features.feature
        for _ in range(draw(st.integers(1, 2))):
            name = draw(st.sampled_from(sorted(features) or ["x"]))
            del features[name]
            kind = draw(st.sampled_from([*kinds, None]))
            numbers = st.sampled_from([0.0, 0.5, -1.0, 2.0, 1e30, float("nan"), float("inf")])
            values = {
                "bytes_list": st.one_of(st.binary(max_size=40), damaged(originals[0][:200])),
                "float_list": numbers,
                "int64_list": st.sampled_from([-2, -1, 0, 1, 2, 3, 99, 2**40, -(2**63)]),
            }
            if kind is not None:
                getattr(features[name], kind).value.extend(draw(st.lists(values[kind], max_size=3)))
        serialised = example.SerializeToString()
        return serialised if draw(st.integers(0, 4)) else draw(damaged(serialised))

    def check(record):
        with tf.io.TFRecordWriter(str(shard)) as writer:
            for each in (record, *originals[1:]):
                writer.write(each)
        describe_again(copy, json.loads((whole.path / "dataset.json").read_text()))
        accepted(lambda: use(copy, "train"))

    fuzz(check, examples=18, record=examples())


@pytest.mark.parametrize("consistent", [False, True], ids=["as it is", "with its checksum"])
def test_dataset_json(whole, copy, consistent):
    stored = json.loads((whole.path / "dataset.json").read_text())

    def check(info):
        if consistent:
            try:
                describe_again(copy, info)
            except (TypeError, KeyError, AttributeError, OSError, ValueError):
                return  # no checksum can be computed of this
        else:
            (copy / "dataset.json").write_text(json.dumps(info))
        data = accepted(lambda: open_dataset(copy))
        if data is not None:
            assert accepted(lambda: use(copy, "train")) is not None

    fuzz(check, examples=8 if consistent else 10, info=changed(stored))


def test_dataset_json_as_text(whole, copy):
    def check(data):
        (copy / "dataset.json").write_bytes(data)
        accepted(lambda: open_dataset(copy))

    fuzz(check, examples=36, data=damaged((whole.path / "dataset.json").read_bytes()))


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory):
    """A student as a Keras file and as a .tflite file."""
    folder = tmp_path_factory.mktemp("artefacts")
    student = make_student()
    return [
        save_keras(folder / "student.keras", student),
        save_tflite(folder / "student.tflite", student, softmax=True),
    ]


def test_metadata(artefacts):
    path = artefacts[1]
    file = metadata_path(path)
    stored = json.loads(file.read_text())

    def check(fields):
        file.write_text(json.dumps(fields))
        artefact = accepted(lambda: load_artefact(path))
        if artefact is not None:
            probabilities = artefact.predict(blank_features(artefact.metadata))
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)

    fuzz(check, examples=36, fields=changed(stored))


def test_a_damaged_keras_file_that_is_described_again(artefacts, place):
    def check(data):
        path = place("student.keras", data)
        write_metadata(path, describe())
        accepted(lambda: load_artefact(path))

    fuzz(check, examples=6, data=damaged(artefacts[0].read_bytes()))
