"""What a baseline starts from: the frames that it learns from and calibrates on, and the heads of its student."""

import dataclasses
import shutil
import types

import keras
import numpy as np
import pytest

import models
from baselines import ChannelsConfig, PostTrainingConfig, PruneConfig
from baselines.source import load_heads, open_source, student_options
from baselines.unfinished import Unfinished
from common.errors import InputError
from data.dataset import open_dataset
from data.labels import limit_labels
from data.simulation import PARTLY, TRAINING
from evaluation.artefacts import Teacher, load_keras_model, read_metadata, save_keras, write_metadata
from models.distiller import build_objective
from tests.baselines.runs import call
from tests.quantization import small
from tests.training import tiny
from training.frames import unlabelled_of
from training.heads import HEADS, OtherHeads, save_heads
from training.heads import load_heads as load_heads_of
from training.stages import Stage


@pytest.fixture
def source(run, tmp_path):
    """Write an artefact of the run again, with other metadata: name, fields of `extra` → its path."""

    def write(name, **extra):
        path = tmp_path / f"{name}.keras"
        shutil.copy(run[0] / "run" / name / f"{name}.keras", path)
        metadata = read_metadata(run[0] / "run" / name / f"{name}.keras")
        write_metadata(path, dataclasses.replace(metadata, extra=extra))
        return path

    return write


HALF = {"labelled_patients": 4, "seed": 0}  # of eight patients of six frames


@pytest.mark.parametrize(
    ("config", "name", "settings", "frames"),
    [
        (ChannelsConfig, "student", {}, 24),
        (PruneConfig, "student", {}, 24),
        (PruneConfig, "student", {"unlabelled": "all"}, 48),
        (PruneConfig, "student", {"teacher": "t.keras"}, 48),  # soft targets need no label
        (PruneConfig, "student", {"teacher": "t.keras", "unlabelled": "none"}, 24),
        (PruneConfig, "student", {"teacher": "t.keras", "loss": {"alpha": 0, "attention": 0, "gaze": 0}}, 24),
    ],
    ids=str,
)
def test_frames_from_which_nothing_is_learned_are_left_out(source, run, tmp_path, config, name, settings, frames):
    """Once every baseline went through all frames, and a step of unlabelled ones moved the weights by decay alone."""
    given = config(source=source(name, **HALF), data=run[0] / "data", out=tmp_path / "out", **settings)
    opened = open_source(given, learns=True)
    assert opened.steps_per_epoch(8) == frames // 8
    if name == "student" and config is ChannelsConfig:
        (batch,) = opened.batches(24, given.augment).take(1)
        assert (batch[1].numpy() >= 0).all()


def test_a_baseline_goes_on_as_its_source_was_trained(source, run, tmp_path):
    kept = {**HALF, "unlabelled": "withheld", "labelled_share": 0.25, "class_weights": True, "gaze": "centre"}
    given = PruneConfig(source=source("student", **kept), data=run[0] / "data", out=tmp_path, teacher="t.keras", seed=7)
    settings = open_source(given, "student", learns=True).pipeline(16)
    for name in ("unlabelled", "labelled_share", "class_weights", "gaze"):
        assert getattr(settings, name) == kept[name]
    assert (settings.seed, settings.batch_size) == (7, 16)
    for extra, words in (
        ({"labelled_share": "many"}, "labelled_share must be a number, not 'many'"),
        ({"labelled_share": 2.0}, "labelled_share must be above 0 and below 1, not 2.0"),
        ({"labelled_patients": "all"}, "labelled_patients must be a number, not 'all'"),
        ({"labelled_patients": -3}, "labelled_patients must be a whole number of patients, or a share"),
        ({"seed": -1}, "seed must be at least 0"),
    ):
        with pytest.raises(InputError, match=rf"student\.keras: extra\.{words}"):
            open_source(dataclasses.replace(given, source=source("student", **extra)))


