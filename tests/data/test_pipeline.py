"""Batches keep their contract, whatever the gaze mode, and repeat exactly."""

import dataclasses
import os
import time
from collections import Counter, defaultdict

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from data.augment import Augmentation, draws_at, random_draws
from data.dataset import UNLABELLED
from data.mixing import mixed_records, record_offsets
from data.modes import GAZE_MODES
from data.pipeline import PipelineSettings, evaluation_batches, training_batches, view_batches
from data.saliency import map_size, render_saliency
from data.selection import selected_examples
from tests.data.tiny_dataset import CLASSES, FRAME, records, write

MAP = map_size(FRAME)
ROWS = records(5, [6, 4, 6, 3, 5], seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("pipeline") / "d", {"train": ROWS}, require_all_classes=False)


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    rows = records(4, gaze=False)
    return write(tmp_path_factory.mktemp("blind") / "d", {"train": rows}, require_all_classes=False)


def whole(data, **kwargs):
    """All evaluation batches joined: features, label, weight."""
    batches = list(evaluation_batches(data, "train", batch_size=4, **kwargs).as_numpy_iterator())
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)


def take(data, count, *, skip=0, augmentation=None, **settings):
    batches = training_batches(data, "train", PipelineSettings(**settings), augmentation, skip=skip)
    return list(batches.take(count).as_numpy_iterator())


def same(one, other):
    for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        np.testing.assert_array_equal(a, b)


def expected_map(points_x, points_y):
    x, y = (np.array([values], np.float32) for values in (points_x, points_y))
    return render_saliency(x, y, ~np.isnan(x), MAP, aspect=FRAME[1] / FRAME[0])[0].numpy()[0]


def check_contract(features, label, weight, count):
    assert set(features) == {"frame", "gaze", "gaze_valid"}
    assert features["frame"].shape == (count, *FRAME, 1) and features["frame"].dtype == np.float32
    assert features["frame"].min() >= 0 and features["frame"].max() <= 1
    assert features["gaze"].shape == (count, *MAP) and features["gaze"].dtype == np.float32
    np.testing.assert_allclose(features["gaze"].sum(axis=(1, 2)), 1, rtol=1e-5)
    assert features["gaze_valid"].shape == (count,) and features["gaze_valid"].dtype == bool
    assert label.shape == (count,) and label.dtype == np.int32
    assert weight.shape == (count,) and weight.dtype == np.float32
    np.testing.assert_allclose(features["gaze"][~features["gaze_valid"]], 1 / np.prod(MAP), rtol=1e-5)


@pytest.mark.parametrize("gaze", GAZE_MODES)
@pytest.mark.parametrize("kind", ["data", "blind"])
def test_every_batch_keeps_the_contract(request, kind, gaze):
    data = request.getfixturevalue(kind)
    for batch in take(data, 3, batch_size=7, gaze=gaze, augmentation=Augmentation()):
        check_contract(*batch, 7)
    features, label, weight = whole(data, gaze=gaze)
    check_contract(features, label, weight, data.frames("train"))
    if kind == "blind" or gaze == "none":
        assert not features["gaze_valid"].any()


def test_evaluation_is_the_split_once_in_stored_order(data):
    features, label, weight = whole(data)
    assert len(label) == len(ROWS)
    np.testing.assert_array_equal(label, [row.label for row in ROWS])
    np.testing.assert_allclose(features["frame"][..., 0] * 255, [row.frame for row in ROWS], atol=1e-4)
    np.testing.assert_array_equal(features["gaze_valid"], [bool(row.gaze_x) for row in ROWS])
    assert (weight == 1).all()
    for got, row in zip(features["gaze"], ROWS):
        np.testing.assert_allclose(got, expected_map(row.gaze_x or [np.nan], row.gaze_y or [np.nan]), atol=1e-6)


