"""A run on two workers whose chief is killed goes on, on one machine or on two, and ends with the same epochs."""

import shutil

import pandas as pd
import pytest

from tests.training import tiny, workers
from training import train

pytestmark = pytest.mark.soak
SETTINGS = {"teacher": "wide", "student": "narrow", "distribute": "multiworker"}
STAGES = ["teacher", "student", "int8"]


@pytest.fixture(scope="module")
def forks():
    with workers.forks() as started:
        yield started


@pytest.fixture(scope="module")
def killed(forks, tmp_path_factory):
    """The data set, and the run of two workers whose chief died in the student's second epoch, before a checkpoint."""
    folder = tmp_path_factory.mktemp("workers")
    data = tiny.write_shapes(folder / "shapes")
    task = {"runs": [{"data": str(data), "run": str(folder / "run"), **SETTINGS, "stages": STAGES[:2]}]}
    chief, other = forks.workers([{**task, "dies_after": ["student", 2]}, task])
    assert chief.returncode == -9 and other.returncode == 75
    (line,) = [line for line in other.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: worker 1 of 2: another worker ended or can't be reached")
    return data, folder / "run"


def epochs_of(run) -> list[list]:
    return pd.read_csv(run / "history.csv")[["stage", "epoch"]].values.tolist()


def test_it_goes_on_on_one_machine(killed, tmp_path, monkeypatch, capsys):
    data, interrupted = killed
    run = shutil.copytree(interrupted, tmp_path / "run")
    before = pd.read_csv(run / "history.csv")
    tiny.register(monkeypatch)
    train(tiny.config(data, run, **{**SETTINGS, "distribute": "none"}, stages=STAGES[:2]))
    assert "teacher: reused" in capsys.readouterr().out
    assert epochs_of(run) == [[stage, number] for stage in STAGES[:2] for number in (1, 2)]
    history = pd.read_csv(run / "history.csv")
    pd.testing.assert_frame_equal(history[:3], before[:3], check_dtype=False)
    assert history["loss"][3] != before["loss"][3], "the second epoch had no checkpoint, and is trained on one machine"
    assert not list((run / "checkpoints").iterdir())


def test_it_goes_on_on_two_and_the_chief_alone_trains_in_8_bits(killed, forks):
    data, run = killed
    task = {"runs": [{"data": str(data), "run": str(run), **SETTINGS, "stages": STAGES}], "exports": True}
    chief, other = forks.workers([task, task])
    assert [chief.returncode, other.returncode] == [0, 0], chief.stderr[-3000:]
    assert "int8 is trained on one device, whatever distribute says" in " ".join(chief.stdout.split())
    assert "int8" not in other.stdout
    assert [stage for stage, _ in epochs_of(run)] == [stage for stage in STAGES for _ in (1, 2)]
    assert (run / "int8" / "student_int8.tflite").is_file()
