"""Frames that nobody labelled: which are gone through, and what is learned from them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from common.errors import InputError
from data.dataset import open_dataset
from data.pipeline import PipelineSettings, evaluation_batches, frames_taken, training_batches
from tests.training import tiny
from training import train
from training.stages import Stage

pytestmark = pytest.mark.usefixtures("quick_exports")


def some(split, index) -> bool:
    """Of eight training patients of six frames, two are labelled, two half, four not at all."""
    return index < 12 or (index < 24 and index % 2 == 0)


@pytest.fixture(scope="module")
def partly(tmp_path_factory):
    """The data set with these labels, without gaze."""
    return open_dataset(tiny.write_shapes(tmp_path_factory.mktemp("partly") / "data", labelled=some, gaze=False))


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    """No label in the training split, half of them in validation; no gaze."""
    folder = tmp_path_factory.mktemp("none") / "data"
    return tiny.write_shapes(folder, labelled=lambda split, index: split != "train" and index < 6, gaze=False)


@pytest.mark.parametrize(("mode", "frames", "labelled"), [("all", 48, 18), ("patients", 42, 18), ("none", 18, 18)])
def test_each_choice_takes_its_frames(partly, mode, frames, labelled):
    assert frames_taken(partly, "train", mode) == frames
    settings = PipelineSettings(batch_size=frames, unlabelled=mode)
    for batches in (
        training_batches(partly, "train", settings).take(1),
        evaluation_batches(partly, "train", unlabelled=mode),
    ):
        labels = np.concatenate([label.numpy() for _, label, _ in batches])
        assert (len(labels), (labels >= 0).sum()) == (frames, labelled)
    assert int(evaluation_batches(partly, "train", batch_size=5, unlabelled=mode).cardinality()) == -(-frames // 5)


def test_a_choice_that_is_none_is_refused(partly):
    with pytest.raises(InputError, match="unlabelled must be one of all, patients, withheld, none, not 'some'"):
        frames_taken(partly, "train", "some")


@pytest.mark.parametrize(
    ("stage", "settings", "steps"),
    [
        ("teacher", {}, 3),
        ("student", {}, 6),  # soft targets need no label
        ("student", {"teacher": "none"}, 3),  # no teacher, no gaze: nothing learns from the others
        ("student", {"teacher": "none", "unlabelled": "all"}, 6),
        ("student", {"unlabelled": "patients"}, 6),
        ("student", {"unlabelled": "none"}, 3),
        ("int8", {"teacher": "none"}, 3),
    ],
    ids=str,
)
def test_steps_are_counted_over_the_frames_that_are_gone_through(partly, run, stage, settings, steps):
    config = tiny.config(partly.path, run, sigma=0.03, distil={"batch_size": 8}, **settings)
    assert Stage(stage, config, partly, run, "").steps_per_epoch(config.distil) == steps


def test_a_teacher_and_a_student_of_its_own_learn_from_the_labelled_frames_alone(partly, run):
    train(tiny.config(partly.path, run, stages=["teacher"]))
    logged = pd.read_csv(run / "history.csv")
    assert np.isfinite(logged["val_accuracy"]).all() and logged["loss"].min() > 0
    labelled = tiny.write_shapes(run.parent / "labelled", counts=(18, 12, 12), gaze=False)
    assert open_dataset(labelled).labelled_frames("train") == partly.labelled_frames("train")


def test_a_student_learns_from_frames_that_nobody_labelled(unlabelled, run, tmp_path):
    teacher = tiny.write_teacher(tmp_path / "t.keras")
    loss = {"logit": 1, "decoupled": 0.1}
    config = tiny.config(unlabelled, run, stages=["student"], loss=loss, teacher_path=teacher, distil={"epochs": 1})
    train(config)
    assert not (run / "student" / "gaze_map.keras").exists(), "there was no gaze to learn from"
    logged = pd.read_csv(run / "history.csv").iloc[0]
    assert logged["hard"] == 0 and logged["accuracy"] == 0 and logged["val_hard"] > 0
    assert min(logged[["soft", "logit", "decoupled", "attention"]]) > 0
    right = logged["val_accuracy"] * 6  # of the six validation frames with a label
    assert right == pytest.approx(round(right), abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "no labelled frame in its training split for the teacher plain"),
        ({"teacher": "none"}, "no labelled frame in its training split, and teacher is 'none'"),
        ({"given": True, "loss": {"alpha": 0, "attention": 0, "gaze": 0}}, "every weight of loss that needs no label"),
        ({"given": True, "pretrain": {"epochs": 1}}, "pretrain.epochs must be 0 without gaze"),
        ({"given": True, "unlabelled": "none"}, "and unlabelled is 'none': there is nothing to learn from"),
        ({"given": True, "unlabelled": "withheld"}, "and unlabelled is 'withheld': there is nothing to learn from"),
        ({"given": True, "loss": {"alpha": 0, "attention": 0}}, "or needs gaze that is not there"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_labels_that_are_missed_are_known_before_any_training(unlabelled, run, settings, named, tmp_path):
    if settings.pop("given", False):
        settings = {**settings, "teacher_path": tiny.write_teacher(tmp_path / "t.keras")}
    with pytest.raises(InputError) as caught:
        train(dataclasses.replace(tiny.config(unlabelled, run, stages=["student"]), **settings))
    assert named in str(caught.value)
    assert not run.exists()
