"""A training of a few steps gives the numbers it gave: who moves them raises `training.stages.TRAINING_VERSION`."""

import pandas as pd
import pytest

from training.stages import TRAINING_VERSION

# Losses and accuracies of two epochs, for this version. Another machine type rounds otherwise: 1e-4.
VERSION = 1
GOLDEN: dict[str, dict[str, list[float]]] = {
    "teacher": {"loss": [0, 0], "val_loss": [0, 0]},
    "student": {"loss": [0, 0], "soft": [0, 0], "attention": [0, 0], "gaze": [0, 0], "val_loss": [0, 0]},
    "int8": {"loss": [0, 0], "gaze": [0, 0]},
}


def test_trained_numbers_are_those_of_the_version(whole_run):
    history = pd.read_csv(whole_run.run / "history.csv")
    found = {
        stage: {name: rows[name].tolist() for name in GOLDEN[stage]}
        for stage, rows in history.groupby("stage")
        if stage in GOLDEN
    }
    print(found)
    assert TRAINING_VERSION == VERSION, "take the numbers of the new version over into this test"
    for stage, columns in GOLDEN.items():
        for name, values in columns.items():
            assert found[stage][name] == pytest.approx(values, rel=1e-4), (
                f"{stage} {name}: what training gives has moved: raise TRAINING_VERSION, and take these numbers over"
            )
