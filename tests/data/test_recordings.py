"""Recordings become a data set: every frame with its pixels, time, label and gaze."""

import hashlib
import json

import numpy as np
import pytest

from common.console import console
from data.checks.overlay import check_recordings
from data.dataset import open_dataset
from data.frames import resize_frame
from data.report import dataset_warnings, print_dataset_report
from data.sources import RecordingsConfig, prepare_recordings
from data.sources.clip_frames import keep_frames
from tests.data.clips import (
    HEIGHT,
    WIDTH,
    late_video,
    number_of,
    numbered_frame,
    write_csv,
    write_dicom,
    write_gaze,
    write_pngs,
    write_video,
)
from tests.data.cohort import PLANES, SIZE, cohort, frames_of, prepare, refused, shift_of


def test_every_frame_arrives_with_its_pixels_time_and_label(tmp_path):
    data = prepare(tmp_path, cohort(tmp_path))
    assert data.classes == ("abdomen", "head")
    found = frames_of(data)
    assert len(found) == 12
    for recording, examples in found.items():
        patient, plane = recording.split("_")
        for k, example in enumerate(examples):
            np.testing.assert_array_equal(example["frame"][..., 0], numbered_frame(k, shift=shift_of(recording)))
            assert example["time_s"] == pytest.approx(k / 25, abs=1e-6)
            assert example["frame_index"] == k
            assert data.classes[example["label"]] == plane
            assert example["patient_id"].decode() == patient
            assert len(example["gaze_x"]) == 0
        assert len(examples) == 8


def test_splits_share_no_patient_and_follow_the_fractions(tmp_path):
    data = prepare(tmp_path, cohort(tmp_path, patients=10), val_fraction=0.2, test_fraction=0.3)
    patients = [set(data.info["splits"][s]["frames_per_patient"]) for s in ("train", "val", "test")]
    assert [len(p) for p in patients] == [5, 2, 3]
    assert len(set.union(*patients)) == 10


def test_a_split_in_the_manifest_holds_for_the_whole_patient(tmp_path):
    rows = cohort(tmp_path)
    for row, split in zip(rows[::2], ["test", "val", "train", "train", "train", "train"]):
        row["split"] = split
    data = prepare(tmp_path, rows)
    assert set(data.info["splits"]["test"]["frames_per_patient"]) == {"p0"}
    assert set(data.info["splits"]["val"]["frames_per_patient"]) == {"p1"}
    assert data.info["split_seed"] is None


def test_intervals_label_frames_in_time_and_the_rest_is_refused(tmp_path):
    rows = cohort(tmp_path, planes=("head",), count=20)
    for row in rows:
        row["label"], row["labels"] = "", f"{row['recording_id']}.csv"
        write_csv(
            tmp_path / row["labels"],
            [
                {"start_s": 0.4, "end_s": 0.8, "label": "background"},
                {"start_s": 0.08, "end_s": 0.4, "label": "head"},
            ],
        )
    data = prepare(tmp_path, rows)
    assert data.classes == ("head", "background")
    for examples in frames_of(data).values():
        for example in examples:
            time_s = float(example["time_s"])
            assert data.classes[example["label"]] == ("head" if time_s < 0.4 - 1e-6 else "background")
        # 0.08 s is frame 2, a border belongs to what begins there.
        assert [e["frame_index"] for e in examples] == list(range(2, 20))
    assert data.info["refused"] == {"frames outside every label interval": 12}


def test_crop_then_resize(tmp_path):
    rows = cohort(tmp_path)
    for row in rows:
        row["crop_px"] = "8,4,40,30"
    data = prepare(tmp_path, rows, frame_size=(15, 20))
    for recording, examples in frames_of(data).items():
        for k, example in enumerate(examples):
            oracle = resize_frame(numbered_frame(k, shift=shift_of(recording))[4:34, 8:48], (15, 20))
            np.testing.assert_array_equal(example["frame"][..., 0], oracle)


