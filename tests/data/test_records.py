"""What is wrong in a shard or in dataset.json is found, and named with its file, its field or its record."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import prepare
from common.errors import InputError, run_command
from data import dataset as dataset_module
from data.dataset import open_dataset
from tests.data.tiny_dataset import splits, write

SHARD = "val-00000.tfrecord"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(tmp_path_factory.mktemp("whole") / "d", splits()).path


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "d")


def examples(path):
    return [tf.train.Example.FromString(raw) for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]


def rewrite(folder, records, shard=SHARD):
    """Write a shard again, and make dataset.json agree with its bytes, as a careful forger would."""
    with tf.io.TFRecordWriter(str(folder / shard)) as writer:
        for record in records:
            writer.write(record if isinstance(record, bytes) else record.SerializeToString())
    agree(folder)


def agree(folder, **changes):
    info = json.loads((folder / "dataset.json").read_text())
    info |= changes
    for split in info["splits"].values():
        split["shard_bytes"] = [(folder / name).stat().st_size for name in split["shards"]]
        split["shard_sha256"] = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in split["shards"]]
    info["checksum"] = checksum(info)
    (folder / "dataset.json").write_text(json.dumps(info))


def checksum(info):
    """The data set's, by an implementation of its own: shards, class names, frame size, frame rule."""
    keys = ("shards", "shard_bytes", "shard_sha256")
    splits = [info["splits"][name] for name in ("train", "val", "test")]
    shards = [list(shard) for split in splits for shard in zip(*(split[key] for key in keys), strict=True)]
    rule = [info["fit"], info["pixel_aspect"], info["fan"]]
    said = [shards, info["classes"], info["frame_size"], *rule]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def test_the_checksum_is_of_shards_classes_and_frames(whole):
    info = json.loads((whole / "dataset.json").read_text())
    assert checksum(info) == info["checksum"] == open_dataset(whole).checksum


def change(record, **values):
    for name, value in values.items():
        record.features.feature[name].Clear()
        if value is not None:
            kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}[type(value[0])]
            getattr(record.features.feature[name], kind).value.extend(value)
        else:
            del record.features.feature[name]
    return record


def png(shape, dtype=np.uint8):
    return tf.io.encode_png(np.zeros((*shape, 1), dtype)).numpy()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"label": [99]}, "label is 99, and there are 3 classes"),
        ({"label": [-2]}, "label is -2"),
        ({"label": None}, "label is missing"),
        ({"label": [0.5]}, "label has 1 values of another kind"),
        ({"label": [0, 1]}, "label has 2 values"),
        ({"frame": [b"not a png"]}, "frame is no whole PNG"),
        ({"frame": [b""]}, "frame is no whole PNG"),
        ({"frame": [png((16, 23))]}, "frame has 23x16 pixels of 8 bits"),
        ({"frame": [png((16, 24), np.uint16)]}, "frame has 24x16 pixels of 16 bits"),
        ({"gaze_x": [0.5, 0.5], "gaze_y": [0.5]}, "2 gaze x for 1 gaze y"),
        ({"gaze_x": [float("nan")], "gaze_y": [0.5]}, "gaze_x is no finite number"),
        ({"time_s": [float("inf")]}, "time_s is no finite number"),
        ({"frame_index": [-1]}, "frame_index is -1"),
        ({"patient_id": [b"\xff"]}, "patient_id is no UTF-8 text"),
    ],
)
def test_a_record_that_can_not_be_is_named(copy, values, words):
    records = examples(copy / SHARD)
    change(records[3], **values)
    rewrite(copy, records)
    with pytest.raises(InputError, match=rf"{SHARD}: record 3: {words}"):
        open_dataset(copy)


def test_an_empty_list_of_another_kind_is_named(copy):
    """TensorFlow can't read it as the empty list of numbers that it stands for; a list that is not there, it can."""
    records = examples(copy / SHARD)
    for name in ("gaze_x", "gaze_y"):
        records[3].features.feature[name].Clear()
    rewrite(copy, records)
    open_dataset(copy)
    records[3].features.feature["gaze_x"].bytes_list.SetInParent()
    rewrite(copy, records)
    with pytest.raises(InputError, match=rf"{SHARD}: record 3: gaze_x has 0 values of another kind"):
        open_dataset(copy)


def test_records_of_other_counts_classes_or_patients_are_found(copy):
    records = examples(copy / SHARD)
    rewrite(copy, records[:-1])
    with pytest.raises(InputError, match="the frames per class are not those in"):
        open_dataset(copy)
    rewrite(copy, [change(records[0], patient_id=[b"b1"]), *records[1:]])
    with pytest.raises(InputError, match="the frames per patient are not those in"):
        open_dataset(copy)
    rewrite(copy, [b"\xff" * 40, *records[1:]])
    with pytest.raises(InputError, match="record 0 is damaged"):
        open_dataset(copy)