def test_a_student_and_what_is_compressed_of_it_are_calibrated_on_the_same_frames(run, tmp_path, monkeypatch):
    """Once `compress.py` took other frames: those of its own seed, and all of them, whatever the run had taken."""
    monkeypatch.setattr("training.frames.CALIBRATION_BATCHES", 2)
    folder = run[0] / "data"
    budget = {"seed": 1, "labelled_patients": 4, "labelled_share": 0.5, "unlabelled": "withheld"}
    config = tiny.config(folder, tmp_path / "run", student=small.NAME, teacher="vgg16", sigma=0.03, **budget)
    stage = Stage("int8", config, limit_labels(open_dataset(folder), 4, 1), config.run, "")
    student, path = load_keras_model(run[0] / "run" / "student" / "student.keras"), tmp_path / "student.keras"
    save_keras(student, path, dataclasses.replace(stage, name="student").metadata(student, small.NAME, "logits"))
    compressed = open_source(PostTrainingConfig(source=path, data=folder, out=tmp_path / "out"), "student")
    wanted, found = stage.calibration_features(), compressed.calibration_frames()
    assert len(wanted) == len(found) == 2
    for one, other in zip(wanted, found):
        np.testing.assert_array_equal(one["frame"], other)
    assert unlabelled_of("student", config, stage.data) == compressed.trained.unlabelled == "withheld"


def test_what_came_out_names_the_teacher_that_it_was_distilled_from(source, run, tmp_path):
    """Once it named what had taught the source, and compression ratios were to that."""
    opened = open_source(PruneConfig(source=source("student"), data=run[0] / "data", out=tmp_path / "out"), "student")
    own, teacher = opened.metadata.teacher, keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="other")
    assert opened.describe(opened.model, "pruned").teacher == own
    assert opened.describe(opened.model, "pruned", teacher).teacher == Teacher("other", 15) != own


@pytest.mark.parametrize(("before", "after"), [(True, True), (False, PARTLY), (None, True)])
def test_what_came_out_says_whether_any_training_was_on_simulated_frames(source, run, tmp_path, before, after):
    known = {} if before is None else {TRAINING: before}
    given = PruneConfig(source=source("student", **known), data=run[0] / "data", out=tmp_path / "out")
    opened = open_source(given, "student")
    assert opened.data.info["source"]["simulated"] is True
    assert opened.describe(opened.model, "pruned").extra[TRAINING] == after


def test_options_that_the_conversion_needs_not_are_checked_all_the_same(run, tmp_path, capsys):
    assert call(run, "ptq", tmp_path / "out", "--student-options", "{nonsense: 3}") == 2
    error = capsys.readouterr().err
    assert "nonsense" in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_state_of_another_version_of_the_training_is_not_gone_on_from(source, run, tmp_path, monkeypatch):
    opened = open_source(ChannelsConfig(source=source("student"), data=run[0] / "data", out=tmp_path / "out"))
    before = Unfinished(opened).file("keep_50")
    assert Unfinished(opened).file("keep_50") == before
    monkeypatch.setattr("baselines.unfinished.TRAINING_VERSION", 0)
    assert Unfinished(opened).file("keep_50") != before


def test_damaged_heads_are_named_and_not_replaced_by_random_ones(run, tmp_path, capsys):
    shutil.copytree(run[0] / "run" / "student", tmp_path / "student")
    (tmp_path / "student" / HEADS).write_bytes(b"PK torn")
    assert call(run, "prune", tmp_path / "out", source=tmp_path / "student" / "student.keras") == 2
    error = capsys.readouterr().err
    assert f"{HEADS}: is no readable archive of heads" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_heads_of_another_loss_are_left_out_with_a_notice(source, run, tmp_path, capsys):
    path = source("student")
    given = PruneConfig(source=path, data=run[0] / "data", out=tmp_path / "out")
    opened = open_source(given, "student", learns=True)
    keras.utils.set_random_seed(0)
    gaze = dataclasses.replace(given.loss.without_teacher(), gaze=0.3)
    trained = build_objective(opened.model, None, gaze)
    save_heads(build_objective(opened.model, None, given.learned), path.with_name(HEADS))
    with pytest.raises(OtherHeads):
        load_heads_of(trained, path.with_name(HEADS))
    before = trained.get_weights()
    load_heads(opened, trained)
    assert "holds the heads of another loss" in capsys.readouterr().err
    for one, other in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("said", [{"width": 0.25}, {"width": 0.5, "standardise": True}, {"width": 0.5}])
def test_options_of_another_network_are_refused(said, tmp_path):
    """A layer without weights, which standardises frames, counts too."""
    built = {"width": 0.25, "standardise": True}
    model = models.create("sononet_4", (32, 40, 1), 3, **built)
    source = types.SimpleNamespace(
        path=tmp_path / "student.keras", model=model, metadata=types.SimpleNamespace(name="sononet_4")
    )
    assert student_options(source, types.SimpleNamespace(student_options=built)) == built
    with pytest.raises(InputError, match=r"student\.keras: is no sononet_4 with the options .*as student_options"):
        student_options(source, types.SimpleNamespace(student_options=said))
