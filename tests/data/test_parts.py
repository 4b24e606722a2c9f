"""Several readers of one split see together what one reader sees, each in its own shards."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from common.errors import InputError
from data import dataset as dataset_module
from data.dataset import UNLABELLED
from data.parts import WHOLE, Part, span_of
from data.pipeline import PipelineSettings, evaluation_batches, training_batches
from tests.data.tiny_dataset import records, write

SETTINGS = PipelineSettings(batch_size=8, seed=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """41 frames in shards of 10; each frame's grey is its position, two thirds of the labels lie in the first half."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dataset_module, "FRAMES_PER_SHARD", 10)
        rows = [
            dataclasses.replace(
                row,
                frame=np.full_like(row.frame, position),
                label=row.label if position % (2 if position < 20 else 4) == 0 else UNLABELLED,
            )
            for position, row in enumerate(records(41, 1))
        ]
        yield write(tmp_path_factory.mktemp("parts") / "d", {"train": rows}, require_all_classes=False)


def positions(batches) -> list[list[int]]:
    return [np.rint(255 * features["frame"][:, 0, 0, 0]).astype(int).tolist() for features, *_ in batches]


def test_parts_see_every_frame_once_an_epoch_and_open_their_own_shards(data):
    parts = [Part(number, 4) for number in range(4)]
    spans = [span_of(data, "train", "all", part) for part in parts]
    assert [span.first for span in spans[1:]] == [span.end for span in spans[:-1]]
    assert sum(span.frames for span in spans) == 41 and {span.frames for span in spans} == {10, 11}
    seen = Counter()
    for part, span in zip(parts, spans):
        stream = training_batches(data, "train", dataclasses.replace(SETTINGS, batch_size=4), part=part)
        read = [one for batch in positions(stream.take(2 * span.frames)) for one in batch]
        assert sorted(read[: span.frames]) == sorted(read[span.frames :]) == list(range(span.first, span.end))
        assert read[: span.frames] != read[span.frames :], "epochs are in orders of their own"
        seen.update(read[: span.frames])
    assert set(seen.values()) == {1} and len(seen) == 41


@pytest.mark.parametrize("labelled", [None, True])
def test_frames_that_are_kept_are_shared_equally_wherever_their_labels_lie(data, labelled):
    kept = "none" if labelled is None else "all"
    spans = [span_of(data, "train", kept, Part(number, 3), labelled) for number in range(3)]
    assert sum(span.frames for span in spans) == data.labelled_frames("train") == 16
    assert {span.frames for span in spans} == {5, 6}
    assert spans[0].end - spans[0].first < spans[2].end - spans[2].first, "labels are denser in the first half"


@pytest.mark.parametrize("share", [None, 0.5])
def test_the_devices_of_one_machine_share_the_batches_of_one_device(data, share):
    settings = dataclasses.replace(SETTINGS, labelled_share=share)
    whole = positions(training_batches(data, "train", settings, skip=3).take(6))
    pieces = positions(training_batches(data, "train", settings, skip=3, part=Part(pieces=2)).take(12))
    assert [one + other for one, other in zip(pieces[::2], pieces[1::2])] == whole


def test_a_resumed_part_goes_on_where_it_was(data):
    part = Part(1, 2, pieces=2)
    settings = dataclasses.replace(SETTINGS, labelled_share=0.5)
    all_of_it = positions(training_batches(data, "train", settings, part=part).take(16))
    assert positions(training_batches(data, "train", settings, skip=5, part=part).take(6)) == all_of_it[10:]


def test_labelled_places_are_those_of_the_whole_batch(data):
    settings = dataclasses.replace(SETTINGS, labelled_share=3 / 8)
    for number, expected in ((0, 2), (1, 1)):
        for _, label, _ in training_batches(data, "train", settings, part=Part(number, 2)).take(5):
            assert int(np.sum(label != UNLABELLED)) == expected


@pytest.mark.parametrize("unlabelled", ["all", "none"])
def test_parts_evaluate_each_frame_once_in_the_same_number_of_steps(data, unlabelled):
    parts = [Part(number, 3, pieces=2) for number in range(3)]
    runs = [list(evaluation_batches(data, "train", batch_size=12, unlabelled=unlabelled, part=part)) for part in parts]
    frames = 41 if unlabelled == "all" else 16
    assert {len(run) for run in runs} == {2 * WHOLE.steps(frames, 12)} == {2 * parts[0].steps(frames, 12)}
    read = [one for run in runs for batch in positions(run) for one in batch]
    assert len(read) == len(set(read)) == frames
    features, label, weight = runs[-1][-1]
    assert len(label) == len(weight) == 0 and features["gaze"].shape[0] == 0, "the last place of the last part is empty"


def test_batches_and_splits_that_can_not_be_shared_are_refused(data):
    with pytest.raises(InputError, match=r"batch_size 8: is not a multiple of 6, the number of devices"):
        training_batches(data, "train", SETTINGS, part=Part(0, 3, pieces=2))
    with pytest.raises(InputError, match="16 frames of split 'train' can't be read by 20 workers"):
        span_of(data, "train", "none", Part(0, 20))
    with pytest.raises(InputError, match="1 labelled frames of a batch of 8 can't be shared by 2 workers"):
        training_batches(data, "train", dataclasses.replace(SETTINGS, labelled_share=0.1), part=Part(0, 2))
