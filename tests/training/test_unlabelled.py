"""Frames that nobody labelled: which are gone through, and what is learned from them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from common.errors import InputError
from data.dataset import open_dataset
from data.pipeline import PipelineSettings, evaluation_batches, frames_taken, training_batches
from losses import TERMS, LossSettings
from tests.training import tiny
from training import train
from training.frames import learned_from
from training.stages import Stage, stage_fingerprints

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


def test_no_term_over_frames_with_gaze_is_learned_from_without_gaze(partly):
    for term in (term for term in TERMS.values() if term.over == "gaze"):
        loss = LossSettings().only(**{term.setting: 1.0})
        assert learned_from(loss, "none", partly) == learned_from(loss, "real", partly) == "none", term.name
        assert loss.without_gaze().is_empty()
    assert learned_from(LossSettings().only(alpha=1.0), "none", partly) == "all"


def test_classes_do_not_weigh_the_frames_of_a_gaze_pretraining(shapes, run):
    """It is without labels: with the weights of classes the labels would decide how much a frame's gaze counts."""
    data = open_dataset(shapes)
    weighed, alike = (tiny.config(shapes, run, sigma=0.03, class_weights=given) for given in (True, False))
    for stage, labels_count in (("pretrain", False), ("pretrain_teacher", False), ("teacher", True), ("student", True)):
        assert Stage(stage, weighed, data, run, "").pipeline(weighed.distil).class_weights == labels_count
    one, other = (stage_fingerprints(each, data) for each in (weighed, alike))
    assert one["pretrain"] == other["pretrain"] and one["student"] != other["student"]


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
