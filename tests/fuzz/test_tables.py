"""Manifests and labels: refused in one line, or every frame has the label and the patient that the table gives it."""

import csv
import io
import itertools
import shutil

import numpy as np
import pytest
from hypothesis import strategies as st

import prepare
from data.dataset import open_dataset
from data.reading import read_split
from data.sources.labels import frame_labels, read_intervals
from data.splits import SPLITS
from tests.data.clips import numbered_video, write_csv, write_gaze
from tests.fuzz.drive import accepted, fuzz, run
from tests.fuzz.strategies import csv_files, tables

FRAMES = 5
OPTIONAL = {
    "gaze": ["", "gaze.tsv"],
    "gaze_offset_s": ["", "0", "-0.02"],
    "image_box_px": ["", "10,10,200,200"],
    "crop_px": ["", "0,0,64,48", "8,8,32,24"],
    "split": ["", "train"],
}
SCREENS = [("", ""), ("640", "480")]


@st.composite
def manifests(draw):
    """Rows that are right: each patient has a clip of his own."""
    rows = []
    for number in range(draw(st.integers(1, 3))):
        patient = draw(st.integers(0, 1))
        labels = draw(st.sampled_from([("head", ""), ("femur", ""), ("", "labels.csv")]))
        width, height = draw(st.sampled_from(SCREENS))
        row = {
            "recording_id": f"r{number}",
            "patient_id": f"P{patient}",
            "video": ("a.mkv", "b.mkv")[patient],
            "fps": "",
        }
        row |= {"label": labels[0], "labels": labels[1], "screen_width_px": width, "screen_height_px": height}
        rows.append(row | {name: draw(st.sampled_from(values)) for name, values in OPTIONAL.items()})
    for row in rows:
        row["split"] = rows[0]["split"]
    return rows


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder with two clips of five frames, labels and gaze."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(("a.mkv", "b.mkv")):
        numbered_video(folder / name, FRAMES, shift=number)
    write_csv(folder / "labels.csv", [{"start_s": 0, "end_s": 0.1, "label": "head"}])
    write_gaze(folder / "gaze.tsv", 0.2)
    return folder


def test_manifest(recordings):
    words = ["--frame-size", "12", "16", "--val-fraction", "0", "--test-fraction", "0", "--overwrite"]

    def check(data):
        (recordings / "manifest.csv").write_bytes(data)
        out = recordings / "out"
        shutil.rmtree(out, ignore_errors=True)
        code = run(prepare.main, ["recordings", str(recordings / "manifest.csv"), "--out", str(out), *words])
        assert (code == 0) == out.is_dir()
        if code:
            return
        seen.append(data)
        data_set = open_dataset(out, verify=True)
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
        named = {(row["recording_id"].strip(), row["patient_id"].strip()) for row in rows if any(row.values())}
        found = {
            (example["recording_id"].decode(), example["patient_id"].decode())
            for split in SPLITS
            if data_set.info["splits"][split]["frames"]
            for example in read_split(data_set, split).as_numpy_iterator()
        }
        assert found <= named
        assert data_set.info["splits"]["train"]["frames"] <= FRAMES * len(rows)

    seen = []
    fuzz(check, examples=15, data=csv_files(tables(manifests())))
    assert seen, "no manifest of this run was right"


def test_labels(place):
    times_s = np.arange(20) / 25

    @st.composite
    def intervals(draw):
        edges = sorted(draw(st.sets(st.integers(0, 40), min_size=2, max_size=8)))
        rows = [
            {"start_s": f"{start / 40:g}", "end_s": f"{end / 40:g}", "label": draw(st.sampled_from(["head", "femur"]))}
            for start, end in itertools.pairwise(edges)
        ]
        return draw(st.permutations(rows))

    def check(data):
        path = place("labels.csv", data)
        found = accepted(lambda: read_intervals(path))
        if found is None:
            return
        # Its rows, by another reader; each frame by going through all of them.
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
        rows = [{name.strip(): cell.strip() for name, cell in row.items()} for row in rows if any(row.values())]
        assert len(rows) == len(found)
        spans = [(float(row["start_s"]), float(row["end_s"]), row["label"]) for row in rows]
        recording = type("Recording", (), {"labels": path, "label": None})
        for time_s, label in zip(times_s, frame_labels(recording, found, times_s)):
            assert [label] == ([name for start, end, name in spans if start <= time_s < end] or [None])
        seen.append(data)

    seen = []
    fuzz(check, examples=36, data=csv_files(tables(intervals())))
    assert seen, "no table of this run was right"
