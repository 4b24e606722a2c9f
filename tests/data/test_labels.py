"""Few labels: whose are kept, which frames stay, and how batches are shared between both."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from data.dataset import UNLABELLED, open_dataset
from data.labels import limit_labels
from data.pipeline import PipelineSettings, evaluation_batches, frames_taken, training_batches
from data.reading import read_labels, read_split
from data.selection import UNLABELLED_MODES, keeps, keeps_rows, labels_of_patients
from tests.data.tiny_dataset import CLASSES, records, write


def with_transitions(rows):
    """Every fourth frame belongs to no class."""
    return [dataclasses.replace(row, label=-1) if index % 4 == 3 else row for index, row in enumerate(rows)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve training patients of eight frames, two of each without a label; three for validation."""
    splits = {"train": with_transitions(records(12, 8)), "val": records(3, 8, prefix="v")}
    return write(tmp_path_factory.mktemp("labels") / "d", splits, require_all_classes=False)


def examples(data, split="train"):
    return list(read_split(data, split, frames=False).as_numpy_iterator())


@pytest.mark.parametrize(("patients", "count"), [(1, 1), (5, 5), (12, 12), (0.25, 3), (0.01, 1)])
def test_so_many_patients_keep_their_labels_and_nobody_else(data, patients, count):
    few, before = limit_labels(data, patients, seed=3), {row["index"]: row["label"] for row in examples(data)}
    assert len(few.labelled_patients) == count
    for row in examples(few):
        known = row["patient_id"].decode() in few.labelled_patients
        assert row["label"] == (before[row["index"]] if known else UNLABELLED)
        assert row["withheld"] == (not known and before[row["index"]] != UNLABELLED)
    assert few.labelled_frames("train") == sum(row["label"] != UNLABELLED for row in examples(few)) == 6 * count
    assert few.frames("train") == 96 and few.withheld_frames("train") == 72 - 6 * count
    assert [row["label"] for row in examples(few, "val")] == [row["label"] for row in examples(data, "val")]


def test_the_draw_depends_on_the_seed_alone_and_budgets_lie_in_each_other(data):
    drawn = {(count, seed): limit_labels(data, count, seed).labelled_patients for count in (2, 6) for seed in range(10)}
    assert all(drawn[2, seed] < drawn[6, seed] for seed in range(10))
    assert drawn[2, 0] == limit_labels(data, 2, 0).labelled_patients and len({drawn[2, s] for s in range(10)}) > 5
    chosen = Counter(patient for seed in range(10) for patient in drawn[6, seed])
    assert len(chosen) == 12  # nobody is always left out


def test_counts_of_classes_are_those_of_the_labels_that_are_left(data):
    few = limit_labels(data, 4, seed=1)
    found = Counter(CLASSES[row["label"]] for row in examples(few) if row["label"] != UNLABELLED)
    counts = few.info["splits"]["train"]["frames_per_class"]
    assert {name: counts[name] for name in CLASSES} == found and sum(counts.values()) == 96
    assert data.labelled_frames("train") == 72  # the data set itself is as it was