def test_centre_puts_one_blob_in_the_middle_of_each_frame_that_has_gaze(data):
    features, _, _ = whole(data, gaze="centre")
    has = np.array([bool(row.gaze_x) for row in ROWS])
    np.testing.assert_array_equal(features["gaze_valid"], has)
    np.testing.assert_allclose(features["gaze"][has], expected_map([0.5], [0.5])[None].repeat(has.sum(), 0), atol=1e-6)


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """Each frame's only gaze point says which frame it is."""
    rows = [
        dataclasses.replace(row, gaze_x=[(i + 0.5) / len(ROWS)], gaze_y=[0.5]) if i % 4 else row
        for i, row in enumerate(ROWS)
    ]
    rows = [row if i % 4 else dataclasses.replace(row, gaze_x=[], gaze_y=[]) for i, row in enumerate(rows)]
    return write(tmp_path_factory.mktemp("marked") / "d", {"train": rows}, require_all_classes=False), rows


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_gaze_comes_from_another_recording_and_loses_none(marked, seed):
    data, rows = marked
    examples = list(selected_examples(data, "train", gaze="shuffled", seed=seed)().as_numpy_iterator())
    source = {np.float32(row.gaze_x[0]): row.recording_id for row in rows if row.gaze_x}
    for example, row in zip(examples, rows, strict=True):
        np.testing.assert_array_equal(example["frame"][..., 0], row.frame)
        for x in example["x"]:
            assert source[x] != row.recording_id
    given = Counter(tuple(example["x"]) for example in examples)
    assert given == Counter(tuple(np.float32(row.gaze_x)) for row in rows)


def test_shuffled_gaze_keeps_lists_of_points_together(data):
    examples = selected_examples(data, "train", gaze="shuffled", seed=3)()
    given = Counter((tuple(e["x"]), tuple(e["y"])) for e in examples.as_numpy_iterator())
    assert given == Counter((tuple(np.float32(r.gaze_x)), tuple(np.float32(r.gaze_y))) for r in ROWS)
    assert max(len(x) for x, _ in given) > 1


def test_shuffled_gaze_depends_on_the_seed_alone(data):
    same(whole(data, gaze="shuffled", seed=1), whole(data, gaze="shuffled", seed=1))
    one, other = (whole(data, gaze="shuffled", seed=seed)[0]["gaze"] for seed in (1, 2))
    assert (one != other).any()


def test_gaze_that_can_not_be_shuffled_is_refused(tmp_path):
    """One recording with more than half of the frames has nowhere to take its gaze from."""
    for name, lengths, said in (("one", [5], "5 of the 5"), ("most", [6, 5], "6 of the 11")):
        data = write(tmp_path / name, {"train": records(1, lengths, seed=2)}, require_all_classes=False)
        with pytest.raises(InputError, match=rf"split 'train': gaze 'shuffled': .* pr0 has {said} frames"):
            whole(data, gaze="shuffled")
    half = write(tmp_path / "half", {"train": records(2, [5, 5], seed=2)}, require_all_classes=False)
    assert len(whole(half, gaze="shuffled")[1]) == 10


def test_an_unknown_mode_is_refused(data):
    with pytest.raises(InputError, match="gaze must be one of real, none, shuffled, centre, not 'upside'"):
        whole(data, gaze="upside")


@pytest.mark.parametrize("augmentation", [None, Augmentation()], ids=["plain", "augmented"])
def test_the_same_seed_gives_the_same_batches(data, augmentation):
    first, again, other = (take(data, 8, batch_size=5, seed=seed, augmentation=augmentation) for seed in (1, 1, 2))
    same(first, again)
    assert any((a[0]["frame"] != b[0]["frame"]).any() for a, b in zip(first, other))


@pytest.mark.parametrize("skip", [1, 3, 9])
def test_skipping_is_dropping_the_first_batches(data, skip):
    options = {"batch_size": 5, "seed": 4, "augmentation": Augmentation()}
    same(take(data, 3, skip=skip, **options), take(data, skip + 3, **options)[skip:])


@pytest.mark.parametrize("in_memory", [True, False])
def test_training_sees_every_frame_once_an_epoch_in_a_new_order(data, in_memory, monkeypatch):
    if not in_memory:
        monkeypatch.setattr("data.pipeline.CACHE_LIMIT_BYTES", 0)
    batches = take(data, 2 * len(ROWS), batch_size=1)
    frames = [batch[0]["frame"].tobytes() for batch in batches]
    first, second = frames[: len(ROWS)], frames[len(ROWS) :]
    stored = [(row.frame[None, ..., None].astype(np.float32) / np.float32(255)).tobytes() for row in ROWS]
    assert Counter(first) == Counter(second) == Counter(stored)
    assert first != second and first != stored


