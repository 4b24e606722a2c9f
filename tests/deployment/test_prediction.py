"""The library call: what the table says, of frames whose answers are known."""

import dataclasses

import numpy as np
import pytest
from scipy.special import softmax

from common.errors import InputError
from data.video.framing import prepare_image
from deployment import Prediction, predict
from deployment.config import PredictConfig
from deployment.prediction import Rule, View, rule_of
from evaluation.artefacts import load_artefact
from evaluation.decision import two_sided
from evaluation.ood import fit_ood
from tests.deployment.small import CLASSES, SIZE, third
from tests.evaluation.fans import fan, write_fans


@pytest.fixture(scope="module")
def artefact(student):
    return load_artefact(student)


FRAMES = np.stack([third(0)] * 6 + [third(1, 40)] * 4 + [third(2)] * 6)
TIMES_S = np.arange(16) / 25


def expected(frames):
    """Softmax of 6 times the mean of each third, but for the outer eighth of the width on both sides."""
    means = [frames[:, :, 8 + 16 * k : 24 + 16 * k].mean(axis=(1, 2)) / 255 for k in range(3)]
    return softmax(6 * np.stack(means, axis=1), axis=1)


def test_the_table_has_a_row_a_frame(artefact):
    found = predict(artefact, FRAMES, times_s=TIMES_S)
    table = found.table
    assert isinstance(found, Prediction) and list(table["frame"]) == list(range(16))
    np.testing.assert_allclose(table[[f"p_{name}" for name in CLASSES]], expected(FRAMES), rtol=1e-5)
    filtered = two_sided(expected(FRAMES), TIMES_S, 0.1)
    np.testing.assert_allclose(table["confidence"], filtered.max(axis=1), rtol=1e-5)
    assert list(table["smoothed_class"]) == [CLASSES[k] for k in filtered.argmax(axis=1)]
    assert list(table["rejected"]) == list(filtered.max(axis=1) < 0.5)
    assert list(table["raw_class"]) == ["left"] * 6 + ["middle"] * 4 + ["right"] * 6


def test_images_without_times_are_answered_each_for_itself(artefact, student):
    found = predict(student, FRAMES)
    assert found.rule == Rule("still", 0.0, 0.45, True)
    np.testing.assert_allclose(found.table["confidence"], expected(FRAMES).max(axis=1), rtol=1e-5)
    assert list(found.table["rejected"]) == list(expected(FRAMES).max(axis=1) < 0.45)


def test_intervals_cover_the_kept_frames_and_best_frames_are_kept(artefact):
    found = predict(artefact, FRAMES, times_s=TIMES_S)
    rows, table = found.intervals(), found.table
    covered = [frame for row in rows for frame in range(row["first_frame"], row["last_frame"] + 1)]
    assert covered == list(table["frame"][~table["rejected"]])
    assert [row["class"] for row in rows] == ["left", "right"]
    assert rows[0]["start_s"] == 0 and rows[-1]["end_s"] == pytest.approx(15 / 25)
    best = found.best_frames()
    assert set(best) == {"left", "right"} and best["left"]["frame"] == 0 and best["right"]["frame"] == 10


def test_pictures_of_any_size_are_cropped_and_resized_as_the_metadata_say(artefact):
    rng = np.random.default_rng(0)
    large = rng.integers(0, 255, (5, 300, 500)).astype(np.uint8)
    view = View(crop=(40, 30, 320, 180), pixel_aspect=1.5)
    found = predict(artefact, large, view=view)
    frames = np.stack([prepare_image(each, SIZE, "pad", 1.5, (40, 30, 320, 180)) for each in large])
    same = predict(artefact, frames)
    np.testing.assert_array_equal(found.table.filter(like="p_"), same.table.filter(like="p_"))
    with pytest.raises(InputError, match="crop 400,0,200,100 must lie inside"):
        predict(artefact, large, view=View(crop=(400, 0, 200, 100)))


def test_a_model_of_blanked_frames_says_so_where_nothing_is_blanked(artefact, capsys):
    blanked = dataclasses.replace(artefact, metadata=dataclasses.replace(artefact.metadata, fan="blank"))
    mask = np.ones(SIZE, dtype=bool)
    for given, view, said in ((artefact, None, False), (blanked, View(mask=mask), False), (blanked, None, True)):
        predict(given, FRAMES[:1], view=view)
        assert ("outside of the fan is blanked, and view has no mask" in capsys.readouterr().err) == said


