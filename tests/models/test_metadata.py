"""Metadata survives a round trip, and whatever is wrong in it is one line that names the file."""

import json

import pytest

from common.errors import InputError
from models.metadata import Metadata, metadata_path, read_metadata, write_metadata


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
        "extra": {"note": "é"},
    }
    return Metadata(**{**fields, **changes})


@pytest.mark.parametrize("name", ["student.keras", "student.tflite", "saved_model"])
def test_round_trip_beside_the_artefact(tmp_path, name):
    path = write_metadata(tmp_path / name, example())
    assert path == tmp_path / (name + ".json") == metadata_path(tmp_path / name)
    assert read_metadata(tmp_path / name) == example()


def test_a_trailing_slash_is_the_same_folder(tmp_path):
    write_metadata(tmp_path / "saved_model", example())
    assert read_metadata(f"{tmp_path}/saved_model/") == example()


@pytest.mark.parametrize(
    "changes",
    [
        {"output": "scores"},
        {"inputs": ("gaze",)},
        {"classes": ("head",)},
        {"classes": ("head", "head")},
        {"frame_size": (16,)},
        {"gaze_map_size": None},
        {"classes": "head"},
    ],
)
def test_a_wrong_field_is_refused_when_made_and_when_read(tmp_path, changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        example(**changes)
    path = write_metadata(tmp_path / "m.keras", example())
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(InputError, match=r"m\.keras\.json"):
        read_metadata(tmp_path / "m.keras")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"surprise": 1}', '{"frame_size": 3}'])
def test_a_corrupt_file_is_one_line(tmp_path, text):
    metadata_path(tmp_path / "m.tflite").write_text(text)
    with pytest.raises(InputError, match=r"m\.tflite\.json.*anew"):
        read_metadata(tmp_path / "m.tflite")


def test_missing_metadata_names_the_file_and_the_cure(tmp_path):
    with pytest.raises(InputError, match=r"m\.keras\.json.*copy this file"):
        read_metadata(tmp_path / "m.keras")