@pytest.mark.parametrize(
    ("screen", "place"),
    [
        # The crop alone is shown, at (100, 50) and twice as large.
        ({"screen_width_px": 400, "screen_height_px": 200, "image_box_px": "100,50,80,60"}, (100, 50, 2, 400, 200)),
        # The whole video fills the screen: the crop's corner is then at its own place in it.
        ({}, (10, 8, 1, WIDTH, HEIGHT)),
    ],
)
def test_gaze_arrives_with_its_frame_through_box_crop_and_clock(tmp_path, screen, place):
    rows = cohort(tmp_path, planes=("head",), count=10)
    offset_s = 1234.5
    # Gaze moves over the video picture in time, and leaves the crop at its right side.
    time_s = np.arange(36) / 90
    video_x, video_y = 16 + 100 * time_s, 12 + 60 * time_s
    for row in rows:
        row |= {
            "gaze": "gaze.csv",
            "gaze_offset_s": offset_s,
            "crop_px": "10,8,40,30",
            **screen,
        }
    left, top, enlarged, width, height = place
    screen_x, screen_y = left + enlarged * (video_x - 10), top + enlarged * (video_y - 8)
    write_gaze(tmp_path / "gaze.csv", 0.4, offset_s, screen_x / width, screen_y / height)
    data = prepare(tmp_path, rows, classes=["head"])
    for examples in frames_of(data).values():
        for k, example in enumerate(examples):
            # The clock in the file has whole microseconds.
            mine = (np.floor(time_s * 25 + 1e-3) == k) & (video_x < 50)
            np.testing.assert_allclose(example["gaze_x"], (video_x[mine] - 10) / 40, atol=1e-5)
            np.testing.assert_allclose(example["gaze_y"], (video_y[mine] - 8) / 30, atol=1e-5)
    notes = data.info["notes"]
    assert notes["recordings with gaze"] == 6
    assert notes["gaze: samples"] == notes["gaze: valid"] == 6 * 36
    assert notes["gaze: off image"] == 6 * int(np.sum(video_x >= 50)) > 0


def test_every_kind_of_video_comes_through_one_manifest(tmp_path):
    rows = cohort(tmp_path, planes=("head",), patients=7, count=4)
    frames = {r["recording_id"]: [numbered_frame(k, shift=shift_of(r["recording_id"])) for k in range(4)] for r in rows}
    write_dicom(tmp_path / "clip.dcm", np.stack(frames["p0_head"]), FrameTime=40.0)
    write_pngs(tmp_path / "clip", {f"{k:04d}.png": frame for k, frame in enumerate(frames["p1_head"])})
    write_pngs(tmp_path / "one", {"image.png": frames["p2_head"][0]})
    write_gaze(tmp_path / "gaze.csv", 1.0, 5.0, x=0.25, y=0.75)
    rows[0]["video"] = "clip.dcm"
    rows[1] |= {"video": "clip", "fps": 25}
    rows[2] |= {"video": "one/image.png", "gaze": "gaze.csv", "gaze_offset_s": 5}
    write_video(tmp_path / "p3_head.avi", frames["p3_head"])
    rows[3]["video"] = "p3_head.avi"
    found = frames_of(prepare(tmp_path, rows))
    for recording, examples in found.items():
        for k, example in enumerate(examples):
            np.testing.assert_array_equal(example["frame"][..., 0], frames[recording][k])
            assert example["time_s"] == pytest.approx(k / 25, abs=1e-6)
        assert len(examples) == (1 if recording == "p2_head" else 4)
    # All the time that somebody looked at an image, it was shown.
    np.testing.assert_allclose(found["p2_head"][0]["gaze_x"], np.full(90, 0.25), atol=1e-6)


def test_one_image_gets_all_gaze_whatever_file_holds_it(tmp_path):
    """A DICOM of one frame with FrameTime or a rate, or a folder of one image, says nothing of how long one looked."""
    images = [numbered_frame(k, shift=k) for k in range(3)]
    write_dicom(tmp_path / "0.dcm", images[0][None], FrameTime=33.3)
    write_dicom(tmp_path / "1.dcm", images[1][None])
    write_pngs(tmp_path / "2", {"0001.png": images[2]})
    write_gaze(tmp_path / "gaze.csv", 1.0, 5.0, x=0.25)
    rows = [
        {"recording_id": name, "patient_id": name, "video": name, "label": "head", "gaze": "gaze.csv"}
        | {"gaze_offset_s": 5, "fps": fps}
        for name, fps in (("0.dcm", ""), ("1.dcm", 30), ("2", ""))
    ]
    found = frames_of(prepare(tmp_path, rows))
    assert [len(examples[0]["gaze_x"]) for examples in found.values()] == [90] * 3
    numbers, _ = check_recordings(tmp_path / "manifest.csv")
    assert [row.samples for row in numbers] == [90] * 3


