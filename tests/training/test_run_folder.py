"""A run folder belongs to one process at a time, holds nothing of the machine, and a bad record is named."""

import dataclasses
import json
import os
import shutil

import pytest
import tensorflow as tf

import data.dataset
from common.errors import InputError
from common.files import whole_file
from common.locks import exclusive
from evaluation.artefacts import read_metadata
from tests.data.described import describe_again
from tests.private import found_in, private_words
from tests.training import tiny
from training import train

ALONE = {"stages": ["student"], "teacher": "none", "gaze": "none", "distil": {"epochs": 1, "batch_size": 24}}


def test_the_second_run_in_a_folder_is_refused(shapes, run):
    with exclusive(run), pytest.raises(InputError, match=r"run: process \d+, since .* writes there"):
        train(tiny.config(shapes, run, **ALONE))
    assert not run.exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_somebodys_own_files_stay(shapes, run, overwrite):
    """A folder that is called like a stage and that no run wrote."""
    (run / "student").mkdir(parents=True)
    (run / "student" / "patients.csv").write_text("mine\n")
    with pytest.raises(InputError, match=r"student: holds patients\.csv and no student of a run: name another"):
        train(tiny.config(shapes, run, **ALONE), overwrite=overwrite)
    assert (run / "student" / "patients.csv").read_text() == "mine\n" and not (run / "config.yaml").exists()


@pytest.mark.parametrize("text", ["patients: 12\n", "stages: [a\n", ""])
def test_somebodys_own_settings_stay(shapes, run, text):
    """A config.yaml of another program beside no stage."""
    run.mkdir()
    (run / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=r"config\.yaml: was not written by a run and would be replaced: name another"):
        train(tiny.config(shapes, run, **ALONE), overwrite=True)
    assert (run / "config.yaml").read_text() == text


def test_what_a_killed_run_left_is_removed(whole_run, tmp_path, capsys):
    folder = shutil.copytree(whole_run.run, tmp_path / "run")
    with whole_file(folder / "some.csv") as mine:
        mine.write_text("half")
    left = mine.name.replace(str(os.getpid()), "4194305").replace("some", "history")  # above the highest process id
    (folder / "some.csv").replace(folder / left)
    (folder / ".int8.a1b2c3.part").mkdir()
    # Killed after the stage was on disk, and before its checkpoint was gone.
    found = read_metadata(folder / "student" / "student.keras").extra["fingerprint"]
    (folder / "checkpoints" / f"student-{found}.npz").write_bytes(b"x")
    (folder / "checkpoints" / "student-0123456789abcdef.npz").write_bytes(b"of another run that was interrupted")
    train(dataclasses.replace(whole_run, run=folder, evaluate=False))
    assert not [path for path in folder.rglob(".*") if ".part" in path.name]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["student-0123456789abcdef.npz"]
    said = capsys.readouterr().err
    assert f"student-{found}.npz: left by an interrupted command, removed" in said
    assert f"{left}: left" in said and ".int8.a1b2c3.part: left" in said


def test_a_run_says_nothing_of_its_machine(whole_run):
    """Its paths are absolute ones of another folder than the working directory."""
    words = private_words(whole_run.run.parent, whole_run.data.parent)
    assert len(words) >= 2 and found_in(whole_run.run, words) == []
    report = json.loads((whole_run.run / "metrics.json").read_text())
    assert report["artefacts"][0]["path"] == "…/teacher/teacher.keras"
    assert "data: …/shapes\n" in (whole_run.run / "config.yaml").read_text()


@pytest.fixture
def bad_record(shapes, tmp_path, monkeypatch):
    """A data set with a frame that is no PNG, too large to be verified unasked."""
    folder = shutil.copytree(shapes, tmp_path / "shapes")
    info = json.loads((folder / "dataset.json").read_text())
    shard = folder / info["splits"]["train"]["shards"][0]
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(shard))]
    records[5] = records[5].replace(b"IHDR", b"ihdr")
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records:
            writer.write(record)
    describe_again(folder, info)
    monkeypatch.setattr(data.dataset, "SMALL_BYTES", 0)
    return folder


@pytest.mark.parametrize("verify", [False, True])
def test_a_bad_record_of_a_large_data_set_is_named(bad_record, run, verify, quick_exports):
    with pytest.raises(InputError, match=r"train-00000\.tfrecord: record 5: frame is no whole PNG"):
        train(tiny.config(bad_record, run, **ALONE), verify=verify)
    assert run.exists() != verify, "verified before anything is written, or found by the training"
