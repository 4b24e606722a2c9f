"""What the phantom writes: files like a hospital's, the same for the same seed."""

from __future__ import annotations

import csv
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data.gaze.read import read_gaze
from data.video.read import open_video
from phantom import prepare_phantom
from phantom import recordings as recordings_module
from phantom.biometry import draw_fetus
from phantom.clip import CLASSES, Session, simulate_clip
from phantom.difficulty import get_difficulty
from phantom.looks import LOOKS
from phantom.recordings import write_recordings
from phantom.tracker import Screen, draw_bias

SMALL = {"frame_size": (56, 72), "fps": 4.0, "clip_s": 1.5}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def table(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    return write_recordings(tmp_path_factory.mktemp("phantom") / "one", patients=3, seed=5, workers=1, **SMALL).parent


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(recordings, tmp_path):
    other = write_recordings(tmp_path / "two", patients=3, seed=5, workers=2, **SMALL).parent
    assert contents(other) == contents(recordings)


def test_a_patient_does_not_depend_on_how_many_there_are(recordings, tmp_path):
    fewer = contents(write_recordings(tmp_path / "two", patients=1, seed=5, workers=1, **SMALL).parent)
    more = contents(recordings)
    assert len(fewer) == 4 * 3 + 1
    assert all(more[name] == fewer[name] for name in fewer if name != "manifest.csv")


def test_another_seed_gives_other_recordings(recordings, tmp_path):
    other = contents(write_recordings(tmp_path / "two", patients=1, seed=6, workers=1, **SMALL).parent)
    assert other["video/r00001.mkv"] != contents(recordings)["video/r00001.mkv"]


def test_files_are_readable_and_alike(recordings):
    rows = table(recordings / "manifest.csv")
    assert len(rows) == 12 and len({row["patient_id"] for row in rows}) == 3
    for row in rows:
        video = open_video(recordings / row["video"])
        assert video.size == (72, 56) and len(video) == 6
        assert video.times_s == pytest.approx(np.arange(6) / 4, abs=2e-3)
        gaze = read_gaze(recordings / row["gaze"])
        assert float(row["gaze_offset_s"]) > 0
        assert gaze.time_s[0] < float(row["gaze_offset_s"]) < gaze.time_s[-1] - 1.5
        assert not any(name in " ".join(row.values()) for name in (*CLASSES, "femur"))
        for interval in table(recordings / row["labels"]):
            assert interval["label"] in CLASSES
            assert 0 <= float(interval["start_s"]) < float(interval["end_s"]) <= 1.5


def test_every_patient_has_every_plane_in_no_fixed_order(tmp_path):
    folder = write_recordings(tmp_path / "r", patients=6, seed=1, workers=1, frame_size=(48, 48), fps=2.0, clip_s=1.0)
    first: dict[str, str] = {}
    planes: dict[str, set] = {}
    for row in table(folder):
        labels = {i["label"] for i in table(folder.parent / row["labels"])}
        plane = next(iter(labels - {"background"}), "background")
        first.setdefault(row["patient_id"], plane)
        planes.setdefault(row["patient_id"], set()).add(plane)
    assert all(found == set(CLASSES) for found in planes.values())
    assert len(set(first.values())) > 1


def test_the_video_is_lossless(tmp_path):
    from phantom.recordings import _write_video

    frames = np.random.default_rng(0).integers(0, 256, (3, 50, 70), np.uint8)
    _write_video(tmp_path / "v.mkv", frames, 12.5)
    np.testing.assert_array_equal([frame for _, _, frame in open_video(tmp_path / "v.mkv")], frames)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"patients": 0}, "--patients 0"),
        ({"seed": -1}, "--seed -1"),
        ({"frame_size": (20, 20)}, "--frame-size 20 20"),
        ({"fps": 0.0}, "--fps 0"),
        ({"clip_s": 0.1}, "0.1 s"),
        ({"difficulty": "brutal"}, "--difficulty brutal"),
    ],
)
def test_numbers_out_of_range_are_refused_before_any_work(tmp_path, wrong, words):
    with pytest.raises(InputError, match=words):
        write_recordings(tmp_path / "out", **{"patients": 1, "seed": 0, **SMALL, **wrong})
    assert not list(tmp_path.iterdir())


