import errno
import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf

from common.console import console
from common.errors import InputError, run_command
from data import dataset as dataset_module
from data.dataset import open_dataset
from data.frames import resize_frame
from data.reading import read_split
from data.report import dataset_warnings, print_dataset_report
from data.sources import RecordingsConfig, prepare_recordings
from data.sources.recordings import keep_frames
from tests.data.clips import (
    HEIGHT,
    WIDTH,
    cut,
    number_of,
    numbered_frame,
    numbered_video,
    write_csv,
    write_dicom,
    write_gaze,
    write_pngs,
    write_video,
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


def refused(folder, rows, words, file="manifest.csv", **options):
    """prepare_recordings refuses, names the file, and leaves nothing behind."""
    before = {p.name for p in folder.iterdir()} | {"manifest.csv"}
    with pytest.raises(InputError, match=words) as caught:
        prepare(folder, rows, **options)
    assert str(folder / file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {p.name for p in folder.iterdir()} == before


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


def test_a_label_that_is_rounded_up_is_not_outside(tmp_path):
    rows = cohort(tmp_path)
    rows[1] |= {"label": "", "labels": "labels.csv"}
    write_csv(tmp_path / "labels.csv", [{"start_s": 0, "end_s": 0.35, "label": "abdomen"}])
    assert len(frames_of(prepare(tmp_path, rows))["p0_abdomen"]) == 8


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
    with pytest.raises(InputError, match="split 'test' has no frame of class head"):
        prepare(tmp_path, rows)
    assert not (tmp_path / "out").exists()


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
