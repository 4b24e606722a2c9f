"""A data set gives back what was written, and one that is not whole is refused."""

import dataclasses
import errno
import json

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from data import dataset
from data.dataset import UNLABELLED, open_dataset
from data.reading import read_split
from tests.data.tiny_dataset import CLASSES, FRAME, records, splits, write


def tamper(path, change):
    file = path / "dataset.json"
    info = json.loads(file.read_text())
    change(info)
    file.write_text(json.dumps(info))


def move_patient(info):
    patients = info["splits"]["val"]["frames_per_patient"]
    patients["a0"] = patients.pop("b0")


def test_every_field_comes_back_exactly_and_in_order(tmp_path):
    written = splits()
    data = write(tmp_path / "d", written)
    for split, rows in written.items():
        read = list(read_split(data, split).as_numpy_iterator())
        assert len(read) == len(rows) == data.frames(split)
        for got, record in zip(read, rows):
            np.testing.assert_array_equal(got["frame"][..., 0], record.frame)
            assert got["frame"].dtype == np.uint8 and got["frame"].shape == (*FRAME, 1)
            np.testing.assert_array_equal(got["gaze_x"], np.float32(record.gaze_x))
            np.testing.assert_array_equal(got["gaze_y"], np.float32(record.gaze_y))
            assert got["label"] == record.label and got["label"].dtype == np.int32
            assert got["recording_id"].decode() == record.recording_id
            assert got["patient_id"].decode() == record.patient_id
            assert got["scanner"].decode() == record.scanner
            assert got["frame_index"] == record.frame_index
            assert got["time_s"] == np.float32(record.time_s)


def test_the_same_records_are_the_same_bytes_in_every_process(tmp_path):
    """Protobuf orders the fields of a map differently in each process unless asked; the checksum is of the bytes."""
    data = write(tmp_path / "d", splits())
    for shard in sorted(data.path.glob("*.tfrecord")):
        for raw in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            assert raw == tf.train.Example.FromString(raw).SerializeToString(deterministic=True)


def test_dataset_json_counts_what_is_there(tmp_path):
    written = splits()
    data = write(tmp_path / "d", written)
    assert data.classes == CLASSES and data.frame_size == FRAME
    for split, rows in written.items():
        info = data.info["splits"][split]
        assert info["frames_per_class"] == {name: sum(r.label == i for r in rows) for i, name in enumerate(CLASSES)}
        assert data.gaze_frames(split) == sum(bool(r.gaze_x) for r in rows)
        assert sum(info["gaze_frames_per_class"].values()) == data.gaze_frames(split)
        assert info["recordings"] == len({r.recording_id for r in rows})
        assert data.patients(split) == len({r.patient_id for r in rows})
        assert sum(info["frames_per_patient"].values()) == len(rows)


def test_names_of_any_script_and_unlabelled_frames(tmp_path):
    rows = records(1)
    rows = [dataclasses.replace(r, recording_id="Zürich 超音波/1", patient_id="é,\n", label=UNLABELLED) for r in rows]
    data = write(tmp_path / "d", {"train": rows}, require_all_classes=False)
    got = next(read_split(data, "train").as_numpy_iterator())
    assert got["recording_id"].decode() == "Zürich 超音波/1" and got["label"] == -1
    assert data.info["splits"]["train"]["frames_per_class"]["unlabelled"] == len(rows)


def test_many_frames_are_spread_over_shards_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "FRAMES_PER_SHARD", 4)
    rows = records(3, 5)
    data = write(tmp_path / "d", {"train": rows})
    assert len(data.shards("train")) == 4
    read = [got["frame"][..., 0] for got in read_split(data, "train").as_numpy_iterator()]
    np.testing.assert_array_equal(read, [record.frame for record in rows])