def test_fps_keeps_the_frame_nearest_to_each_tick(tmp_path):
    data = prepare(tmp_path, cohort(tmp_path, count=20), fps=5)
    for examples in frames_of(data).values():
        assert [e["frame_index"] for e in examples] == [0, 5, 10, 15]
        np.testing.assert_allclose([e["time_s"] for e in examples], [0, 0.2, 0.4, 0.6], atol=1e-6)
    assert data.info["notes"]["frames between the ticks of 5 frames per s"] == 12 * 16


def test_keep_frames_agrees_with_a_search_tick_by_tick():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 50):
        times_s = np.concatenate([[0], np.cumsum(rng.exponential(0.05, count - 1))])
        for fps in (0.5, 7, 25, 300):
            nearest = set()
            tick = 0
            while tick / fps <= times_s[-1] + 1e-9:
                nearest.add(int(np.argmin(np.abs(times_s - tick / fps))))
                tick += 1
            assert set(np.flatnonzero(keep_frames(times_s, fps))) == nearest
    assert keep_frames(np.arange(5.0), None).all()


def test_constant_frames_are_counted_and_left_out(tmp_path):
    rows = cohort(tmp_path)
    frames = [numbered_frame(k, shift=shift_of("p0_head")) for k in range(8)]
    frames[3] = frames[5] = np.full(SIZE, 17, np.uint8)
    write_video(tmp_path / "p0_head.mkv", frames)
    data = prepare(tmp_path, rows)
    assert data.info["refused"] == {"frames of one constant value": 2}
    assert [e["frame_index"] for e in frames_of(data)["p0_head"]] == [0, 1, 2, 4, 6, 7]


def test_a_recording_of_constant_frames_alone_is_refused(tmp_path):
    rows = cohort(tmp_path)
    write_video(tmp_path / "p2_head.mkv", [np.full(SIZE, k, np.uint8) for k in range(8)])
    refused(tmp_path, rows, "one constant value.*p2_head", file="p2_head.mkv")


def test_the_same_input_gives_the_same_bytes(tmp_path):
    manifest = write_csv(tmp_path / "manifest.csv", cohort(tmp_path))
    files = []
    for name in ("a", "b"):
        prepare_recordings(RecordingsConfig(manifest=manifest, out=tmp_path / name, frame_size=(24, 32), seed=3))
        files.append({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()})
    assert files[0] == files[1]


def test_the_source_is_stored_with_a_checksum_over_all_files(tmp_path):
    rows = cohort(tmp_path)
    data = prepare(tmp_path, rows, source={"kind": "phantom", "patients": 6})
    source = data.info["source"]
    digest = hashlib.sha256((tmp_path / "manifest.csv").read_bytes())
    for row in rows:
        digest.update((tmp_path / row["video"]).read_bytes())
    assert source == {
        "kind": "phantom",
        "manifest": "manifest.csv",
        "checksum": digest.hexdigest(),
        "patients": 6,
    }


def test_classes_may_be_given_in_an_order(tmp_path):
    data = prepare(tmp_path, cohort(tmp_path), classes=["head", "abdomen"])
    assert data.classes == ("head", "abdomen")
    assert {data.classes[e["label"]] for e in frames_of(data)["p0_head"]} == {"head"}


def test_unlabelled_recordings_come_in_when_asked(tmp_path):
    rows = cohort(tmp_path)
    rows[0]["label"] = ""
    refused(tmp_path, rows, "line 2, column label: neither")
    data = prepare(tmp_path, rows, unlabelled=True)
    assert {int(e["label"]) for e in frames_of(data)["p0_head"]} == {-1}
    assert data.info["splits"]["train"]["frames_per_class"].keys() <= {"abdomen", "head", "unlabelled"}


def test_frames_outside_every_label_are_kept_when_asked(tmp_path):
    rows = cohort(tmp_path)
    rows[1] |= {"label": "", "labels": "labels.csv"}
    write_csv(tmp_path / "labels.csv", [{"start_s": 0, "end_s": 0.1, "label": "abdomen"}])
    data = prepare(tmp_path, rows, transitions=True)
    assert [int(e["label"]) for e in frames_of(data)["p0_abdomen"]] == [0, 0, 0, -1, -1, -1, -1, -1]
    assert data.info["refused"] == {}


def test_the_canonical_order_puts_background_last(tmp_path):
    assert prepare(tmp_path, cohort(tmp_path, planes=sorted(PLANES), count=2)).classes == PLANES


