"""What the phantom writes: files like a hospital's, the same for the same seed."""

from __future__ import annotations

import csv
import dataclasses
import gc
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data.gaze.read import read_gaze
from data.video.read import open_video
from phantom import PhantomConfig, prepare_phantom, write_recordings
from phantom.cast import CLASSES
from phantom.recordings import Order, worker_count, write_patient, write_video
from phantom.tracker import draw_bias
from tests.phantom.simulated import SMALL


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def table(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_same_seed_gives_the_same_bytes_from_any_folder_with_any_workers(small_recordings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the workers start in the folder in which the tests were started
    other = write_recordings("two", dataclasses.replace(SMALL, workers=2)).parent
    assert contents(other) == contents(small_recordings)


def test_a_patient_does_not_depend_on_how_many_there_are_and_depends_on_the_seed(small_recordings, tmp_path):
    one = dataclasses.replace(SMALL, patients=1)
    fewer = contents(write_recordings(tmp_path / "two", one).parent)
    more = contents(small_recordings)
    assert len(fewer) == 4 * 3 + 1
    assert all(more[name] == fewer[name] for name in fewer if name != "manifest.csv")
    other = contents(write_recordings(tmp_path / "three", dataclasses.replace(one, seed=6)).parent)
    assert all(other[name] != fewer[name] for name in fewer)


def test_files_are_readable_and_alike(small_recordings):
    rows = table(small_recordings / "manifest.csv")
    assert len(rows) == 12 and len({row["patient_id"] for row in rows}) == 3
    for row in rows:
        video = open_video(small_recordings / row["video"])
        assert video.size == (72, 56) and len(video) == 6
        assert video.times_s == pytest.approx(np.arange(6) / 4, abs=2e-3)
        gaze = read_gaze(small_recordings / row["gaze"])
        assert float(row["gaze_offset_s"]) > 0
        assert gaze.time_s[0] < float(row["gaze_offset_s"]) < gaze.time_s[-1] - 1.5
        assert not any(name in " ".join(row.values()) for name in (*CLASSES, "femur"))
        for interval in table(small_recordings / row["labels"]):
            assert interval["label"] in CLASSES
            assert 0 <= float(interval["start_s"]) < float(interval["end_s"]) <= 1.5


def test_every_patient_has_every_plane_in_no_fixed_order(tmp_path):
    config = PhantomConfig(patients=4, seed=1, workers=1, frame_size=(48, 48), fps=2.0, clip_s=1.0)
    folder = write_recordings(tmp_path / "r", config)
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
    frames = np.random.default_rng(0).integers(0, 256, (3, 50, 70), np.uint8)
    write_video(tmp_path / "v.mkv", frames, 12.5)
    np.testing.assert_array_equal([frame for _, _, frame in open_video(tmp_path / "v.mkv")], frames)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"patients": 0}, "patients must be from 1 to 100000, not 0"),
        ({"patients": 10**12}, "patients must be from 1 to 100000, not 1000000000000"),
        ({"seed": -1}, r"seed must be at least 0 and below 2\^32, not -1"),
        ({"frame_size": (20, 20)}, "frame_size must be H W, each from 48 to 1024 pixels, not 20 20"),
        ({"frame_size": (100, 401)}, "frame_size must be H W with W at most four times H, not 100 401"),
        ({"fps": 0.0}, "fps must be from 1 to 90, not 0"),
        ({"keep_fps": 20.0}, "keep_fps must be above 0 and at most fps"),
        ({"clip_s": 0.1}, "clip_s must be from 1 to 20, not 0.1"),
        ({"difficulty": "brutal"}, "difficulty must be one of easy, default, hard, not 'brutal'"),
        ({"rivals": 1.5}, "rivals must be from 0 to 1, not 1.5"),
        ({"workers": 0}, "workers must be from 1 to 1024, not 0"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        PhantomConfig(**wrong)


def test_an_impossible_split_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="2 patients are too few"):
        prepare_phantom(tmp_path / "out", PhantomConfig(patients=2))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_kept(small_recordings):
    before = contents(small_recordings)
    with pytest.raises(InputError, match="exists already"):
        write_recordings(small_recordings, SMALL)
    assert contents(small_recordings) == before


def test_memory_does_not_grow_with_the_number_of_clips(tmp_path):
    """What is still held after a patient is written; an earlier one's clips filled the caches."""
    config = dataclasses.replace(SMALL, clip_s=1.0, frame_size=(48, 48))
    for name in ("video", "gaze", "labels"):
        (tmp_path / name).mkdir()
    write_patient(Order(str(tmp_path), 0, config))
    tracemalloc.start()
    write_patient(Order(str(tmp_path), 1, config))
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4 * 48 * 48  # bytes of the frames of one of its four clips


def test_all_cores_are_used_unless_a_number_is_given_and_never_more_than_there_are_patients():
    asked = [worker_count(PhantomConfig(patients=n, workers=w), cores=3) for n, w in ((5, None), (2, None), (5, 1))]
    assert asked == [3, 2, 1]
    assert worker_count(PhantomConfig(patients=500)) == len(os.sched_getaffinity(0))


def test_the_workers_do_not_load_tensorflow(tmp_path):
    code = "import sys, phantom.recordings; sys.exit('tensorflow' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env).returncode == 0


def test_calibration_error_has_the_published_median():
    radius = [np.hypot(*draw_bias(np.random.default_rng(seed))) for seed in range(2000)]
    assert np.median(radius) == pytest.approx(1.0, abs=0.05)