def test_shards_are_mixed_and_each_frame_keeps_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "FRAMES_PER_SHARD", 4)
    rows = records(4, 5)
    data = write(tmp_path / "d", {"train": rows})
    orders = []
    for epoch in (0, 1):
        order = tf.constant([0, epoch], tf.int64)
        found = list(read_split(data, "train", order=order).as_numpy_iterator())
        for example in found:
            np.testing.assert_array_equal(example["frame"][..., 0], rows[example["index"]].frame)
        orders.append([int(example["index"]) for example in found])
        assert sorted(orders[-1]) == list(range(len(rows)))
        assert len({index // 4 for index in orders[-1][:5]}) > 2  # not one shard after the other
    assert orders[0] != orders[1]


def test_the_checksum_is_of_the_content(tmp_path):
    first = write(tmp_path / "a", splits())
    assert write(tmp_path / "b", splits()).checksum == first.checksum
    assert open_dataset(tmp_path / "a").checksum == first.checksum
    changed = splits()
    changed["train"][0].frame[0, 0] ^= 1
    assert write(tmp_path / "c", changed).checksum != first.checksum


def test_a_patient_in_two_splits_is_refused_when_writing(tmp_path):
    rows = splits()
    rows["test"][0] = dataclasses.replace(rows["test"][0], patient_id=rows["train"][0].patient_id)
    with pytest.raises(InputError, match=r"patient a0 is in split 'train' and in 'test'"):
        write(tmp_path / "d", rows)
    assert list(tmp_path.iterdir()) == []


def test_a_patient_in_two_splits_is_refused_when_opening(tmp_path):
    write(tmp_path / "d", splits())
    tamper(tmp_path / "d", move_patient)
    with pytest.raises(InputError, match=r"dataset\.json: patient a0 is in split 'train' and in 'val'"):
        open_dataset(tmp_path / "d")


def test_a_split_without_a_class_is_refused_unless_allowed(tmp_path):
    rows = splits()
    rows["val"] = [record for record in rows["val"] if record.label != 1]
    with pytest.raises(InputError, match=r"split 'val' has no frame of class femur"):
        write(tmp_path / "d", rows)
    assert write(tmp_path / "d", rows, require_all_classes=False).frames("val") == len(rows["val"])
    rows["val"] = []  # an empty split lacks nothing: it is not there
    assert write(tmp_path / "e", rows).frames("train") == len(rows["train"])


def test_nothing_to_write_says_why(tmp_path):
    def only_refused():
        with dataset.write_dataset(tmp_path / "d", classes=CLASSES, frame_size=FRAME, source={}, seed=None) as writer:
            writer.refuse("frames of one constant value", 7)

    with pytest.raises(InputError, match=r"no frame was left to write .*7 frames of one constant value"):
        only_refused()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(tmp_path):
    for error in (RuntimeError("stop"), KeyboardInterrupt()):
        with (
            pytest.raises(type(error)),
            dataset.write_dataset(tmp_path / "d", classes=CLASSES, frame_size=FRAME, source={}, seed=None) as writer,
        ):
            writer.add("train", records()[0])
            raise error
        assert list(tmp_path.iterdir()) == []


def test_overwriting_is_asked_for_and_keeps_the_old_one_on_failure(tmp_path):
    old = write(tmp_path / "d", splits())
    with pytest.raises(InputError, match=r"exists already.*set overwrite"):
        write(tmp_path / "d", splits())
    bad = splits()
    bad["val"] = bad["val"][:1]
    with pytest.raises(InputError, match="has no frame of class"):
        write(tmp_path / "d", bad, overwrite=True)
    assert open_dataset(tmp_path / "d").checksum == old.checksum
    new = write(tmp_path / "d", splits(gaze=False), overwrite=True)
    assert new.checksum != old.checksum and new.gaze_frames("train") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(self, record):
        raise tf.errors.ResourceExhaustedError(None, None, f"{tmp_path}/x; No space left on device")

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", full)
    with pytest.raises(InputError, match="the disk is full"):
        write(tmp_path / "d", splits())
    assert list(tmp_path.iterdir()) == []

    def full_text(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "dataset.json")

    monkeypatch.undo()
    monkeypatch.setattr(dataset, "write_text", full_text)
    with pytest.raises(InputError, match="the disk is full"):
        write(tmp_path / "d", splits())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_shortened_shard_is_named(tmp_path):
    data = write(tmp_path / "d", splits())
    shard = tmp_path / "d" / "val-00000.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"val-00000\.tfrecord: .*make the data set again"):
        open_dataset(tmp_path / "d")
    shard.unlink()
    with pytest.raises(InputError, match=r"val-00000\.tfrecord: the shard is missing"):
        open_dataset(tmp_path / "d")
    shard.write_bytes(whole)
    assert open_dataset(tmp_path / "d").checksum == data.checksum


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"format": 2}',
        '{"format": 2, "classes": null, "frame_size": [1, 1], "checksum": "", "splits": {}}',
        '{"format": 2, "classes": [], "frame_size": [1, 1], "checksum": "", "splits": []}',
        '{"format": 2, "classes": [], "frame_size": [1, 1], "checksum": "", "splits": {"train": 3}}',
        "\xff\xfe",
    ],
)
def test_a_corrupt_dataset_json_is_named(tmp_path, text):
    write(tmp_path / "d", splits())
    (tmp_path / "d" / "dataset.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"dataset\.json: can't be read .*make the data set again"):
        open_dataset(tmp_path / "d")


def test_another_format_and_no_data_set_at_all(tmp_path):
    write(tmp_path / "d", splits())
    tamper(tmp_path / "d", lambda info: info.update(format=1))
    with pytest.raises(InputError, match="format 1, expected 2"):
        open_dataset(tmp_path / "d")
    for nothing in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match=r"is not a data set .*prepare\.py"):
            open_dataset(nothing)


def test_an_empty_or_unknown_split_is_refused_with_the_ones_there_are(tmp_path):
    data = write(tmp_path / "d", {"train": splits()["train"]})
    for name in ("test", "dev"):
        with pytest.raises(InputError, match=f"no frames in split '{name}'; it has train"):
            data.frames(name)
    with pytest.raises(InputError, match=r"recording ar0: split 'dev' is none of train, val, test"):
        write(tmp_path / "e", {"dev": splits()["train"]})


@pytest.mark.parametrize(
    "change",
    [
        {"frame": np.zeros((16, 23), np.uint8)},
        {"frame": np.zeros((16, 24), np.float32)},
        {"gaze_x": [0.5], "gaze_y": []},
        {"label": 3},
        {"label": -2},
    ],
    ids=["size", "dtype", "gaze lengths", "label too high", "label too low"],
)
def test_a_record_that_can_not_be_is_refused(tmp_path, change):
    wrong = dataclasses.replace(records()[0], **change)
    with pytest.raises(ValueError, match=r"frame is|gaze x for|label is"):
        write(tmp_path / "d", {"train": [wrong]}, require_all_classes=False)
    assert list(tmp_path.iterdir()) == []


def test_what_was_refused_and_noted_is_stored(tmp_path):
    with dataset.write_dataset(
        tmp_path / "d", classes=CLASSES, frame_size=FRAME, source={"kind": "k"}, seed=5
    ) as writer:
        for record in records():
            writer.add("train", record)
        writer.refuse("outside every label", 2)
        writer.refuse("outside every label")
        writer.note("off-image gaze samples", 11)
    info = open_dataset(tmp_path / "d").info
    assert info["refused"] == {"outside every label": 3}
    assert info["notes"] == {"off-image gaze samples": 11}
    assert info["source"] == {"kind": "k"} and info["split_seed"] == 5
    assert info["frame_size"] == list(FRAME)