def test_an_impossible_split_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="2 patients are too few"):
        prepare_phantom(tmp_path / "out", patients=2, seed=0)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_kept(recordings):
    before = contents(recordings)
    with pytest.raises(InputError, match="exists already"):
        write_recordings(recordings, patients=1, seed=0, **SMALL)
    assert contents(recordings) == before


def test_memory_does_not_grow_with_the_number_of_clips(tmp_path):
    def peak(patients: int) -> int:
        tracemalloc.start()
        write_recordings(tmp_path / str(patients), patients=patients, seed=5, workers=1, **SMALL)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is loaded and cached once
    assert max(peak(5), peak(6)) < 1.5 * max(peak(2), peak(3))


def test_all_cores_are_used_unless_told_otherwise(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(recordings_module, "_cores", lambda: 3)
    monkeypatch.setattr(recordings_module, "_run", lambda orders, workers: asked.append(workers) or [])
    for patients, workers in ((5, None), (2, None), (5, 1)):
        recordings_module.write_recordings(tmp_path / str(len(asked)), patients=patients, seed=0, workers=workers)
    assert asked == [3, 2, 1]  # never more than there are patients


def test_the_workers_do_not_load_tensorflow():
    code = "import sys, phantom.recordings; sys.exit('tensorflow' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


@pytest.fixture(scope="module")
def clips():
    made = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        session = Session(LOOKS[seed % 4], draw_bias(rng), Screen())
        fetus, level = draw_fetus(rng), get_difficulty("default")
        label = CLASSES[seed // 4 % 4]
        made.append(simulate_clip(fetus, label, session, rng, level, frame_size=(48, 64), fps=2.0, duration_s=8.0))
    return made


def test_gaze_is_sampled_at_90_hz(clips):
    for clip in clips:
        steps = np.diff(clip.gaze.time_s)
        assert np.median(steps) == pytest.approx(1 / 90, rel=0.02)
        assert steps.min() > 0 and steps.max() < 1.3 / 90


def test_gaze_goes_astray_as_often_as_real_gaze(clips):
    screen = Screen()
    left, top, width, height = screen.box
    lost = np.concatenate([~c.gaze.valid for c in clips])
    assert 0.03 < lost.mean() < 0.15  # blinks of 0.1 to 0.3 s every 4 s or so, and 2 to 5 %
    x = np.concatenate([c.gaze.x for c in clips])[~lost] * screen.width
    y = np.concatenate([c.gaze.y for c in clips])[~lost] * screen.height
    off = (x < left) | (x > left + width) | (y < top) | (y > top + height)
    assert 0.01 < off.mean() < 0.09


def test_blinks_are_gaps_of_their_length(clips):
    longest = [max_run(~c.gaze.valid) / 90 for c in clips]
    assert 0.1 <= max(longest) < 0.7  # two blinks may touch
    assert np.median(longest) > 0.08


def max_run(flags: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(int), 0]))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def test_calibration_error_has_the_published_median():
    radius = [np.hypot(*draw_bias(np.random.default_rng(seed))) for seed in range(2000)]
    assert np.median(radius) == pytest.approx(1.0, abs=0.05)


def test_the_eye_follows_a_landmark(clips):
    """Without the tracker's error, gaze in a held plane lies on the body most of the time."""
    screen = Screen()
    for clip in clips:
        if not clip.body.defining:
            continue
        inside = (clip.gaze.time_s > 0) & (clip.gaze.time_s < 8) & clip.gaze.valid
        distances = []
        for t, x, y in zip(clip.gaze.time_s[inside], clip.gaze.x[inside], clip.gaze.y[inside]):
            fx = (x * screen.width - screen.box[0]) / screen.box[2]
            fy = (y * screen.height - screen.box[1]) / screen.box[3]
            pose = clip.motion.pose(t)
            px = clip.view.left_mm + fx * clip.view.width * clip.view.mm_per_px
            py = clip.view.top_mm + fy * clip.view.height * clip.view.mm_per_px
            distances.append(np.hypot(px - pose.x, py - pose.y) / clip.body.radius)
        assert np.mean(np.array(distances) < 1.5) > 0.75


def test_labels_follow_the_anatomy(clips):
    for clip in clips:
        for interval in clip.intervals:
            for t in np.linspace(interval.start_s + 0.02, interval.end_s - 0.02, 7):
                least, most = clip.body.shown(clip.motion.pose(t))
                if interval.label == "background":
                    assert most <= clip.body.gone + 0.05
                else:
                    assert least >= clip.body.held - 0.1
