"""Metadata survives a round trip, and whatever is wrong in it is one line that names the file and the field."""

import dataclasses
import json
from pathlib import Path

import pytest

from common.errors import InputError
from evaluation.artefacts import (
    Metadata,
    Teacher,
    artefact_sha256,
    metadata_path,
    read_metadata,
    verify,
    write_metadata,
)

COMMITTED = Path(__file__).resolve().parents[1]


def example(**changes) -> Metadata:
    fields = {
        "name": "teacher",
        "classes": ("head", "abdomen"),
        "frame_size": (16, 24),
        "output": "logits",
        "stage": "teacher",
        "inputs": ("frame", "gaze"),
        "gaze_map_size": (2, 3),
        "params": 12,
        "macs": 34,
        "version": "1.0",
        "dataset_checksum": "abc",
        "teacher": Teacher("vgg16", 56),
        "extra": {"note": "é", "deep": {"er": [1, 2.5, None]}},
    }
    return Metadata(**{**fields, **changes})


@pytest.fixture
def written(tmp_path):
    """(artefact, its metadata file, the fields in it)."""
    (tmp_path / "m.keras").write_bytes(b"the model")
    path = write_metadata(tmp_path / "m.keras", example())
    return tmp_path / "m.keras", path, json.loads(path.read_text())


@pytest.mark.parametrize("name", ["student.keras", "student.tflite", "saved_model"])
def test_round_trip_beside_the_artefact(tmp_path, name):
    if name == "saved_model":
        (tmp_path / name / "variables").mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").write_bytes(b"graph")
        (tmp_path / name / "variables" / "data").write_bytes(b"weights")
    else:
        (tmp_path / name).write_bytes(b"the model")
    path = write_metadata(tmp_path / name, example())
    assert path == tmp_path / (name + ".json") == metadata_path(tmp_path / name)
    found = read_metadata(f"{tmp_path}/{name}{'/' if name == 'saved_model' else ''}")
    assert found == example()
    verify(tmp_path / name, found)


def test_any_flipped_bit_is_found(written):
    artefact, _, _ = written
    metadata = read_metadata(artefact)
    whole = artefact.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        artefact.write_bytes(flipped)
        with pytest.raises(InputError, match=r"m\.keras: its SHA-256 is .*damaged"):
            verify(artefact, metadata)


def test_a_folder_is_known_by_its_names_and_its_bytes(tmp_path):
    def folder(name, **files):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
        return artefact_sha256(tmp_path / name)

    first = folder("first", a="one", b="two")
    assert folder("copy", b="two", a="one") == first
    others = [folder("renamed", a="one", c="two"), folder("moved", a="onet", b="wo"), folder("less", a="one")]
    assert len({first, *others}) == 4


FIELDS = [
    ("output", "scores"),
    ("inputs", ["gaze"]),
    ("inputs", []),
    ("classes", ["head"]),
    ("classes", ["head", "head"]),
    ("classes", "head"),
    ("classes", None),
    ("classes", ["head", 3]),
    ("classes", ["head", ""]),
    ("frame_size", [16]),
    ("frame_size", [16, 24, 1]),
    ("frame_size", [16, -24]),
    ("frame_size", [16, 2.5]),
    ("frame_size", [16, "24"]),
    ("frame_size", [10**9, 10**9]),
    ("gaze_map_size", None),
    ("sigma", 0),
    ("sigma", -0.03),
    ("sigma", 30),
    ("sigma", "0.03"),
    ("sigma", True),
    ("value_range", [1, 0]),
    ("value_range", [-1, 1]),
    ("value_range", [0, 255]),
    ("params", -1),
    ("params", 1.5),
    ("params", True),
    ("params", 10**30),
    ("macs", "many"),
    ("name", ""),
    ("name", "x" * 1000),
    ("stage", 7),
    ("version", None),
    ("teacher", {"name": "vgg16"}),
    ("teacher", {"name": "vgg16", "params": -5}),
    ("extra", []),
    ("sha256", "short"),
    ("surprise", 1),
]


@pytest.mark.parametrize(("field", "value"), FIELDS)
def test_a_wrong_field_is_one_line_that_names_it(written, field, value):
    artefact, path, fields = written
    path.write_text(json.dumps(fields | {field: value}))
    with pytest.raises(InputError, match=rf"m\.keras\.json: [^:]*{field}") as raised:
        read_metadata(artefact)
    assert len(str(raised.value).splitlines()) == 1 and len(str(raised.value)) < 500
    if field != "sha256":
        with pytest.raises((ValueError, TypeError), match=field):
            example(**{field: value})


@pytest.mark.parametrize("field", ["name", "classes", "frame_size", "output", "stage", "fit", "fan", "sha256"])
def test_a_missing_field_is_named(written, field):
    artefact, path, fields = written
    path.write_text(json.dumps({name: value for name, value in fields.items() if name != field}))
    with pytest.raises(InputError, match=rf"m\.keras\.json: .*{field} is missing"):
        read_metadata(artefact)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"sigma": NaN}',
        b'{"sigma": -Infinity}',
        b'{"params": ' + b"9" * 10_000 + b"}",
        b'{"extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": "' + b"x" * 5_000_000 + b'"}',
    ],
    ids=["empty", "open", "list", "null", "bytes", "nan", "infinity", "digits", "deep", "large"],
)
def test_a_corrupt_file_is_one_line(tmp_path, text):
    metadata_path(tmp_path / "m.tflite").write_bytes(text)
    with pytest.raises(InputError, match=r"m\.tflite\.json: can't be read .*again") as raised:
        read_metadata(tmp_path / "m.tflite")
    assert len(str(raised.value).splitlines()) == 1


def test_nothing_that_is_no_json_is_written(tmp_path):
    (tmp_path / "m.keras").write_bytes(b"the model")
    with pytest.raises(ValueError, match="JSON"):
        write_metadata(tmp_path / "m.keras", example(extra={"x": float("nan")}))
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_missing_metadata_names_the_file_and_the_cure(tmp_path):
    with pytest.raises(InputError, match=r"m\.keras: there is no such artefact: check the path"):
        read_metadata(tmp_path / "m.keras")
    (tmp_path / "m.keras").write_bytes(b"the model")
    with pytest.raises(InputError, match=r"m\.keras\.json.*copy this file"):
        read_metadata(tmp_path / "m.keras")


def test_artefacts_of_the_repository_can_still_be_read():
    """Tests that skip where their tools are not installed take these: what they would say is said everywhere."""
    found = sorted(path for path in COMMITTED.rglob("*.tflite.json") if path.with_suffix("").is_file())
    assert found
    for path in found:
        verify(path.with_suffix(""), read_metadata(path.with_suffix("")))


def test_replace_checks_too():
    assert dataclasses.replace(example(), stage="pruned").stage == "pruned"
    with pytest.raises(ValueError, match="params"):
        dataclasses.replace(example(), params=-1)