def test_a_set_too_large_for_memory_goes_on_where_it_was(data, monkeypatch):
    monkeypatch.setattr("data.pipeline.CACHE_LIMIT_BYTES", 0)
    options = {"batch_size": 5, "seed": 0, "augmentation": Augmentation()}
    same(take(data, 3, skip=7, **options), take(data, 10, **options)[7:])


@pytest.mark.parametrize("settings", [None, Augmentation(), Augmentation(speckle=0.1)], ids=["none", "plain", "more"])
def test_the_draws_of_one_frame_are_its_row_of_those_of_all(settings):
    seed = tf.constant([5, 3], tf.int64)
    table = random_draws(23, seed, settings).numpy()
    for index in (0, 1, 2, 3, 7, 22):
        np.testing.assert_array_equal(draws_at(tf.constant(index, tf.int64), seed, settings), table[index])


def test_a_view_does_not_depend_on_whether_the_split_is_held_in_memory(data, monkeypatch):
    def view():
        batches = view_batches(data, "train", PipelineSettings(batch_size=6, seed=2), Augmentation(speckle=0.1), 3)
        return list(batches.as_numpy_iterator())

    held = view()
    monkeypatch.setattr("data.pipeline.CACHE_LIMIT_BYTES", 0)
    same(held, view())


