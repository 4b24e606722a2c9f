"""Training frames added to another data set: what is kept, what the new one says of itself, what is refused."""

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from common.errors import InputError
from data.dataset import UNLABELLED, open_dataset
from data.reading import stored_records
from data.report import print_dataset_report
from data.simulation import PARTLY, simulated
from data.sources import MergeConfig, merge_datasets
from data.video.framing import FrameRule
from tests.data import tiny_dataset

SIMULATED = {"kind": "phantom", "simulated": True, "checksum": "1", "seed": 7}
REAL = {"kind": "images", "name": "Planes", "licence": "CC BY", "checksum": "2"}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Images without gaze, whose recordings are called as the simulated ones are."""
    rows = tiny_dataset.splits(gaze=False)
    rows["val"] = [dataclasses.replace(row, recording_id=f"Phantom/{row.recording_id}") for row in rows["val"]]
    return tiny_dataset.write(tmp_path_factory.mktemp("real") / "d", rows, source=REAL)


@pytest.fixture(scope="module")
def extra(tmp_path_factory):
    return tiny_dataset.write(
        tmp_path_factory.mktemp("extra") / "d", phantom(), source=SIMULATED, classes=("a", "b", "c")
    )


def phantom():
    return {split: tiny_dataset.records(3, seed=7, prefix=prefix) for split, prefix in (("train", "a"), ("val", "v"))}


def merge(main, extra, out, **settings):
    return merge_datasets(MergeConfig(main=main.path, extra=extra.path, out=out, **settings))


@pytest.fixture(scope="module")
def merged(real, extra, tmp_path_factory):
    return merge(real, extra, tmp_path_factory.mktemp("merged") / "d", labels="withhold")


def raw(data, split):
    return list(tf.data.TFRecordDataset(data.shards(split)).as_numpy_iterator())


def test_the_main_data_set_is_kept_byte_for_byte_and_alone_tested(real, extra, merged):
    for split in ("val", "test"):
        assert raw(merged, split) == raw(real, split)
    assert raw(merged, "train")[: real.frames("train")] == raw(real, "train")
    assert merged.frames("train") == real.frames("train") + extra.frames("train") == 35
    assert merged.gaze_frames("train") == extra.gaze_frames("train") > 0
    assert merged.patients("train") == real.patients("train") + extra.patients("train")
    assert (merged.classes, merged.frame_size, merged.fit) == (real.classes, real.frame_size, real.fit)
    assert open_dataset(merged.path, verify=True).checksum == merged.checksum


def test_added_frames_keep_all_but_ids_scanner_and_withheld_labels(real, extra, merged):
    added = list(stored_records(merged, "train"))[real.frames("train") :]
    for found, given in zip(added, stored_records(extra, "train"), strict=True):
        changed = {"recording_id", "patient_id", "scanner", "label"}
        for field in {field.name for field in dataclasses.fields(given)} - changed:
            assert getattr(found, field) == getattr(given, field), field
        # A recording of the main data set begins with Phantom/, which differs from phantom/ in case alone.
        assert (found.recording_id, found.patient_id) == (
            f"phantom2/{given.recording_id}",
            f"phantom2/{given.patient_id}",
        )
        assert found.scanner == "simulated" and found.label == UNLABELLED
    assert merged.labelled_frames("train") == real.labelled_frames("train")


def test_kept_labels_are_those_of_the_added_frames(real, tmp_path):
    extra = tiny_dataset.write(tmp_path / "extra", phantom(), source=REAL)
    merged = merge(real, extra, tmp_path / "out")
    added = list(stored_records(merged, "train"))[real.frames("train") :]
    assert [record.label for record in added] == [record.label for record in stored_records(extra, "train")]
    assert {record.patient_id.partition("/")[0] for record in added} == {"extra"}
    # Nothing here is simulated: scanners are kept, and no report says otherwise.
    assert {record.scanner for record in added} == {"", "Aloka"}
    assert simulated(merged.info) is False and simulated(merged.info, "train") is False and not merged.info["notes"]


def test_it_says_what_is_simulated_and_where_it_is_from(real, extra, merged, capsys):
    assert [simulated(merged.info, split) for split in ("train", "val", "test", None)] == [PARTLY, False, False, PARTLY]
    source = merged.info["source"]
    assert (source["main"]["checksum"], source["extra"]["checksum"]) == (real.checksum, extra.checksum)
    assert source["name"] == "Planes" and source["extra"]["source"] == extra.info["source"]
    print_dataset_report(merged)
    said = " ".join(capsys.readouterr().out.split())
    assert "merged, partly simulated" in said and "training frames that are simulated: 15" in said


def test_merged_again_it_is_partly_simulated_still(real, merged, tmp_path):
    other = tiny_dataset.write(tmp_path / "other", {"train": tiny_dataset.records(2, seed=9)}, source=REAL)
    twice = merge(merged, other, tmp_path / "twice")
    assert [simulated(twice.info, split) for split in ("train", "test")] == [PARTLY, False]
    back = merge(other, merged, tmp_path / "back")
    assert simulated(back.info, "train") == PARTLY
    assert "simulated" in {record.scanner for record in stored_records(back, "train")}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"frame_size": (16, 16)}, "was prepared with frame_size 16×16, and .* with 16×24: prepare one of them again"),
        (
            {"rule": FrameRule(fit="stretch")},
            "with fit stretch, and .* with pad: prepare one of them again with the",
        ),
        ({"rule": FrameRule(fan="blank")}, "with fan blank, and .* with keep"),
        ({"classes": ("femur", "abdomen", "head")}, "its classes are femur, abdomen, head, and those of .* withhold"),
    ],
    ids=("size", "fit", "fan", "classes"),
)
def test_what_does_not_agree_is_one_line(real, tmp_path, written, message):
    height, width = written.get("frame_size", tiny_dataset.FRAME)
    rows = [dataclasses.replace(row, frame=np.asarray(row.frame)[:height, :width]) for row in phantom()["train"]]
    extra = tiny_dataset.write(tmp_path / "extra", {"train": rows}, require_all_classes=False, **written)
    with pytest.raises(InputError, match=message) as caught:
        merge(real, extra, tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def other_png(frame):
    """The same pixels by another encoder."""
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "PNG", compress_level=0)
    return content.getvalue()


def test_frames_of_the_test_and_a_data_set_itself_are_not_added(real, tmp_path):
    rows = tiny_dataset.splits(gaze=False)["test"]
    leak = tiny_dataset.write(
        tmp_path / "leak", {"train": [dataclasses.replace(row, patient_id="new") for row in rows]}
    )
    with pytest.raises(InputError, match=r"frame 0 of recording cr0 is in the validation or test split of .* too"):
        merge(real, leak, tmp_path / "out")
    again = [dataclasses.replace(row, patient_id="new", frame=other_png(row.frame)) for row in rows]
    stored = tiny_dataset.write(tmp_path / "other_bytes", {"train": again})
    frames = [{record.frame for record in stored_records(data, "train")} for data in (leak, stored)]
    assert not frames[0] & frames[1], "other bytes of the same pixels"
    with pytest.raises(InputError, match=r"frame 0 of recording cr0 is in the validation or test split of .* too"):
        merge(real, stored, tmp_path / "out")
    with pytest.raises(InputError, match="is the same data set as"):
        merge(real, real, tmp_path / "out")
    with pytest.raises(InputError, match="is a data set that is merged: name another folder in out"):
        merge(real, leak, real.path, overwrite=True)
    assert not (tmp_path / "out").exists()
