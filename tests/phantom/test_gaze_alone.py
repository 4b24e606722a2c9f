"""The network that sees gaze maps alone: it finds what they tell, and nothing where they tell nothing."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import InputError
from data.dataset import FrameRecord, open_dataset, write_dataset
from phantom.gaze_alone import gaze_alone_accuracy

pytestmark = pytest.mark.usefixtures("eagerly")
CLASSES = ("abdomen", "femur", "head", "background")
CORNERS = np.array([(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)])


def dataset(path, spread: float, splits=("train", "test"), empty_share: float = 0.1, count: int = 240):
    """`count` frames in each split; each class is looked at in a corner of its own, or, with spread 1, anywhere."""
    rng = np.random.default_rng(4)
    frame = np.zeros((48, 64), np.uint8)
    source = {"kind": "phantom", "simulated": True, "checksum": "0" * 64}
    with write_dataset(path, classes=CLASSES, frame_size=(48, 64), source=source, seed=0) as writer:
        for split in splits:
            for index in range(count):
                label = index % 4
                at = CORNERS[label] + rng.normal(0, 0.06, 2) if spread == 0 else rng.uniform(0, 1, 2)
                points = np.clip(at + rng.normal(0, 0.01, (3, 2)), 0, 1)
                if rng.uniform() < empty_share:
                    points = points[:0]
                name = f"{split}{index // 8}"
                writer.add(split, FrameRecord(frame, label, name, name, index % 8, 0.0, points[:, 0], points[:, 1]))
    return open_dataset(path)


def test_maps_that_reveal_the_class_are_found_out(tmp_path):
    found = gaze_alone_accuracy(dataset(tmp_path / "d", spread=0), epochs=6)
    assert found["accuracy_with_gaze"] > 0.95
    # A tenth of the frames has no gaze, and there the map says nothing.
    assert 0.85 < found["accuracy"] < found["accuracy_with_gaze"]
    assert (found["n_train"], found["n_test"], found["split"]) == (240, 240, "test")
    assert found["classes"] == list(CLASSES) and found["map_size"] == [6, 8]
    assert found["chance"] == 0.25 and found["bound"] == 0.45
    assert found["balanced_accuracy"] == pytest.approx(np.mean(list(found["recall"].values())))
    assert found["balanced_accuracy"] == pytest.approx(found["accuracy"])  # the classes are balanced


def test_maps_that_reveal_nothing_stay_at_chance(tmp_path):
    data = dataset(tmp_path / "d", spread=1, splits=("train", "val"))
    found = gaze_alone_accuracy(data, seed=3, epochs=6)
    # Of 240 guesses at 0.25 the share right has a standard deviation of 0.028: the level of 0.001.
    assert found["accuracy"] == pytest.approx(0.25, abs=3.3 * 0.028)
    assert found["split"] == "val"


def test_the_same_seed_gives_the_same_number(tmp_path):
    data = dataset(tmp_path / "d", spread=1, count=64)
    assert gaze_alone_accuracy(data, seed=3, epochs=1) == gaze_alone_accuracy(data, seed=3, epochs=1)


def test_without_patients_to_test_on_there_is_no_number(tmp_path):
    with pytest.raises(InputError, match="neither a test nor a val split"):
        gaze_alone_accuracy(dataset(tmp_path / "d", spread=1, splits=("train",), count=8))
