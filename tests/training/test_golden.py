"""A training of a few steps gives the numbers it gave: who moves them raises `training.stages.TRAINING_VERSION`."""

import pandas as pd
import pytest

from training.stages import TRAINING_VERSION

# Of the two epochs of each stage of `tests.training.tiny.config`, in this version. Another machine rounds otherwise.
VERSION = 2
GOLDEN = {
    "teacher": {"loss": [1.1069123, 1.1089506], "val_loss": [1.0888951, 1.0887408]},
    "student": {
        "loss": [2.1173322, 2.4075394],
        "soft": [0.3498438, 0.1890342],
        "attention": [1.0643009, 1.0443918],
        "gaze": [3.2842152, 3.2050500],
        "val_loss": [1.3693552, 1.3610522],
    },
    "int8": {
        "loss": [1.2395897, 1.3411043],
        "hard": [1.0908316, 1.0958391],
        "attention": [1.0847766, 0.9198407],
        "val_loss": [1.3595881, 1.3583808],
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