def test_a_split_of_many_shards_is_mixed_across_them(tmp_path, monkeypatch):
    """As many patients in a batch as a perfect shuffle of all frames gives."""
    clips, length = 24, 16
    monkeypatch.setattr("data.dataset.FRAMES_PER_SHARD", length)
    rows = records(clips, length, gaze=False)
    data = write(tmp_path / "d", {"train": rows}, require_all_classes=False)
    assert len(data.shards("train")) == clips
    owner = {row.frame.tobytes(): row.patient_id for row in rows}
    monkeypatch.setattr("data.pipeline.CACHE_LIMIT_BYTES", 0)
    distinct = []
    for features, *_ in take(data, clips * length // 12, batch_size=12):
        pixels = np.rint(features["frame"][..., 0] * 255).astype(np.uint8)
        distinct.append(len({owner[frame.tobytes()] for frame in pixels}))
    perfect = clips * (1 - (1 - 1 / clips) ** 12)
    assert np.mean(distinct) > 0.95 * perfect


def test_where_records_lie_is_found_once_for_all_pipelines(tmp_path, monkeypatch):
    data, order, read = write(tmp_path / "d", {"train": records(3, 4)}), tf.constant([1, 2], tf.int64), []
    monkeypatch.setattr("data.mixing.record_offsets", lambda shard: read.append(shard.name) or record_offsets(shard))
    for _ in range(2):
        assert len(list(mixed_records(data.shards("train"), data.shard_starts("train"), order))) == 12
    assert read == ["train-00000.tfrecord"]
    data = write(tmp_path / "d", {"train": records(5, 4)}, overwrite=True)
    assert len(list(mixed_records(data.shards("train"), data.shard_starts("train"), order))) == 20


def test_a_shard_stays_open_until_it_is_read(tmp_path, monkeypatch):
    """tf.data reads in several threads, and only a few shards are open at once: none is closed in another's read."""
    clips, length, pread = 24, 16, os.pread
    monkeypatch.setattr("data.dataset.FRAMES_PER_SHARD", length)
    monkeypatch.setattr("data.mixing.MOST_OPEN_FILES", 1)
    monkeypatch.setattr("data.mixing.READ_AT_ONCE", 8)
    rows = records(clips, length, gaze=False)
    data = write(tmp_path / "d", {"train": rows}, require_all_classes=False)

    def slow(file, *where):
        time.sleep(0.001)  # long enough for the other threads to open shards
        return pread(file, *where)

    monkeypatch.setattr("data.mixing.os.pread", slow)
    order = tf.constant([1, 2], tf.int64)
    found = mixed_records(data.shards("train"), data.shard_starts("train"), order)
    read = {int(position): tf.train.Example.FromString(record) for position, record in found.as_numpy_iterator()}
    assert sorted(read) == list(range(clips * length))
    for position, example in read.items():
        (patient,) = example.features.feature["patient_id"].bytes_list.value
        assert patient.decode() == rows[position].patient_id


def test_training_keeps_frame_label_and_gaze_together(data):
    stored = {row.frame.tobytes(): row for row in ROWS}
    for features, label, _ in take(data, 4, batch_size=6):
        for frame, gaze, valid, y in zip(features["frame"], features["gaze"], features["gaze_valid"], label):
            row = stored[np.rint(frame[..., 0] * 255).astype(np.uint8).tobytes()]
            assert y == row.label and valid == bool(row.gaze_x)
            if valid:
                np.testing.assert_allclose(gaze, expected_map(row.gaze_x, row.gaze_y), atol=1e-6)


def test_augmentation_changes_training_and_draws_again_each_epoch(data):
    plain = take(data, 12, batch_size=4, seed=1)
    moved = take(data, 12, batch_size=4, seed=1, augmentation=Augmentation())
    for one, other in zip(plain, moved):
        np.testing.assert_array_equal(one[1], other[1])  # the same frames in the same order
        assert (one[0]["frame"] != other[0]["frame"]).any()
    versions = defaultdict(set)
    for before, after in zip(plain, moved):
        for frame, augmented in zip(before[0]["frame"], after[0]["frame"]):
            versions[frame.tobytes()].add(augmented.tobytes())
    assert all(len(seen) == 2 for seen in versions.values())  # two epochs


def test_class_weights_even_out_the_classes(tmp_path):
    rows = [
        dataclasses.replace(row, label=label)
        for row, label in zip(records(3, 5), [0] * 8 + [1] * 4 + [2] * 2 + [UNLABELLED])
    ]
    data = write(tmp_path / "d", {"train": rows})
    weights = defaultdict(set)
    for _, label, weight in take(data, 3, batch_size=5, class_weights=True):
        for y, w in zip(label, weight):
            weights[int(y)].add(float(w))
    assert {y: len(w) for y, w in weights.items()} == {0: 1, 1: 1, 2: 1, -1: 1}
    weight = {y: w.pop() for y, w in weights.items()}
    assert weight[-1] == 1
    np.testing.assert_allclose([weight[0] * 8, weight[1] * 4, weight[2] * 2], 14 / 3, rtol=1e-6)
    assert sum(weight[y] * n for y, n in enumerate((8, 4, 2))) == pytest.approx(14)  # mean weight 1
    _, label, weight = take(data, 1, batch_size=15)[0]
    assert (weight == 1).all() and (label == -1).sum() == 1


def test_a_class_that_is_not_there_counts_for_nothing(tmp_path):
    rows = [dataclasses.replace(row, label=index % 2) for index, row in enumerate(records(2, 4))]
    data = write(tmp_path / "d", {"train": rows}, require_all_classes=False)
    for _, _, weight in take(data, 2, batch_size=8, class_weights=True):
        np.testing.assert_allclose(weight, 1, rtol=1e-6)  # two classes of four frames each
    assert len(CLASSES) == 3


def test_sigma_is_passed_on(data):
    narrow, wide = (whole(data, sigma=sigma)[0]["gaze"] for sigma in (0.03, 0.3))
    has = np.array([bool(row.gaze_x) for row in ROWS])
    assert (narrow[has].max(axis=(1, 2)) > wide[has].max(axis=(1, 2))).all()


def test_the_order_depends_on_its_own_seed_alone(data):
    """Neither TensorFlow's global seed nor what the process did before changes a batch."""
    tf.random.set_seed(7)
    first = take(data, 9, batch_size=7, seed=3)
    tf.random.set_seed(8)
    tf.random.uniform([3])
    batches = training_batches(data, "train", PipelineSettings(batch_size=7, seed=3)).take(9)
    second, third = (list(batches.as_numpy_iterator()) for _ in range(2))
    for one, other, again in zip(first, second, third):
        same(one, other)
        same(one, again)
    tf.random.set_seed(8)
    before = tf.compat.v1.random.get_seed(None)
    assert tf.compat.v1.random.get_seed(None) != before
    tf.random.set_seed(8)
    take(data, 1, seed=3)
    assert tf.compat.v1.random.get_seed(None) == before, "building batches moved the global seed"
    frames, other = (
        np.stack([batch[0]["frame"] for batch in rows]) for rows in (first, take(data, 9, batch_size=7, seed=4))
    )
    assert not np.array_equal(frames, other)
