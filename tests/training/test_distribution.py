"""Two devices, and two processes, train as one: the same step, the same files, and a run that survives its workers."""

import json

import numpy as np
import pandas as pd
import pytest

from evaluation.artefacts import load_keras_model
from tests.training import workers

SETTINGS = {"teacher": "wide", "student": "narrow", "stages": ["teacher", "student"], "distribute": "multiworker"}


@pytest.fixture(scope="module")
def forks():
    with workers.forks() as started:
        yield started


@pytest.fixture(scope="module")
def mirrored(shapes, forks, tmp_path_factory):
    """What `tests.training.mirrored` found, and the folder of its runs."""
    folder = tmp_path_factory.mktemp("mirrored")
    (done,) = forks.run([{"do": "mirror", "words": [str(shapes), str(folder)], "environment": {}}])
    if done.returncode:
        pytest.fail(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1]), folder


def check_step(found: dict) -> None:
    assert found["still"] <= 1, "all weights moved, but the bias of the saliency head, which a softmax does not see"
    assert found["weights"] < 1e-5 and found["logs"] < 1e-5 and found["scored"] < 1e-5
    assert found["same names"] and found["same configuration"]


@pytest.mark.parametrize("learner", ["student", "teacher"])
def test_two_devices_take_the_step_of_one(mirrored, learner):
    found, _ = mirrored
    assert found["replicas"] == 2 and found["uneven"]
    check_step(found[learner])
    terms = {"gaze", "hint", "similarity", "decoupled", "agreement"} if learner == "student" else set()
    assert set(found[learner]["names"]) >= {"loss", "regularisation", *terms}


def test_a_run_on_two_devices_is_the_run_on_one(mirrored):
    _, folder = mirrored
    one, two = (pd.read_csv(folder / name / "history.csv") for name in ("none", "mirrored"))
    pd.testing.assert_frame_equal(two, one, rtol=1e-3, atol=1e-4)
    one, two = (load_keras_model(folder / name / "student" / "student.keras") for name in ("none", "mirrored"))
    assert one.get_config() == two.get_config(), "a deployed model knows nothing of a strategy"
    for a, b in zip(one.get_weights(), two.get_weights()):
        np.testing.assert_allclose(b, a, atol=1e-3)


@pytest.fixture(scope="module")
def killed(shapes, forks, tmp_path_factory):
    """Two workers: started differently, then without a common folder, then one dies after the student's epoch 1."""
    folder = tmp_path_factory.mktemp("workers")
    run = {"data": str(shapes), "run": str(folder / "run"), **SETTINGS}
    tasks = []
    for number in range(2):
        other = {**run, "seed": 3 + number}
        apart = {**run, "run": str(folder / f"apart{number}")}
        # The teacher's graph on two devices is compared above.
        tasks.append({"runs": [other, apart, run], "eagerly": ["teacher"]})
    tasks[1]["dies_after"] = ["student", 1]
    return forks.workers(tasks), folder


@pytest.fixture(scope="module")
def resumed(shapes, forks, killed):
    _, folder = killed
    before = pd.read_csv(folder / "run" / "history.csv")
    task = {"runs": [{"data": str(shapes), "run": str(folder / "run"), **SETTINGS}], "compare": str(shapes)}
    task["eagerly"] = ["teacher", "student"]  # the run before had the student's graphs
    return forks.workers([task, task]), before, folder / "run"


@pytest.mark.slow
def test_workers_that_disagree_are_one_line_each(killed):
    (chief, other), folder = killed
    for done in (chief, other):
        differ, apart = errors(done)[:2]
        assert differ.startswith("error: seed: worker 1 and worker 0 were started with different ones")
        assert "worker 1 can't see what the chief writes there" in apart
    assert not (folder / "apart1").exists()


@pytest.mark.slow
def test_a_killed_worker_is_one_line(killed):
    (chief, other), _ = killed
    assert other.returncode == -9 and chief.returncode == 75
    (line,) = errors(chief)[2:]
    assert line.startswith("error: worker 0 of 2: another worker ended or can't be reached")


@pytest.mark.slow
def test_the_run_goes_on_after_its_last_whole_epoch(resumed):
    done, before, run = resumed
    assert [process.returncode for process in done] == [0, 0], done[0].stderr[-3000:]
    history = pd.read_csv(run / "history.csv")
    epochs = [[stage, number] for stage in ("teacher", "student") for number in (1, 2)]
    assert history[["stage", "epoch"]].values.tolist() == epochs
    pd.testing.assert_frame_equal(history[: len(before)], before, check_dtype=False)
    assert "teacher: reused" in done[0].stdout
    assert not list((run / "checkpoints").iterdir())


@pytest.mark.slow
def test_the_chief_alone_prints_and_writes(resumed):
    (chief, other), _, run = resumed
    assert "student 2/2" in chief.stdout and len(other.stdout.splitlines()) == 1, "the other one prints its comparison"
    assert len(list((run / "logs" / "student").iterdir())) == 2


@pytest.mark.slow
def test_two_workers_take_the_step_of_one(resumed):
    for process in resumed[0]:
        found = json.loads(process.stdout.splitlines()[-1])
        assert found["uneven"]
        check_step(found["student"])


def errors(done) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]