def test_a_budget_that_can_not_be_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="labelled_patients must be at most 12, the training patients"):
        limit_labels(data, 13, seed=0)
    rows = [dataclasses.replace(row, label=number // 10) for number, row in enumerate(records(6, 5))]
    one_class = write(tmp_path / "d", {"train": rows}, require_all_classes=False)
    with pytest.raises(InputError, match="none of the 1 patients that seed 0 draws has a frame of class"):
        limit_labels(one_class, 1, seed=0)


@pytest.mark.parametrize(("mode", "frames"), [("all", 96), ("patients", 86), ("withheld", 72), ("none", 30)])
def test_transitions_are_a_choice(data, mode, frames):
    few = limit_labels(data, 5, seed=0)
    taken = evaluation_batches(few, "train", unlabelled=mode)
    labels = np.concatenate([label.numpy() for _, label, _ in taken])
    assert frames_taken(few, "train", mode) == len(labels) == frames and (labels >= 0).sum() == 30


def test_pixels_that_are_not_used_are_not_decoded(tmp_path):
    """Of much gaze and few labels most frames were decoded in each epoch, and thrown away."""
    rows = [dataclasses.replace(row, label=number % 2) for number, row in enumerate(records(2, 10))]
    png = tf.io.encode_png(rows[0].frame[..., None]).numpy()
    broken = [dataclasses.replace(row, label=UNLABELLED, frame=png[:40]) for row in records(2, 10, seed=5)]
    named = [dataclasses.replace(row, recording_id=f"u{row.recording_id}", patient_id="u") for row in broken]
    with pytest.raises(InputError, match="record 20: frame is no whole PNG"):
        write(tmp_path / "d", {"train": [*rows, *named]}, require_all_classes=False)
    data = open_dataset(tmp_path / "d", verify=False)
    for taken in (
        evaluation_batches(data, "train", unlabelled="none"),
        training_batches(data, "train", PipelineSettings(unlabelled="none", batch_size=20)).take(2),
    ):
        assert sum(len(label) for _, label, _ in taken) in (20, 40)
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(evaluation_batches(data, "train"))


@pytest.mark.parametrize("mode", UNLABELLED_MODES)
def test_rows_that_are_read_by_columns_are_those_that_are_read_one_by_one(data, mode):
    few = limit_labels(data, 5, seed=0)
    for one, split in ((few, "train"), (few, "val"), (data, "train")):
        rows = list(read_labels(one, split, ["time_s"]))
        expected = examples(one, split)
        for found, name in (("patients", "patient_id"), ("labels", "label"), ("withheld", "withheld")):
            values = np.concatenate([getattr(some, found) for some in rows])
            np.testing.assert_array_equal(values, [row[name] for row in expected])
        assert rows[0].labels.dtype == np.int32 and len(rows[0].columns["time_s"]) == len(rows[0].labels)
        kept, stored = keeps(one, split, mode), read_split(one, split, frames=False)
        indices = [row["index"] for row in (stored.filter(kept) if kept else stored).as_numpy_iterator()]
        assert np.flatnonzero(np.concatenate([keeps_rows(one, split, mode, some) for some in rows])).tolist() == indices


def test_patients_without_a_label_are_looked_for_once(data, monkeypatch):
    """Every pipeline went through the whole split again."""
    few, read = limit_labels(data, 3, seed=9), []
    monkeypatch.setattr("data.selection.labels_of_patients", lambda *_: read.append(1) or labels_of_patients(*_))
    for budget, times in ((few, 1), (dataclasses.replace(few), 1), (limit_labels(data, 4, seed=9), 2)):
        for _ in range(2):
            frames_taken(budget, "train", "patients")
        assert len(read) == times


def batches(data, count, skip=0, **settings):
    settings = PipelineSettings(batch_size=10, labelled_share=0.3, **settings)
    return list(training_batches(data, "train", settings, skip=skip).take(count).as_numpy_iterator())


def test_each_batch_has_its_share_of_labels_and_every_frame_its_turn(data):
    few = limit_labels(data, 2, seed=0)  # 12 labelled frames, 84 others
    found = batches(few, 48)
    assert {int((label >= 0).sum()) for _, label, _ in found} == {3}
    seen = Counter(features["frame"].tobytes() for batch in found for features in rows_of(batch))
    labelled = {features["frame"].tobytes() for batch in found for features in rows_of(batch) if features["label"] >= 0}
    assert Counter(seen[frame] for frame in labelled) == {12: 12}  # 48 · 3 / 12
    assert Counter(seen[frame] for frame in set(seen) - labelled) == {4: 84}  # 48 · 7 / 84


def rows_of(batch):
    features, label, _ = batch
    return [{"frame": frame, "label": one} for frame, one in zip(features["frame"], label)]


def test_a_shared_stream_that_is_resumed_shows_what_it_would_have_shown(data):
    few = limit_labels(data, 2, seed=0)
    whole, rest = batches(few, 20, seed=4), batches(few, 9, skip=11, seed=4)
    for (one, label, _), (other, again, _) in zip(whole[11:], rest, strict=True):
        np.testing.assert_array_equal(one["frame"], other["frame"])
        np.testing.assert_array_equal(label, again)
        np.testing.assert_array_equal(one["gaze"], other["gaze"])


def test_a_share_changes_nothing_where_all_frames_are_labelled_or_none(data):
    few = limit_labels(data, 2, seed=0)
    settings = PipelineSettings(batch_size=10, unlabelled="none")
    plain, shared = (
        training_batches(few, "train", dataclasses.replace(settings, labelled_share=share)).take(5)
        for share in (None, 0.3)
    )
    for (one, *_), (other, *_) in zip(plain.as_numpy_iterator(), shared.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(one["frame"], other["frame"])
    with pytest.raises(InputError, match="a batch of 1 frame can't be shared"):
        list(training_batches(few, "train", PipelineSettings(batch_size=1, labelled_share=0.3)).take(1))
