"""Recordings that can't be prepared: one line that names the place, and nothing is left behind."""

import errno

import pytest
import tensorflow as tf

from common.errors import InputError, run_command
from data import dataset as dataset_module
from data.dataset import open_dataset
from data.sources import RecordingsConfig, prepare_recordings
from tests.data.clips import (
    cut,
    write_csv,
    write_gaze,
)
from tests.data.cohort import SIZE, cohort, prepare, refused


def test_a_missing_video(tmp_path):
    rows = cohort(tmp_path)
    rows[3]["video"] = "gone.mkv"
    refused(tmp_path, rows, r"line 5, column video: there is no .*gone\.mkv")


def test_a_truncated_video(tmp_path):
    rows = cohort(tmp_path)
    cut(tmp_path / "p3_head.mkv", 0.6)
    refused(tmp_path, rows, "truncated", file="p3_head.mkv")


def test_a_file_that_is_no_video(tmp_path):
    rows = cohort(tmp_path)
    (tmp_path / "p3_head.mkv").write_text("these are notes\n" * 30)
    refused(tmp_path, rows, "no video", file="p3_head.mkv")


def test_a_label_outside_the_video(tmp_path):
    rows = cohort(tmp_path)
    rows[1] |= {"label": "", "labels": "labels.csv"}
    write_csv(
        tmp_path / "labels.csv",
        [{"start_s": 0, "end_s": 0.1, "label": "head"}, {"start_s": 0.2, "end_s": 3.5, "label": "abdomen"}],
    )
    refused(tmp_path, rows, "line 3, column end_s: 3.5 s is outside the video", file="labels.csv")


def test_an_unknown_class(tmp_path):
    rows = cohort(tmp_path)
    rows[4]["label"] = "haed"
    refused(
        tmp_path,
        rows,
        r"line 6, column label: unknown class 'haed' \(did you mean 'head'\?\)",
        classes=["abdomen", "head"],
    )


def test_a_patient_in_two_splits(tmp_path):
    rows = cohort(tmp_path)
    rows[0]["split"], rows[1]["split"] = "train", "test"
    refused(tmp_path, rows, "line 3, column split: 'test', but patient p0 is in 'train' in line 2")


def test_a_split_without_a_class(tmp_path):
    rows = [row for row in cohort(tmp_path) if row["recording_id"] != "p5_head"]
    for row in rows:
        row["split"] = {"p4": "val", "p5": "test"}.get(row["patient_id"], "train")
    with pytest.raises(InputError, match=r"\.csv: split 'test' has no frame of class head"):
        prepare(tmp_path, rows)
    assert not (tmp_path / "out").exists()


def test_a_scanner_left_out_with_splits_that_leave_nobody_to_validate_on(tmp_path):
    rows = cohort(tmp_path)
    for row in rows:
        row["scanner"] = "E6" if row["patient_id"] in ("p0", "p1") else "S10"
        row["split"] = "val" if row["patient_id"] == "p0" else "train"
    with pytest.raises(InputError, match="leave_out_scanner 'E6': no patient of the other scanners is in split 'val'"):
        prepare(tmp_path, rows, leave_out_scanner="E6")
    assert not (tmp_path / "out").exists()


def test_a_label_with_a_slip_is_named_with_the_one_that_was_meant(tmp_path):
    rows = cohort(tmp_path)
    next(row for row in rows if row["label"] == "head")["label"] = "haed"
    with pytest.raises(InputError, match=r"has no frame of class haed \(did you mean 'head'\?\)"):
        prepare(tmp_path, rows)


def test_gaze_of_an_unknown_format(tmp_path):
    rows = cohort(tmp_path)
    rows[2]["gaze"] = "gaze.csv"
    (tmp_path / "gaze.csv").write_text("a,b\n1,2\n")
    refused(tmp_path, rows, "format", file="gaze.csv")


def test_gaze_that_does_not_overlap_the_video(tmp_path):
    rows = cohort(tmp_path)
    rows[2] |= {"gaze": "gaze.csv", "gaze_offset_s": 50}
    write_gaze(tmp_path / "gaze.csv", 1.0)
    refused(tmp_path, rows, "does not overlap.*gaze_offset_s", file="gaze.csv")


def test_a_crop_partly_outside_the_video(tmp_path):
    rows = cohort(tmp_path)
    rows[2]["crop_px"] = "10,0,64,48"
    refused(tmp_path, rows, "line 4, column crop_px: the box 10,0,64,48 is partly outside .* 64x48")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fps": 0}, "fps must be .*, not 0"),
        ({"fps": float("nan")}, "fps must be .*, not nan"),
        ({"fps": 1e300}, "fps must be .*, not 1e"),
        ({"fps": 1e-300}, "fps must be .*, not 1e"),
        ({"frame_size": (0, 10)}, r"frame_size must be .*, not \(0, 10\)"),
        ({"frame_size": (200_000, 200_000)}, "frame_size must be"),
        ({"seed": -1}, "seed must be"),
        ({"classes": ["head", "head"]}, "comes twice"),
        ({"val_fraction": 0.6, "test_fraction": 0.5}, "leave nothing to train on"),
    ],
)
def test_impossible_settings(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        prepare(tmp_path, cohort(tmp_path, patients=1), **options)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_exists_is_kept(tmp_path):
    rows = cohort(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    refused(tmp_path, rows, "exists already", file="out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    refused(tmp_path, rows, "no dataset.json", file="out", overwrite=True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_overwrite_replaces_a_data_set_and_never_the_source(tmp_path):
    rows = cohort(tmp_path)
    prepare(tmp_path, rows[2:])
    assert open_dataset(prepare(tmp_path, rows, overwrite=True).path).info["splits"]["train"]["recordings"] == 8
    manifest = write_csv(tmp_path / "manifest.csv", rows)
    with pytest.raises(InputError, match="holds the manifest"):
        prepare_recordings(RecordingsConfig(manifest=manifest, out=tmp_path, frame_size=SIZE, overwrite=True))
    assert (tmp_path / "p0_head.mkv").is_file()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "disk is read-only"),
        (tf.errors.ResourceExhaustedError(None, None, "x.tfrecord; No space left on device"), "disk is full"),
    ],
)
def test_a_full_or_read_only_disk(tmp_path, monkeypatch, capsys, error, words):
    rows = cohort(tmp_path)
    manifest = write_csv(tmp_path / "manifest.csv", rows)
    before = {p.name for p in tmp_path.iterdir()}
    written = []

    class FullDisk:
        def __init__(self, path):
            pass

        def write(self, record):
            written.append(record)
            if len(written) > 10:
                raise error

        def close(self):
            pass

    monkeypatch.setattr(dataset_module.tf.io, "TFRecordWriter", FullDisk)

    def command(argv):
        prepare_recordings(RecordingsConfig(manifest=manifest, out=tmp_path / "out", frame_size=SIZE))

    assert run_command(command, []) == 2
    shown = capsys.readouterr().err
    assert words in shown and shown.count("\n") == 1 and "Traceback" not in shown
    assert {p.name for p in tmp_path.iterdir()} == before
