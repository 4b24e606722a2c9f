"""The rule for frames unlike the training frames: its specification written out, and what it finds."""

import dataclasses
import json

import numpy as np
import pytest

from evaluation.artefacts import OutOfDistribution, load_artefact, read_metadata
from evaluation.decision import fit_decision
from evaluation.fitting import fit_artefact
from evaluation.ood import (
    LEAST_FRAMES,
    LEAST_PATIENTS,
    UNLIKE,
    UPSIDE_DOWN,
    cells,
    chunks,
    distances,
    fit_ood,
    flags,
    share_flagged,
    statistics,
    upright_scores,
    upside_differences,
)
from evaluation.predictions import predict_split
from tests.evaluation.fans import SIZE, fan, write_fans
from tests.evaluation.small import CLASSES, make_student, save_keras


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return write_fans(tmp_path_factory.mktemp("ood") / "set", train=(30, 6), val=(10, 6), test=(40, 6))


@pytest.fixture(scope="module")
def rule(scans):
    return fit_ood(scans)


@pytest.fixture(scope="module")
def fans():
    """400 further frames."""
    rng = np.random.default_rng(1)
    return np.stack([fan(rng) for _ in range(400)])


def test_cells_are_means_over_a_grid_that_need_not_divide_the_frame():
    frame = np.random.default_rng(0).random((1, 10, 13))
    found = cells(frame, 3, 4)[0]
    tops, lefts = [0, 3, 6, 10], [0, 3, 6, 9, 13]
    for i in range(3):
        for j in range(4):
            assert found[i, j] == pytest.approx(frame[0, tops[i] : tops[i + 1], lefts[j] : lefts[j + 1]].mean())


def test_statistics_are_those_of_the_specification(fans):
    """Written out in plain Python, as it would be on a device."""
    frame = fans[0]
    height, width = frame.shape
    x = [[float(byte) / 255 for byte in row] for row in frame]
    values = [value for row in x for value in row]
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    expected = [variance**0.5, float(np.mean(frame <= 10)), float(np.mean(frame >= 250))]
    squares = []
    for lag in (1, 2, 4):
        across = [(x[i][j + lag] - x[i][j]) ** 2 for i in range(height) for j in range(width - lag)]
        down = [(x[i + lag][j] - x[i][j]) ** 2 for i in range(height - lag) for j in range(width)]
        squares += [sum(across) / len(across), sum(down) / len(down)]
    expected += [np.log10(g + 0.0001) for g in squares] + [g / (2 * variance + 0.0001) for g in squares]
    expected += [np.mean(x[i * height // 6 : (i + 1) * height // 6]) for i in range(6)]
    columns = np.array(x).T
    expected += [np.mean(columns[j * width // 6 : (j + 1) * width // 6]) for j in range(5)]
    np.testing.assert_allclose(statistics(frame[None])[0], expected, rtol=1e-9)


def test_a_frame_upside_down_has_the_opposite_score(rule, fans):
    np.testing.assert_allclose(upside_differences(fans[:, ::-1]), -upside_differences(fans), atol=1e-9)
    np.testing.assert_allclose(upright_scores(rule, fans[:, ::-1]), -upright_scores(rule, fans), atol=1e-9)


def test_strange_frames_are_flagged_and_others_are_not(rule, fans):
    rng = np.random.default_rng(2)
    shape = (50, *SIZE)
    strange = {
        "black": np.zeros(shape, np.uint8),
        "white": np.full(shape, 255, np.uint8),
        "uniform noise": rng.integers(0, 256, shape).astype(np.uint8),
        "dim noise": np.clip(rng.normal(60, 40, shape), 0, 255).astype(np.uint8),
        "inverted": 255 - fans[:50],
    }
    for name, frames in strange.items():
        assert set(flags(rule, frames)) == {UNLIKE}, name
    turned = flags(rule, fans[:, ::-1])
    assert np.mean([flag != "" for flag in turned]) > 0.98 and UPSIDE_DOWN in turned
    assert share_flagged(rule, [fans]) <= 0.02
    assert flags(None, fans[:3]) == ["", "", ""] and flags(rule, fans[:0]) == []


def test_limits_leave_out_the_share_that_was_asked_for(rule, scans):
    """Of held-out frames half a percent; so of the training frames themselves no more."""
    assert rule.frames == 180
    assert rule.upright_limit <= 0
    train = np.concatenate([frames for _, frames in chunks(scans, "train")])
    assert np.mean(distances(rule, train) > rule.limit) <= 0.006


def test_too_few_frames_give_no_rule(tmp_path):
    for patients, each in ((LEAST_PATIENTS, 1), (LEAST_PATIENTS - 1, LEAST_FRAMES)):
        assert fit_ood(write_fans(tmp_path / str(patients), train=(patients, each))) is None


def test_what_is_fitted_travels_in_the_metadata(scans, rule, tmp_path):
    path = save_keras(tmp_path / "student.keras", make_student(size=SIZE), frame_size=SIZE, gaze_map_size=(6, 8))
    before = path.read_bytes()
    fit_artefact(path, scans, target=0.5)
    metadata = read_metadata(path)
    assert path.read_bytes() == before
    artefact = load_artefact(path)
    assert metadata.decision == fit_decision(predict_split(artefact, scans, "val", show=False), CLASSES, 0.5)
    assert metadata.ood == dataclasses.replace(rule, flagged_validation=metadata.ood.flagged_validation)
    fields = json.loads((tmp_path / "student.keras.json").read_text())["ood"]
    assert fields["rule"] == "frame-statistics-1" and np.shape(fields["precision"]) == (26, 26)
    np.testing.assert_array_equal(fields["mean"], rule.mean)


def test_a_rule_stays_where_none_can_be_fitted(rule, tmp_path, capsys):
    shape = {"frame_size": SIZE, "gaze_map_size": (6, 8)}
    path = save_keras(tmp_path / "student.keras", make_student(size=SIZE), **shape, ood=rule)
    few = write_fans(tmp_path / "few", train=(LEAST_PATIENTS - 1, 2))
    assert fit_artefact(path, few, target=0.5).ood == read_metadata(path).ood == rule
    assert "keeps its rule" in capsys.readouterr().err


def test_a_rule_that_does_not_hang_together_is_refused(rule):
    with pytest.raises(ValueError, match="precision"):
        dataclasses.replace(rule, mean=rule.mean[:-1])
    assert OutOfDistribution(**dataclasses.asdict(rule)) == rule
    shorter = {"mean": rule.mean[1:], "precision": tuple(row[1:] for row in rule.precision[1:])}
    for change, words in ((shorter, "mean has 25 numbers"), ({"upright_weights": (0.0,) * 100}, "100 numbers")):
        with pytest.raises(ValueError, match=words):
            dataclasses.replace(rule, **change)