def test_the_report_tells_what_was_kept_and_refused(tmp_path):
    rows = cohort(tmp_path)
    frames = [numbered_frame(k, shift=shift_of("p0_head")) for k in range(8)]
    frames[3] = np.zeros(SIZE, np.uint8)
    write_video(tmp_path / "p0_head.mkv", frames)
    rows[0]["gaze"] = "gaze.csv"
    write_gaze(tmp_path / "gaze.csv", 1.0)
    data = prepare(tmp_path, rows)
    with console.capture() as shown:
        print_dataset_report(data)
    text = shown.get()
    for words in ("train", "val", "test", "abdomen", "head", "frames of one constant value", "gaze: valid"):
        assert words in text
    # It needs nothing but what is stored.
    again = open_dataset(data.path)
    with console.capture() as second:
        print_dataset_report(again)
    assert second.get() == text
    assert json.loads((data.path / "dataset.json").read_text())["refused"] == {"frames of one constant value": 1}


def test_number_of_reads_what_numbered_frame_draws():
    assert [number_of(numbered_frame(k)) for k in range(20)] == list(range(20))


def test_one_of_several_recordings_in_a_gaze_file_and_what_was_left_empty(tmp_path):
    rows = cohort(tmp_path)
    times = np.arange(90) / 90
    samples = [f"{who},{t:.5f},{x},0.5" for who, x in (("ann", 0.25), ("ben", 0.75)) for t in times]
    (tmp_path / "gaze.csv").write_text("\n".join(["participant,time_s,x,y", *samples]))
    for row in rows[:2]:
        row["gaze"] = "gaze.csv"
    refused(tmp_path, rows, "column 'participant' has 'ann', 'ben'", file="gaze.csv")
    rows[0]["gaze_recording"], rows[1]["gaze_recording"] = "ann", "ben"
    rows[0]["gaze_offset_s"] = 0
    data = prepare(tmp_path, rows)
    found = {
        name: {round(float(x), 4) for example in examples for x in example["gaze_x"]}
        for name, examples in frames_of(data).items()
    }
    found = {name: points for name, points in found.items() if points}
    assert found == {rows[0]["recording_id"]: {0.25}, rows[1]["recording_id"]: {0.75}}
    shown = sorted(dataset_warnings(data))
    assert len(shown) == 2
    assert "gaze_offset_s is empty" in shown[0] and shown[0].endswith(": 1")
    assert "image_box_px is empty" in shown[1] and shown[1].endswith(": 2")


def test_gaze_that_never_falls_on_the_image_is_warned_of(tmp_path):
    rows = cohort(tmp_path)
    (tmp_path / "off.csv").write_text("time_s,x,y\n" + "".join(f"{k / 60:.4f},1.5,0.5\n" for k in range(60)))
    rows[0] |= {"gaze": "off.csv", "gaze_offset_s": 0, "image_box_px": ""}
    assert "gaze never falls on the image" in "".join(dataset_warnings(prepare(tmp_path, rows)))


def test_late_videos_and_frames_too_short_for_fixations_are_warned_of(tmp_path, capsys):
    rows = cohort(tmp_path)
    late_video(tmp_path / "p0_head.mkv", 0.48, shift=shift_of("p0_head"))
    write_csv(tmp_path / "labels.csv", [{"start_s": 0, "end_s": 0.32, "label": "head"}])
    rows[0] |= {"label": "", "labels": "labels.csv"}
    frames = [numbered_frame(k, shift=shift_of("p0_abdomen")) for k in range(12)]
    write_video(tmp_path / "p0_abdomen.mkv", frames, rate=120)
    (tmp_path / "fixations.csv").write_text("start_ms,duration_ms,x,y\n0,100,0.5,0.5\n")
    rows[1] |= {"gaze": "fixations.csv", "gaze_offset_s": 0, "image_box_px": ""}
    warnings = "\n".join(dataset_warnings(prepare(tmp_path, rows)))
    assert "video begins after their sound (times count from the first frame): 1" in warnings
    assert "fixations with over 100 frames per s (a sample every 10 ms: not all get gaze): 1" in warnings
    said = [line for line in capsys.readouterr().err.splitlines() if "after its sound" in line]
    assert len(said) == 1 and "p0_head.mkv" in said[0]


def test_a_label_that_is_rounded_up_is_not_outside(tmp_path):
    rows = cohort(tmp_path)
    rows[1] |= {"label": "", "labels": "labels.csv"}
    write_csv(tmp_path / "labels.csv", [{"start_s": 0, "end_s": 0.35, "label": "abdomen"}])
    assert len(frames_of(prepare(tmp_path, rows))["p0_abdomen"]) == 8
