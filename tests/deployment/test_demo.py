"""The recording that `make demo` ends with is of a patient whom the demo's student has never seen."""

import re
from pathlib import Path

from data.splits import split_patients
from phantom import PhantomConfig
from phantom.cast import CLASSES
from phantom.recordings import patient_name

MAKEFILE = (Path(__file__).resolve().parents[2] / "Makefile").read_text()


def test_the_demo_predicts_on_a_patient_of_the_test_split():
    words = re.search(r"prepare\.py phantom .*--patients (\d+) .*--seed (\d+)", MAKEFILE)
    recording = int(re.search(r"recordings/video/r(\d+)\.mkv", MAKEFILE)[1])
    config = PhantomConfig(patients=int(words[1]), seed=int(words[2]))
    names = [patient_name(patient) for patient in range(config.patients)]
    splits = split_patients(
        names, val_fraction=config.val_fraction, test_fraction=config.test_fraction, seed=config.seed
    )
    assert splits[names[(recording - 1) // len(CLASSES)]] == "test"
