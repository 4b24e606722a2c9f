"""The cached outputs of a teacher are those of the live one, on the very frames that the student sees."""

import dataclasses
import errno
import json
import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from data.dataset import open_dataset
from losses import LossSettings
from losses.attention import attention_map
from models.distiller import teacher_pass
from models.ensemble import combine, shares
from tests.training import tiny
from training import DistilSettings, train
from training.cluster import Cluster
from training.distribution import Distribution
from training.stages import Stage, stage_fingerprints
from training.teacher import load_teachers, with_sigma
from training.teacher_cache import average_views, teacher_cache

pytestmark = pytest.mark.usefixtures("eagerly")
VIEWS = 3


@pytest.fixture(scope="module")
def stage(whole_run, tmp_path_factory):
    """The student's stage of a new run, taught by the whole run's teacher, and that teacher."""
    folder = tmp_path_factory.mktemp("cache")
    for file in (whole_run.run / "teacher").glob("teacher.keras*"):
        (folder / file.name).write_bytes(file.read_bytes())
    distil = dataclasses.replace(whole_run.distil, views=VIEWS, epochs=VIEWS + 1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny.register(monkeypatch)
        path = (folder / "teacher.keras",)
        config = with_sigma(dataclasses.replace(whole_run, run=folder / "run", distil=distil, teacher_path=path))
        data = open_dataset(config.data)
        prints = stage_fingerprints(config, data)
        made = Stage("student", config, data, config.run, prints["student"], prints)
        yield made, load_teachers(config, data, config.run)


def test_a_cached_batch_is_the_live_one_to_float16(stage):
    stage, teacher = stage
    loss = stage.config.loss
    live = teacher_pass(teacher, loss)
    cache = teacher_cache(stage, teacher)
    steps = stage.steps_per_epoch(stage.config.distil)
    seen = 0
    for features, *_ in stage.training_batches(stage.config.distil, 0, cache).take(steps * VIEWS):
        cached, alive = features["teacher"], live({k: v for k, v in features.items() if k != "teacher"})
        np.testing.assert_allclose(cached["logits"], alive["logits"], rtol=2e-3, atol=2e-3)
        for tap in loss.teacher_taps():
            np.testing.assert_allclose(attention_map(cached[tap]), attention_map(alive[tap]), atol=1e-3)
        seen += len(features["frame"])
    assert seen >= VIEWS * stage.data.frames("train")


def test_averaged_targets_are_the_mean_over_the_views_and_maps_stay_those_of_the_view(stage):
    stage, teacher = stage
    single = teacher_cache(stage, teacher)
    distil = dataclasses.replace(stage.config.distil, average_views=True)
    stage = dataclasses.replace(stage, config=dataclasses.replace(stage.config, distil=distil))
    averaged, at = teacher_cache(stage, teacher), stage.config.loss.temperature
    assert averaged.folder == single.folder
    index = tf.constant([5, 0, 17], tf.int64)
    whole = [averaged.lookup("train")(tf.fill([3], tf.constant(view, tf.int64)), index) for view in range(VIEWS)]
    alone = [single.lookup("train")(tf.fill([3], tf.constant(view, tf.int64)), index) for view in range(VIEWS)]
    for temperature, name in ((1.0, "logits"), (at, "soft_logits")):
        mean = np.mean([tf.nn.softmax(one["logits"] / temperature) for one in alone], axis=0)
        for one in whole:
            np.testing.assert_allclose(tf.nn.softmax(one[name] / temperature), mean, rtol=1e-5)
    assert not np.allclose(alone[0]["logits"], alone[1]["logits"], atol=1e-3)
    for tap in stage.config.loss.teacher_taps():
        for one, other in zip(whole, alone, strict=True):
            np.testing.assert_array_equal(one[tap], other[tap])


def test_averaging_needs_views():
    with pytest.raises(InputError, match=r"distil.average_views true: needs a teacher cache"):
        DistilSettings(average_views=True)


def test_validation_is_cached_without_augmentation(stage):
    stage, teacher = stage
    cache = teacher_cache(stage, teacher)
    live = teacher_pass(teacher, stage.config.loss)
    for features, *_ in stage.validation_batches(stage.config.distil, cache):
        alive = live({k: v for k, v in features.items() if k != "teacher"})
        np.testing.assert_allclose(features["teacher"]["logits"], alive["logits"], rtol=2e-3, atol=2e-3)


def test_views_come_back_and_each_epoch_has_another_order(stage):
    stage, teacher = stage
    cache = teacher_cache(stage, teacher)
    settings = dataclasses.replace(stage.config.distil, batch_size=stage.data.frames("train"))
    batches = [f["frame"].numpy() for f, *_ in stage.training_batches(settings, 0, cache).take(VIEWS + 1)]

    def ordered(frames):
        return frames[np.lexsort(frames.reshape(len(frames), -1).T)]

    np.testing.assert_array_equal(ordered(batches[0]), ordered(batches[VIEWS]))
    assert not np.array_equal(batches[0], batches[VIEWS])
    assert not np.array_equal(ordered(batches[0]), ordered(batches[1]))


def test_a_filled_cache_is_not_filled_again(stage):
    stage, teacher = stage
    files = {file: file.stat().st_mtime_ns for file in teacher_cache(stage, teacher).folder.iterdir()}
    other = dataclasses.replace(stage, config=dataclasses.replace(stage.config, student="sononet_8"))
    assert {file: file.stat().st_mtime_ns for file in teacher_cache(other, teacher).folder.iterdir()} == files


@pytest.mark.parametrize("change", ["seed", "sigma", "views"])
def test_other_settings_have_a_cache_of_their_own(stage, change):
    stage, teacher = stage
    changed = {
        "seed": {"seed": 5},
        "sigma": {"sigma": 0.05},
        "views": {"distil": dataclasses.replace(stage.config.distil, views=1)},
    }[change]
    other = dataclasses.replace(stage, config=dataclasses.replace(stage.config, **changed))
    assert teacher_cache(other, teacher).folder != teacher_cache(stage, teacher).folder


def test_an_interrupted_filling_goes_on_and_gives_the_same_bytes(stage, monkeypatch):
    stage, teacher = stage
    config = dataclasses.replace(stage.config, seed=11)
    stage = dataclasses.replace(stage, config=config)
    whole = teacher_cache(stage, teacher).folder
    expected = json.loads((whole / "cache.json").read_text())
    for file in whole.iterdir():
        file.unlink()
    whole.rmdir()
    views = []

    def stop_at_the_last_view(data, split, settings, augmentation, view):
        views.append((split, view))
        if views.count(("train", VIEWS - 1)):
            raise KeyboardInterrupt
        return batches(data, split, settings, augmentation, view)

    from training import teacher_cache as module

    batches = module.view_batches
    monkeypatch.setattr(module, "view_batches", stop_at_the_last_view)
    with pytest.raises(KeyboardInterrupt):
        teacher_cache(stage, teacher)
    assert not whole.exists()
    monkeypatch.undo()
    tiny.register(monkeypatch)
    again = teacher_cache(stage, teacher).folder
    assert json.loads((again / "cache.json").read_text()) == expected


OTHER_INDEX = '{"identity": {}, "files": {}}'


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: (folder / "train-logits.npy").write_bytes(b"torn"), "train-logits.npy.*torn"),
        (lambda folder: _flip(folder / "train-logits.npy"), "train-logits.npy.*content"),
        (lambda folder: (folder / "val-logits.npy").unlink(), "val-logits.npy.*missing"),
        (lambda folder: (folder / "cache.json").write_text("{}"), "cache.json.*identity is missing"),
        (lambda folder: (folder / "cache.json").write_text(OTHER_INDEX), "cache.json.*another teacher"),
    ],
)
def test_a_damaged_cache_is_named(filled, damage, message):
    stage, teacher, folder = filled
    damage(folder)
    with pytest.raises(InputError, match=message):
        teacher_cache(stage, teacher)


