"""The overlay shows where gaze lies, and finds the offset by which gaze follows the image."""

import csv

import numpy as np
import pytest
from PIL import Image

from common.errors import InputError
from data.checks.following import Clip, find_lag
from data.checks.overlay import check_recordings, print_numbers
from data.gaze.writer import write_tobii_sdk_stream
from tests.data.clips import numbered_video, write_csv, write_gaze, write_video

FPS, SECONDS = 10, 40


def moving_clip(seed: int, shift_s: float = 0.0, follows: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A texture that wanders, and an eye that stays on one spot of it: frames, times and points (pixels)."""
    rng = np.random.default_rng(seed)
    texture = rng.normal(size=(300, 300))
    texture = sum(np.roll(texture, (i, j), (0, 1)) for i in range(3) for j in range(3))
    texture = np.clip(128 + 25 * texture, 0, 255).astype(np.uint8)
    fine = np.arange(0, SECONDS + 2, 1 / 90)
    path = np.cumsum(rng.normal(size=(len(fine) // 45 + 2, 2)) * 4, axis=0) % 60
    path = np.stack([np.interp(fine, np.arange(len(path)) / 2, path[:, axis]) for axis in range(2)], axis=1)
    at = np.searchsorted(fine, np.arange(FPS * SECONDS) / FPS + 1)
    frames = np.stack([texture[60 + int(r) : 156 + int(r), 60 + int(c) : 188 + int(c)] for r, c in path[at]])
    spot = np.array([48, 64]) + 20
    points = spot - path if follows else spot - path[::-1]
    return frames, fine - 1 + shift_s, points


@pytest.mark.parametrize("shift_s", [0.0, 0.6, -0.4])
def test_the_lag_is_the_shift_that_was_made(shift_s):
    frames, gaze_s, points = moving_clip(1, shift_s)
    clip = Clip(np.arange(len(frames)) / FPS, frames, gaze_s, points[:, 1] / 128, points[:, 0] / 96)
    lag = find_lag([clip])
    assert lag.clear and abs(lag.shift_s - shift_s) <= 0.1 + 1e-9


def test_gaze_of_another_time_has_no_lag_that_stands_out():
    frames, gaze_s, points = moving_clip(2, follows=False)
    lag = find_lag([Clip(np.arange(len(frames)) / FPS, frames, gaze_s, points[:, 1] / 128, points[:, 0] / 96)])
    assert lag is None or not lag.clear
    assert find_lag([Clip(np.arange(3) / FPS, frames[:3], gaze_s[:9], points[:9, 1], points[:9, 0])]) is None


@pytest.fixture
def manifest(tmp_path):
    """One recording, shown in a box on a larger screen, the tracker's clock 0.5 s off."""
    frames, gaze_s, points = moving_clip(3)
    write_video(tmp_path / "a.mkv", frames, rate=FPS)
    x, y = (points[:, 1] * 2 + 100) / 640, (points[:, 0] * 2 + 50) / 480
    write_tobii_sdk_stream(tmp_path / "a.csv", gaze_s + 7.5, x, y, np.ones(len(x), bool))
    row = {"recording_id": "a [b]", "patient_id": "p", "video": "a.mkv", "label": "head", "gaze": "a.csv"}
    row |= {"gaze_offset_s": 7.0, "screen_width_px": 640, "screen_height_px": 480, "image_box_px": "100,50,256,192"}
    return write_csv(tmp_path / "m.csv", [row])


def test_overlay_of_a_wrong_offset(tmp_path, manifest, capsys):
    numbers, lag = check_recordings(manifest, tmp_path / "out", clips=1)
    assert lag.clear and lag.shift_s == pytest.approx(0.5, abs=0.1 + 1e-9)
    print_numbers(numbers, lag)
    shown = capsys.readouterr().out
    assert "try adding +0." in shown and "a [b]" in shown and "warning" not in shown
    with (tmp_path / "out" / "numbers.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["on_image"]) == 1 and abs(float(row["lag_s"]) - 0.5) <= 0.1 + 1e-6
    sheet = Image.open(tmp_path / "out" / "overlay.png").convert("RGB")
    orange = (np.abs(np.asarray(sheet, int) - (0xE6, 0x9F, 0x00)).max(axis=-1) < 12).sum()
    assert orange > 100
    film = Image.open(tmp_path / "out" / "clip_a__b_.gif")
    assert film.n_frames == 60
    with pytest.raises(InputError, match="exists already"):
        check_recordings(manifest, tmp_path / "out")


def test_every_recording_has_a_film_of_its_own(tmp_path):
    numbered_video(tmp_path / "a.mkv", 4)
    write_gaze(tmp_path / "a.csv", 0.2)
    rows = [
        {"recording_id": name, "patient_id": "p", "video": "a.mkv", "label": "head", "gaze": "a.csv"}
        for name in ("scan 1!", "scan 1?", "scan_1_")
    ]
    check_recordings(write_csv(tmp_path / "m.csv", rows), tmp_path / "out")
    assert len(list((tmp_path / "out").glob("clip_*.gif"))) == 3


def test_what_the_manifest_left_empty_is_warned_of(tmp_path, manifest, capsys):
    text = manifest.read_text().replace(",7.0,", ",,").replace('"100,50,256,192"', "")
    write_tobii_sdk_stream(tmp_path / "a.csv", np.arange(900) / 90, *np.full((2, 900), 0.5), np.ones(900, bool))
    manifest.write_text(text)
    print_numbers(*check_recordings(manifest))
    shown = capsys.readouterr().out
    assert "gaze_offset_s is empty for a [b]" in shown and "image_box_px is empty for a [b]" in shown