def test_flagged_frames_are_rejected_and_say_nothing_of_their_neighbours(artefact, tmp_path):
    metadata = dataclasses.replace(artefact.metadata, ood=fit_ood(write_fans(tmp_path / "set", train=(12, 5))))
    checked = dataclasses.replace(artefact, metadata=metadata)
    rng = np.random.default_rng(1)
    frames = np.stack([fan(rng) for _ in range(9)])
    frames[4] = 0
    found = predict(checked, frames, times_s=np.arange(9) / 25)
    assert list(found.table["flag"]) == [""] * 4 + ["unlike"] + [""] * 4
    assert found.table["rejected"][4]
    without = predict(checked, np.delete(frames, 4, axis=0), times_s=np.delete(np.arange(9), 4) / 25)
    np.testing.assert_allclose(found.table["confidence"].drop(4), without.table["confidence"])
    unchecked = predict(checked, frames, times_s=np.arange(9) / 25, check=False)
    assert not unchecked.table["flag"].any()


def test_rules_come_from_the_metadata_unless_given(artefact):
    assert rule_of(artefact, "causal") == Rule("causal", 0.1, 0.5, True)
    assert rule_of(artefact, "causal", threshold=0.9) == Rule("causal", 0.1, 0.9, False)
    assert rule_of(artefact, "two_sided", time_constant_s=2.0) == Rule("two_sided", 2.0, 0.5, False)
    bare = dataclasses.replace(artefact, metadata=dataclasses.replace(artefact.metadata, decision=None))
    assert rule_of(bare, "two_sided") == Rule("two_sided", 0.0, 0.0, False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"threshold": 1.2}, "threshold must be a probability from 0 to 1, not 1.2"),
        ({"time_constant_s": -1.0}, "time_constant_s must be a time constant from 0 to 3600 s, not -1"),
        ({"time_constant_s": 4000.0}, "time_constant_s must be a time constant from 0 to 3600 s, not 4000"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_here_and_before_anything_is_loaded(value, words):
    with pytest.raises(InputError, match=f"^{words}$"):
        rule_of(None, "causal", **value)
    flags = {{"time_constant_s": "smoothing"}.get(name, name): number for name, number in value.items()}
    with pytest.raises(InputError, match=f"^{words.replace('time_constant_s', 'smoothing')}$"):
        PredictConfig(artefact="absent.keras", inputs=("clip.mkv",), out="out", **flags)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stream_options": ("a=b",)}, "stream_options is of a stream, and none is given"),
        ({"timeout_s": 3.0}, "timeout_s is of a stream"),
        ({"duration_s": 3.0}, "duration_s is of a stream"),
        ({"stream": "udp://x", "fps": 25.0}, "fps is of files that tell no times, and a stream is given"),
        ({"stream": "udp://x", "overwrite": True}, "overwrite replaces the folder out, and none is given"),
    ],
    ids=str,
)
def test_a_setting_that_would_be_ignored_is_refused(given, words):
    files = {} if "stream" in given else {"inputs": ("clip.mkv",), "out": "out"}
    with pytest.raises(InputError, match=words):
        PredictConfig(artefact="absent.keras", **files, **given)


def test_no_frames_give_an_empty_table_and_wrong_times_are_refused(artefact):
    found = predict(artefact, np.zeros((0, *SIZE), np.uint8), times_s=np.zeros(0))
    assert not len(found.table) and found.intervals() == [] and found.best_frames() == {}
    with pytest.raises(ValueError, match="times_s has 3 entries"):
        predict(artefact, FRAMES, times_s=np.zeros(3))
    times_s = np.arange(len(FRAMES), dtype=float)
    for wrong in (times_s[::-1], np.where(times_s == 1, np.nan, times_s)):
        with pytest.raises(ValueError, match="times_s is not ascending or not finite"):
            predict(artefact, FRAMES, times_s=wrong, rule=Rule("two_sided", 0.4, 0.8, False))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("both", 0, 0), "kind is 'both'"),
        (("still", -1, 0), "time_constant_s is -1"),
        (("still", 0, 5), "threshold is 5"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        Rule(*given, False)