@pytest.fixture
def untrained(monkeypatch):
    """No stage may train, not even on the gaze."""

    def fit(learner, stage, *_):
        pytest.fail(f"{stage.name} was trained")

    monkeypatch.setattr("training.student.fit", fit)
    monkeypatch.setattr("training.teacher.fit", fit)


@pytest.mark.usefixtures("untrained")
def test_a_torn_cache_is_known_before_the_run_begins(filled, run):
    """Once it was found after the pretraining on the gaze."""
    stage, _, folder = filled
    (folder / "train-logits.npy").write_bytes(b"torn")
    config = dataclasses.replace(stage.config, run=run, stages=("student",), pretrain={"epochs": 1}, evaluate=False)
    for dry_run in (True, False):
        with pytest.raises(InputError, match=r"train-logits\.npy.*torn"):
            train(config, dry_run=dry_run)
    assert not run.exists()


@pytest.mark.usefixtures("untrained")
def test_a_disk_without_place_for_the_cache_is_known_before_any_training(stage, run, monkeypatch):
    changes = {"seed": 41, "run": run, "stages": ("student",), "pretrain": {"epochs": 1}, "evaluate": False}
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(InputError, match=r"takes .* MB and the disk has"):
        train(dataclasses.replace(stage[0].config, **changes))
    assert not (run / "history.csv").exists()


@pytest.fixture
def filled(whole_cache, tmp_path):
    """A stage, its teacher and their filled cache, which may be damaged."""
    *made, folder = whole_cache
    shutil.copytree(folder, tmp_path / "whole")
    yield *made, folder
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "whole", folder)


@pytest.fixture(scope="module")
def whole_cache(stage):
    stage, teacher = stage
    stage = dataclasses.replace(stage, config=dataclasses.replace(stage.config, seed=21))
    return stage, teacher, teacher_cache(stage, teacher).folder


def _flip(file):
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def test_a_full_disk_is_said_before_anything_is_written(stage, monkeypatch):
    stage, teacher = stage
    stage = dataclasses.replace(stage, config=dataclasses.replace(stage.config, seed=31))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(InputError, match=r"takes .* MB and the disk has"):
        teacher_cache(stage, teacher)


