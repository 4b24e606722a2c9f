"""A training of a few steps gives the numbers it gave: who moves them raises `training.stages.TRAINING_VERSION`."""

import pandas as pd
import pytest

from training.stages import TRAINING_VERSION

# Of the two epochs of each stage of `tests.training.tiny.config`, in this version. Another machine rounds otherwise.
VERSION = 1
GOLDEN = {
    "teacher": {"loss": [1.1005615, 1.1016415], "val_loss": [1.0888567, 1.0888597]},
    "student": {
        "loss": [2.1078284, 2.5251839],
        "soft": [0.2789029, 0.2422269],
        "attention": [1.1824018, 1.0360765],
        "gaze": [3.5549707, 3.3176577],
        "val_loss": [1.3727721, 1.3632053],
    },
}


@pytest.mark.parametrize("stage", GOLDEN)
def test_trained_numbers_are_those_of_the_version(stage, whole_run):
    history = pd.read_csv(whole_run.run / "history.csv")
    rows = history[history["stage"] == stage]
    assert TRAINING_VERSION == VERSION, f"take the numbers of the new version over into this test:\n{history.to_csv()}"
    for name, values in GOLDEN[stage].items():
        assert rows[name].tolist() == pytest.approx(values, rel=1e-4), (
            f"{stage} {name}: what training gives has moved: raise TRAINING_VERSION, and take the new numbers over:\n"
            f"{history.to_csv()}"
        )
