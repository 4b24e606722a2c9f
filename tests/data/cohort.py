"""Manifests of short clips, and what becomes of them."""

import hashlib

import pytest

from common.errors import InputError
from data.reading import read_split
from data.sources import RecordingsConfig, prepare_recordings
from tests.data.clips import (
    HEIGHT,
    WIDTH,
    numbered_video,
    write_csv,
)

SIZE = (HEIGHT, WIDTH)

PLANES = ("abdomen", "femur", "head", "background")


def cohort(folder, patients=6, planes=("head", "abdomen"), count=8):
    """A manifest of one short clip per patient and plane, labelled as a whole, no gaze."""
    rows = []
    for patient in range(patients):
        for plane in planes:
            name = f"p{patient}_{plane}"
            numbered_video(folder / f"{name}.mkv", count, shift=shift_of(name))
            rows.append(
                {
                    "recording_id": name,
                    "patient_id": f"p{patient}",
                    "video": f"{name}.mkv",
                    "label": plane,
                    "labels": "",
                    "gaze": "",
                    "gaze_offset_s": "",
                    "split": "",
                    "crop_px": "",
                }
            )
    return rows


def shift_of(recording):
    """Grey levels by which a recording of `cohort` is brighter outside its block: no two show the same frames."""
    patient, plane = recording[1:].split("_")
    return 5 * int(patient) + PLANES.index(plane)


def prepare(folder, rows, **options):
    source = options.pop("source", None)
    manifest = write_csv(folder / "manifest.csv", rows)
    config = RecordingsConfig(manifest=manifest, out=folder / "out", **{"frame_size": SIZE, **options})
    return prepare_recordings(config, source=source)


def frames_of(data, *splits):
    """{recording id: list of examples} with NumPy values."""
    found = {}
    for split in splits or [s for s in ("train", "val", "test") if data.info["splits"][s]["frames"]]:
        for example in read_split(data, split).as_numpy_iterator():
            found.setdefault(example["recording_id"].decode(), []).append(example)
    return found


def digests(folder):
    """{name of a file: its SHA-256}."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def refused(folder, rows, words, file="manifest.csv", **options):
    """prepare_recordings refuses, names the file, and leaves nothing behind."""
    before = {p.name for p in folder.iterdir()} | {"manifest.csv"}
    with pytest.raises(InputError, match=words) as caught:
        prepare(folder, rows, **options)
    assert str(folder / file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {p.name for p in folder.iterdir()} == before