def test_a_disk_that_is_full_when_the_space_is_taken_is_one_line(stage, monkeypatch, capsys):
    """A write into a hole of a memory-mapped file ended the process by SIGBUS.

    What a filling holds that was interrupted after that counts as free for it, and other caches are named.
    """
    stage, teacher = stage
    root = teacher_cache(stage, teacher).folder.parent
    stage = dataclasses.replace(stage, config=dataclasses.replace(stage.config, seed=51))
    others = [cache for cache in root.iterdir() if cache.suffix != ".part"]
    (root / "0123.part").mkdir()  # that of another process
    (root / "0123.part" / "train-logits.npy").write_bytes(b"x")
    size = sum(file.stat().st_size for other in others for file in other.rglob("*") if file.is_file())
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", _full)
        with pytest.raises(InputError, match="the disk is full"):
            teacher_cache(stage, teacher)
    assert f"holds {len(others)} other caches, {size / 1e6:.1f} MB: delete what no run" in capsys.readouterr().err

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.teacher_cache.track", interrupted)
        with pytest.raises(KeyboardInterrupt):
            teacher_cache(stage, teacher)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0})())
    assert teacher_cache(stage, teacher).folder not in others


def _full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_worker_that_does_not_see_the_cache_of_the_chief_does_not_fill_one(stage, monkeypatch):
    stage, teacher = stage
    filled = teacher_cache(stage, teacher).folder
    monkeypatch.setattr("training.distribution.SEEN_S", 0.1)
    worker = dataclasses.replace(stage, distribution=Distribution(None, Cluster(("a:1", "b:1"), 1)))
    assert teacher_cache(worker, teacher).folder == filled
    worker = dataclasses.replace(worker, config=dataclasses.replace(stage.config, seed=71))
    before = set(filled.parent.rglob("*"))
    with pytest.raises(InputError, match=r"cache\.json: worker 1 does not see what the chief has written"):
        teacher_cache(worker, teacher)
    assert set(filled.parent.rglob("*")) == before


def test_a_filled_cache_in_a_folder_that_may_not_be_written_is_used(stage, monkeypatch):
    stage, teacher = stage
    filled = teacher_cache(stage, teacher).folder
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert teacher_cache(stage, teacher).folder == filled
    other = dataclasses.replace(stage, config=dataclasses.replace(stage.config, seed=81))
    monkeypatch.setattr(os, "posix_fallocate", _full)
    with pytest.raises(InputError, match=f"{stage.run / 'cache'}.*: the disk is full"):
        teacher_cache(other, teacher)


@pytest.mark.parametrize("several", [False, True])
def test_averaging_part_by_part_is_averaging_at_once(several, monkeypatch):
    random = np.random.default_rng(0)
    names = ("logits", "soft_logits", "mean_logits") if several else ("logits",)
    arrays = {name: random.normal(0, 5, (3, 11, 4)).astype(np.float16) for name in names}
    whole = average_views(arrays, 4.0)
    monkeypatch.setattr("training.teacher_cache.AVERAGED_AT_ONCE", 4)
    parts = average_views(arrays, 4.0)
    for name in ("logits", "soft_logits", "mean_logits"):
        views = list(np.asarray(arrays[name if several else "logits"], np.float32))
        expected = combine(views, shares(3, None), 4.0)[name]
        assert whole[name].shape == parts[name].shape == (3, 11, 4) and whole[name].dtype == np.float32
        for view in range(3):
            np.testing.assert_array_equal(whole[name][view], expected)
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-6, atol=1e-6)


def test_terms_that_need_features_keep_the_teacher_live(stage):
    stage, teacher = stage
    assert LossSettings().needs_features() is None
    assert LossSettings(hint=1.0).needs_features() == "hint"
    live = dataclasses.replace(stage.config, loss=dataclasses.replace(stage.config.loss, hint=1.0))
    assert teacher_cache(dataclasses.replace(stage, config=live), teacher) is None
    none = dataclasses.replace(stage.config, distil=dataclasses.replace(stage.config.distil, views=0))
    assert teacher_cache(dataclasses.replace(stage, config=none), teacher) is None


def test_the_teacher_does_not_run_while_the_student_trains(stage, monkeypatch):
    """A run that finds the cache never calls the teacher."""
    stage, teacher = stage
    teacher_cache(stage, teacher)
    called, call = set(), keras.Model.__call__

    def noted(self, *args, **kwargs):
        called.update(tensor.name for tensor in getattr(self, "inputs", None) or ())
        return call(self, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "__call__", noted)
    once = dataclasses.replace(stage.config.distil, epochs=1)  # each epoch takes the same steps
    train(dataclasses.replace(stage.config, distil=once, stages=("student",), evaluate=False))
    assert called == {"frame"}  # the teacher's network has the input gaze too
    batch, *_ = next(iter(stage.training_batches(stage.config.distil)))
    teacher_pass(teacher, stage.config.loss)(batch)
    assert called == {"frame", "gaze"}  # so it would have been noted
