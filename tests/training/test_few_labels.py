"""A run with a budget of labels: what it learns from, what it stores, what it withholds from those that come after."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

from baselines.config import StudentConfig
from baselines.source import open_source
from data.dataset import open_dataset
from data.labels import limit_labels
from tests.eager import running_eagerly
from tests.training import tiny
from training import train
from training.checks import check_data
from training.stages import Stage

pytestmark = pytest.mark.usefixtures("quick_exports")
# Which labels count is seen after one epoch.
ONCE = {"epochs": 1, "batch_size": 16, "precision": "float32"}


@pytest.fixture(scope="module")
def few_run(shapes, tmp_path_factory):
    """The run of a teacher of three patients' labels; read only."""
    run = tmp_path_factory.mktemp("few") / "run"
    with pytest.MonkeyPatch.context() as monkeypatch, running_eagerly():
        tiny.register(monkeypatch)
        train(tiny.config(shapes, run, stages=["teacher"], labelled_patients=3, teach=ONCE))
    return run


def weights(run, stage):
    return keras.models.load_model(run / stage / f"{stage}.keras").get_weights()


def test_a_teacher_of_a_budget_is_the_teacher_of_these_labels_alone(shapes, few_run, tmp_path):
    few = limit_labels(open_dataset(shapes), 3, seed=3).labelled_patients
    assert json.loads((few_run / "labelled_patients.json").read_text()) == sorted(few) and len(few) == 3
    own = tiny.write_shapes(
        tmp_path / "own", labelled=lambda split, index: f"{split}{index // 6}" in few or split != "train"
    )
    train(tiny.config(own, tmp_path / "own_run", stages=["teacher"], teach=ONCE))
    for one, other in zip(weights(few_run, "teacher"), weights(tmp_path / "own_run", "teacher"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_without_a_budget_names_no_patients(shapes, run, few_run):
    shutil.copytree(few_run, run)
    train(tiny.config(shapes, run, stages=["teacher"], teach=ONCE), overwrite=True)
    assert not (run / "labelled_patients.json").exists(), "those of the run before"


def test_a_student_alone_takes_as_many_steps_as_one_that_goes_through_all_frames(shapes, run):
    data = limit_labels(open_dataset(shapes), 2, seed=3)  # 12 of 48 frames
    steps = {}
    for name, settings in {
        "alone": {"teacher": "none", "gaze": "none", "distil": {"batch_size": 8, "steps_per_epoch": 6}},
        "short": {"teacher": "none", "gaze": "none", "distil": {"batch_size": 8}},
        "taught": {"distil": {"batch_size": 8}},
    }.items():
        config = tiny.config(shapes, run, sigma=0.03, labelled_patients=2, **settings)
        stage = Stage("student", config, data, run, "")
        steps[name] = stage.steps_per_epoch(config.distil)
        labels = np.concatenate([label for _, label, _ in stage.training_batches(config.distil).take(6)])
        assert (labels >= 0).all() == (name != "taught")
    assert steps == {"alone": 6, "short": 2, "taught": 6}


def test_a_student_with_a_share_is_distilled_from_a_cache_and_its_history_is_whole(shapes, run, few_run):
    shutil.copytree(few_run, run)
    settings = {"teach": ONCE, "distil": {"epochs": 1, "batch_size": 16, "views": 1}}
    few = {"labelled_patients": 3, "labelled_share": 0.25}
    train(tiny.config(shapes, run, stages=["teacher", "student"], **settings, **few))
    logged = pd.read_csv(run / "history.csv").query("stage == 'student'")
    assert np.isfinite(logged[["loss", "hard", "soft", "gaze", "val_accuracy"]]).all(axis=None)
    # A compression of it sees no label that it was trained without.
    source = open_source(StudentConfig(source=run / "student" / "student.keras", data=shapes, out=run / "pruned"))
    assert source.data.labelled_patients == limit_labels(open_dataset(shapes), 3, seed=3).labelled_patients


@pytest.mark.parametrize(("few", "said"), [({}, True), ({"labelled_patients": 3}, False)])
def test_a_labelled_share_of_frames_that_all_have_labels_is_said_to_have_no_effect(shapes, run, few, said, capsys):
    data = limit_labels(open_dataset(shapes), 3, seed=3) if few else open_dataset(shapes)
    check_data(tiny.config(shapes, run, labelled_share=0.25, **few), data)
    assert ("labelled_share 0.25 has no effect: 48 of the 48 frames" in capsys.readouterr().err) == said


def test_a_teacher_that_goes_on_after_its_pretraining_keeps_the_history_of_it(shapes, run, monkeypatch):
    """Once the second command dropped what the first had logged of the pretraining, which it did not repeat."""
    settings = {"stages": ["teacher"], "pretrain_teacher": {"epochs": 1, "batch_size": 16}, "teach": ONCE}
    with monkeypatch.context() as patched:
        patched.setattr("training.teacher.TeacherLearner", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patched.setattr("training.run.check_models", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            train(tiny.config(shapes, run, **settings))
    before = pd.read_csv(run / "history.csv")
    logs = sorted(path.name for path in (run / "logs" / "pretrain_teacher").iterdir())
    assert list(before["stage"]) == ["pretrain_teacher"] and logs
    train(tiny.config(shapes, run, **settings))
    after = pd.read_csv(run / "history.csv")
    assert list(after["stage"]) == ["pretrain_teacher", "teacher"]
    assert after["gaze"][0] == before["gaze"][0]
    assert sorted(path.name for path in (run / "logs" / "pretrain_teacher").iterdir()) == logs


def test_a_teacher_of_few_labels_first_learns_from_the_gaze_of_all_frames(shapes, run, few_run):
    pretrain = {"epochs": 2, "batch_size": 16}
    settings = {"stages": ["teacher"], "labelled_patients": 3, "pretrain_teacher": pretrain, "teach": ONCE}
    train(tiny.config(shapes, run, **settings))
    logged = pd.read_csv(run / "history.csv").set_index("stage")
    assert np.isfinite(logged.loc["pretrain_teacher", ["gaze", "val_gaze"]]).all(axis=None)
    assert list(logged.index) == ["pretrain_teacher", "pretrain_teacher", "teacher"]
    config = tiny.config(shapes, run, sigma=0.03, **settings)
    stage = Stage("pretrain_teacher", config, limit_labels(open_dataset(shapes), 3, seed=3), run, "")
    assert stage.steps_per_epoch(config.pretrain_teacher) == 3  # of 48 frames, of which 18 are labelled
    one, other = (weights(folder, "teacher") for folder in (run, few_run))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))