def test_swapped_shards_are_found(copy):
    (copy / "test-00000.tfrecord").rename(copy / "x")
    (copy / "train-00000.tfrecord").rename(copy / "test-00000.tfrecord")
    (copy / "x").rename(copy / "train-00000.tfrecord")
    with pytest.raises(InputError, match=r"has \d+ bytes, expected|checksum is wrong"):
        open_dataset(copy)
    agree(copy)
    with pytest.raises(InputError, match="are not those in"):
        open_dataset(copy)


def test_a_torn_record_is_named(copy):
    data = (copy / SHARD).read_bytes()
    (copy / SHARD).write_bytes(data[:-20])
    agree(copy)
    with pytest.raises(InputError, match=rf"{SHARD}: record \d+ is torn"):
        open_dataset(copy)


def test_every_flipped_bit_is_found(copy):
    whole, rng = (copy / SHARD).read_bytes(), np.random.default_rng(0)
    for _ in range(25):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        (copy / SHARD).write_bytes(data)
        with pytest.raises(InputError, match=rf"{SHARD}: its checksum is wrong"):
            open_dataset(copy)


def test_large_data_sets_are_verified_when_asked(copy, monkeypatch, capsys):
    data = bytearray((copy / SHARD).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / SHARD).write_bytes(data)
    monkeypatch.setattr(dataset_module, "SMALL_BYTES", 1)
    assert open_dataset(copy).frames("val") == 10
    assert open_dataset(copy, verify=False).frames("val") == 10
    with pytest.raises(InputError, match="checksum is wrong"):
        open_dataset(copy, verify=True)
    assert run_command(prepare.main, ["verify", str(copy)]) == 2
    assert SHARD in capsys.readouterr().err


def test_verify_says_what_is_whole(whole, capsys):
    assert run_command(prepare.main, ["verify", str(whole)]) == 0
    assert "45 frames, every one as it was written" in " ".join(capsys.readouterr().out.split())


def test_a_records_own_checksum_is_verified(copy):
    """TensorFlow would stop there, and not say where."""
    records = examples(copy / SHARD)
    rewrite(copy, records)
    data = bytearray((copy / SHARD).read_bytes())
    data[-1] ^= 1  # in the checksum of the last record
    (copy / SHARD).write_bytes(data)
    agree(copy)
    with pytest.raises(InputError, match=rf"{SHARD}: record {len(records) - 1} is damaged, its checksum is wrong"):
        open_dataset(copy, verify=True)


def test_a_png_that_does_not_decode_is_found_by_verify(copy):
    records = examples(copy / SHARD)
    frame = bytearray(records[2].features.feature["frame"].bytes_list.value[0])
    frame[len(frame) // 2] ^= 255
    rewrite(copy, [*records[:2], change(records[2], frame=[bytes(frame)]), *records[3:]])
    open_dataset(copy)
    with pytest.raises(InputError, match=rf"{SHARD}: record 2: frame can't be decoded"):
        open_dataset(copy, verify=True)


def at(info, place, value):
    *path, last = place
    for key in path:
        info = info[key]
    if value is KeyError:
        del info[last]
    else:
        info[last] = value


WRONG = [
    (("frame_size",), ""),
    (("frame_size",), [16]),
    (("frame_size",), [16.0, 24.0]),
    (("frame_size",), [0, 24]),
    (("source",), "x"),
    (("source",), None),
    (("source",), KeyError),
    (("classes",), "abc"),
    (("classes",), []),
    (("classes",), ["a", "a", "b"]),
    (("split_seed",), "1"),
    (("splits",), {}),
    (("splits", "test"), KeyError),
    (("splits", "test", "frames"), 10**11),
    (("splits", "test", "frames"), [1]),
    (("splits", "test", "frames"), KeyError),
    (("splits", "test", "frames"), True),
    (("splits", "test", "gaze_frames"), KeyError),
    (("splits", "test", "gaze_frames"), -1),
    (("splits", "test", "frames_per_patient"), True),
    (("splits", "test", "frames_per_class"), {"abdomen": 15}),
    (("splits", "test", "shards"), ["train-00000.tfrecord"]),
    (("splits", "test", "shards"), ["../d/test-00000.tfrecord"]),
    (("splits", "test", "shard_sha256"), ["0"]),
    (("splits", "test", "shard_bytes"), []),
    (("checksum",), None),
    (("checksum",), "0" * 64),
    (("notes",), {"a": "b"}),
]


@pytest.mark.parametrize(("place", "value"), WRONG, ids=lambda v: ".".join(v) if isinstance(v, tuple) else str(v)[:20])
def test_a_field_of_another_kind_is_named(copy, place, value):
    info = json.loads((copy / "dataset.json").read_text())
    at(info, place, value)
    (copy / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=r"dataset\.json: .*make the data set again") as caught:
        open_dataset(copy)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": 2, "format": 2}',
        '{"format": NaN}',
        '{"a":' * 50_000,
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
    ids=["deep list", "key twice", "nan", "deep object", "no utf-8"],
)
def test_json_that_is_none(copy, text):
    (copy / "dataset.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=r"dataset\.json: can't be read"):
        open_dataset(copy)
