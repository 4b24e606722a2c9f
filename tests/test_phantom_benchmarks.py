"""What the benchmarks of the phantom compute, on values that are known beforehand."""

import numpy as np
import pytest

from benchmarks import phantom_difficulty, phantom_vs_real
from common.errors import run_command
from data.dataset import FrameRecord, open_dataset, write_dataset


def density(*levels):
    return np.bincount(levels, minlength=256) / len(levels)


def test_wasserstein_is_the_shift_and_total_variation_the_share_moved():
    p = density(10, 50, 90)
    assert phantom_vs_real.histogram_distances(p, p) == {"wasserstein": 0, "total_variation": 0}
    moved = phantom_vs_real.histogram_distances(p, density(17, 57, 97))
    assert moved["wasserstein"] == pytest.approx(7)
    half = phantom_vs_real.histogram_distances(density(0, 255), density(0, 0))
    assert half == {"wasserstein": pytest.approx(127.5), "total_variation": pytest.approx(0.5)}


def planes(path, grey, classes=("abdomen", "femur", "head")):
    """Frames of one grey level, or one pattern, for each class and patient."""
    source = {"kind": "phantom", "simulated": True}
    with write_dataset(path, classes=classes, frame_size=(24, 32), source=source, seed=0) as writer:
        for split in ("train", "val", "test"):
            for patient in range(4):
                for label in range(len(classes)):
                    frame = np.broadcast_to(grey(label, split), (24, 32)).astype(np.uint8)
                    name = f"{split}{patient}"
                    writer.add(split, FrameRecord(frame, label, f"{name}{label}", name, 0, 0.0))
    return open_dataset(path)


def test_grey_levels_are_compared_class_by_class(tmp_path):
    ours = planes(tmp_path / "a", lambda label, split: 40 + 20 * label)
    real = planes(tmp_path / "b", lambda label, split: 50 + 20 * label + 2 * (split == "test"))
    found = phantom_vs_real.grey_level_distances(ours, real)
    for row in found.values():
        # A third of the real frames is of the test split, two levels brighter.
        assert row["simulated_real"]["wasserstein"] == pytest.approx(10 + 2 / 3)
        assert row["real_real"]["wasserstein"] == pytest.approx(2)
    assert found["mean"]["mean_grey"] == pytest.approx([60, 70 + 2 / 3])
    assert found["mean"]["black"] == [0, 0]


def test_a_linear_model_finds_what_pixels_tell_and_nothing_where_they_tell_nothing(tmp_path):
    classes = ("abdomen", "femur", "head", "background")
    columns = np.arange(32) // 8  # a bright quarter of its own for each class
    tells = planes(tmp_path / "a", lambda label, split: 90 + 60 * (columns == label), classes)
    assert phantom_difficulty.pixel_accuracy(tells) == 1.0
    silent = planes(tmp_path / "b", lambda label, split: 90, classes)
    assert phantom_difficulty.pixel_accuracy(silent) == 0.25


def test_the_table_holds_every_seed_and_the_mean_gain():
    row = {"pixel_logistic_regression": 0.4, "gaze_map_alone": 0.3, "student_alone": [0.7, 0.8]}
    gains = [{"seed": s, "with gaze": 0.8, "without gaze": 0.8 - g, "gain": g} for s, g in ((0, 0.05), (1, 0.03))]
    report = {"patients": 9, "levels": {"default": row}, "teacher_default": gains, "mean_gain": 0.04}
    text = phantom_difficulty.markdown(report)
    assert "| default | 0.400 | 0.300 | 0.700, 0.800 | 0.750 |" in text
    assert "| 1 | 0.800 | 0.770 | +3.0 |" in text and "| mean | 0.800 | 0.760 | +4.0 |" in text
    assert text.count(": reached") == 3
    worse = {**report, "levels": {"default": {**row, "student_alone": [0.7, 0.9]}}, "mean_gain": 0.029}
    assert phantom_difficulty.markdown(worse).count("NOT reached") == 2


@pytest.mark.parametrize(
    ("main", "words", "named"),
    [
        (phantom_difficulty.main, ["--levels", "brutal"], "--levels brutal"),
        (phantom_vs_real.main, ["nowhere"], "nowhere"),
        (phantom_vs_real.main, ["nowhere", "--split", "exam"], "--split exam"),
        (phantom_vs_real.main, [], "folder"),
    ],
)
def test_what_is_wrong_is_one_line_before_any_work(tmp_path, capsys, monkeypatch, main, words, named):
    monkeypatch.chdir(tmp_path)
    assert run_command(main, words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and named in error
    assert not list(tmp_path.rglob("dataset.json"))
