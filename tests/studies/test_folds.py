"""Areas under the ROC curve over folds, held against scipy's rank statistic and against repeated frames."""

import gzip
import json

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from skimage.io import imread

from common.errors import InputError
from studies.declare import read_study
from studies.evidence import blocks, draw
from studies.folds import area, arm_areas, fold_difference, fold_paragraphs, over_folds
from studies.stored import read_stored


def write_fold(folder, scores, label):
    """Stored results of {arm.sSEED: float [frames]}, the score of class 1."""
    folder.mkdir()
    arms = {name.split(".")[0]: {"model": f"the {name.split('.')[0]}", "is_teacher": False} for name in scores}
    index = {
        "title": folder.name,
        "fold_of": "both",
        "positive": "sick",
        "classes": ["well", "sick"],
        "arms": arms,
        "claims": [["good", "poor"]],
        "planned": [*scores, "good.s9"],
        "trainings": {name: {} for name in scores},
    }
    (folder / "study.json").write_text(json.dumps(index))
    frames = "recording_id,patient_id,frame_index,label\n" + "".join(f"r{i},p{i},0,{c}\n" for i, c in enumerate(label))
    (folder / "frames.csv.gz").write_bytes(gzip.compress(frames.encode()))
    for name, score in scores.items():
        rows = "p_well,p_sick\n" + "".join(f"{1 - value},{value}\n" for value in score)
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(rows.encode()))
    return read_stored(folder)


@pytest.fixture
def folds(tmp_path, rng):
    """Five folds of 60 frames, in which `good` sees more of the class than `poor`."""
    made = []
    for fold in range(5):
        label = np.arange(60) % 3 == 0
        noise = rng.normal(size=(2, 60))
        scores = {"good.s0": 0.5 + 0.1 * (2 * label + noise[0]), "poor.s0": 0.5 + 0.1 * (0.5 * label + noise[1])}
        made.append(write_fold(tmp_path / f"fold_{fold}", scores, label.astype(int)))
    return made


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_the_area_is_the_rank_statistic_with_ties(rng):
    positive, scores = rng.random(80) < 0.3, rng.integers(0, 12, 80) / 12
    expected = mannwhitneyu(scores[positive], scores[~positive]).statistic / (positive.sum() * (~positive).sum())
    assert area(scores, positive) == pytest.approx(expected, abs=1e-12)
    assert area(1 - scores, positive) == pytest.approx(1 - expected, abs=1e-12)


def test_a_weight_is_a_frame_that_stands_there_so_often(rng):
    positive, scores, weights = rng.random(40) < 0.4, rng.random(40).round(1), rng.integers(0, 4, (3, 40))
    for row, found in zip(weights, area(scores, positive, weights.astype(float)), strict=True):
        assert found == pytest.approx(area(np.repeat(scores, row), np.repeat(positive, row)), abs=1e-12)


def test_mean_and_interval_are_of_the_folds(folds):
    good = arm_areas(folds, "good", draws=500)
    mean, low, high = over_folds(good)
    assert mean == pytest.approx(np.mean([values[0] for values in good.by_fold.values()]))
    assert low < mean < high <= 1


def test_an_arm_does_not_differ_from_itself_and_the_better_one_is_above(folds):
    good, poor = (arm_areas(folds, arm, draws=500) for arm in ("good", "poor"))
    same = fold_difference(good, good)
    assert same is not None and (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    better, worse = fold_difference(good, poor), fold_difference(poor, good)
    assert better is not None and worse is not None and better.seeds == 5
    assert better.low > 0 and better.p < 0.05
    assert (better.mean, better.low, better.high) == pytest.approx((-worse.mean, -worse.high, -worse.low), abs=1e-12)


def test_the_interval_covers_the_truth_about_as_often_as_it_says(tmp_path):
    """Normal scores 1 sd apart: the area is Φ(1/√2) = 0.760. Drawing folds and images both is a little cautious."""
    inside = 0
    for attempt in range(60):
        rng = np.random.default_rng(attempt)
        label = np.arange(90) % 3 == 0
        made = [
            write_fold(
                tmp_path / f"{attempt}_{fold}", {"good.s0": 0.5 + 0.05 * (label + rng.normal(size=90))}, label * 1
            )
            for fold in range(5)
        ]
        _, low, high = over_folds(arm_areas(made, "good", draws=300))
        inside += low <= 0.7602 <= high
    assert inside >= 53  # of 60; 95 % are 57, and one in 30 series of a true 95 % has fewer than 54


def test_folds_are_one_block_of_the_page(folds):
    text = "\n".join(blocks(folds)["both"])
    assert "| the good | 5 |" in text and "| the good | the poor | 5 | +" in text
    assert "5 of 15 planned trainings have not run" in text


def test_the_figure_of_the_folds_is_drawn(folds, tmp_path):
    draw(tmp_path / "areas.png", folds)
    assert imread(tmp_path / "areas.png").min() < 128


def test_what_has_not_run_is_said(folds):
    for fold in folds:
        fold.index["trainings"].clear()
    assert fold_paragraphs(folds) == ["None of the 15 planned trainings has run."]


def test_a_fold_of_one_kind_is_refused(tmp_path):
    fold = write_fold(tmp_path / "fold", {"good.s0": [0.5, 0.5], "poor.s0": [0.5, 0.5]}, [1, 1])
    with pytest.raises(InputError, match="all of one kind"):
        arm_areas([fold], "good", draws=10)


def test_a_fold_names_the_class_that_it_measures(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        "runs: runs\ndatasets: {d: {path: d}}\ntables:\n  one: {data: d, fold_of: all, baseline: a,"
        " rows: {a: {model: A, artefact: a.keras, train: {}}}}\n"
    )
    with pytest.raises(InputError, match="fold_of and positive belong together"):
        read_study(file)
