"""Areas under the ROC curve over folds, held against scipy's rank statistic and against repeated frames."""

import bz2
import json
import shutil

import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from scipy.stats import mannwhitneyu
from scipy.stats import t as student
from skimage.io import imread

from common.errors import InputError
from studies.declare import read_study
from studies.evidence import blocks
from studies.evidence_figure import draw, draw_scanners
from studies.folds import area, arm_scores, fold_difference, fold_paragraphs, over_folds
from studies.statistics import interval
from studies.stored import read_stored


def write_fold(folder, scores, label, positive="sick"):
    """Stored results of {arm.sSEED: float [frames]}, the score of class 1."""
    folder.mkdir()
    arms = {name.split(".")[0]: {"model": f"the {name.split('.')[0]}", "is_teacher": False} for name in scores}
    index = {
        "title": folder.name,
        "note": "",
        "fold_of": "both",
        "positive": positive,
        "classes": ["well", "sick"],
        "arms": arms,
        "claims": [["good", "poor"]],
        "described": [["poor", "good"]],
        "planned": [*scores, "good.s9"],
        "train_frames": 3 * len(label),
        "trainings": {
            name: {"accuracy": float(np.mean((np.asarray(score) > 0.5) == label))} for name, score in scores.items()
        },
    }
    (folder / "study.json").write_text(json.dumps(index))
    frames = "recording_id,patient_id,frame_index,label\n" + "".join(
        f"r{i},{folder.name}_{i},0,{c}\n" for i, c in enumerate(label)
    )
    (folder / "frames.csv.bz2").write_bytes(bz2.compress(frames.encode()))
    for name, score in scores.items():
        rows = "p_well,p_sick\n" + "".join(f"{1 - value},{value}\n" for value in score)
        (folder / f"{name}.csv.bz2").write_bytes(bz2.compress(rows.encode()))
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
    good = arm_scores(folds, "good", draws=500)
    mean, low, high = over_folds(good)
    assert mean == pytest.approx(np.mean([good.values[f"fold_{fold}", 0] for fold in range(5)]))
    assert low < mean < high <= 1


def test_an_arm_does_not_differ_from_itself_and_the_better_one_is_above(folds):
    good, poor = (arm_scores(folds, arm, draws=500) for arm in ("good", "poor"))
    same = fold_difference(good, good, 5)
    assert same is not None and (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    better, worse = fold_difference(good, poor, 5), fold_difference(poor, good, 5)
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
        _, low, high = over_folds(arm_scores(made, "good", draws=300))
        inside += low <= 0.7602 <= high
    assert inside >= 53  # of 60; 95 % are 57, and one in 30 series of a true 95 % has fewer than 54


def test_folds_are_one_block_of_the_page(folds):
    text = "\n".join(blocks(folds)["both"])
    assert "AUC, mean ± sd over folds" in text and "takes the folds as independent" in text
    assert "| the good | 5 |" in text and "| the good | the poor | 5 | +" in text
    assert "5 of 15 planned trainings have not run" in text


def test_folds_that_are_not_of_one_plan_or_share_a_patient_are_refused(folds, tmp_path):
    """Copies of one fold had a narrow interval, and the claims were those of the first folder."""
    same = shutil.copytree(folds[0].folder, tmp_path / "copy")
    with pytest.raises(InputError, match=r"copy: tests patient fold_0_0, whom .*fold_0 tests too"):
        blocks([*folds, read_stored(same)])
    index = json.loads((same / "study.json").read_text())
    (same / "study.json").write_text(json.dumps({**index, "claims": []}))
    with pytest.raises(InputError, match=r"copy: other claims than .*fold_0"):
        blocks([*folds, read_stored(same)])


def test_the_figure_of_the_folds_is_drawn(folds, tmp_path):
    draw(tmp_path / "areas.png", folds)
    assert imread(tmp_path / "areas.png").min() < 128


@pytest.fixture
def scanners(tmp_path, rng):
    """Three scanners of 80 frames and two seeds; `good` is right in 80 % of them and `poor` in 60 %."""
    made = []
    for place in range(3):
        label = np.arange(80) % 2
        scores = {}
        for arm, share in (("good", 0.8), ("poor", 0.6)):
            for seed in range(2):
                right = rng.random(80) < share
                scores[f"{arm}.s{seed}"] = np.where(right, label, 1 - label) * 0.8 + 0.1
        made.append(write_fold(tmp_path / f"both_{place}", scores, label, positive=""))
    return made


def test_scanners_give_mean_accuracy_and_stay(scanners):
    good = arm_scores(scanners, "good", draws=4000)
    expected = [np.mean([(fold.probabilities("good", s).argmax(1) == fold.frames["label"]).mean() for s in (0, 1)])
                for fold in scanners]  # fmt: skip
    mean, low, high = over_folds(good)
    assert mean == pytest.approx(np.mean(expected))
    one, counts = arm_scores(scanners[:1], "good", draws=4000), scanners[0].counts("good")
    assert over_folds(one)[1:] == pytest.approx(interval(counts, draws=4000), abs=0.015), (
        "of one it is the interval of one"
    )
    assert high - low < 0.8 * np.diff(over_folds(one)[1:])[0], "three scanners have three times as many patients"


def test_a_fold_that_has_not_run_leaves_no_mean_and_no_claim(scanners):
    for name in ("good.s0", "good.s1"):
        del scanners[2].index["trainings"][name]
    arms, claims, left = fold_paragraphs(scanners)
    assert "| the good | 4 | 2 of 3 folds |" in arms and "not run" in arms and "nan" not in arms
    assert "| the good | the poor | 0 | not run |" in claims
    assert left == "5 of 15 planned trainings have not run: good (5)."


def test_folds_without_a_seed_in_common_do_not_pass_for_all_of_them(scanners):
    """Both arms have run on each fold, on the last one with other seeds: the first two are no mean of three."""
    for name in ("good.s0", "poor.s1"):
        del scanners[2].index["trainings"][name]
    assert fold_difference(arm_scores(scanners, "good"), arm_scores(scanners, "poor"), 3) is None
    assert "| the good | the poor | 0 | not run |" in fold_paragraphs(scanners)[1]


def test_scanners_differ_in_percentage_points(scanners):
    text = "\n".join(blocks(scanners)["both"])
    by_seed = np.mean([fold.counts("good").accuracies() for fold in scanners], axis=0)
    assert f"| the good | 6 | {by_seed.mean():.3f} ± {by_seed.std(ddof=1):.3f} |" in text
    assert "accuracy, mean ± sd over seeds | 95 % over seeds and patients | of each fold: 0, 1, 2" in text
    found = fold_difference(arm_scores(scanners, "good"), arm_scores(scanners, "poor"), 3)
    assert found is not None and found.seeds == 6 and found.low > 0
    assert f"| the good | the poor | 6 | {100 * found.mean:+.1f} |" in text
    described = text[text.index("Described, not claimed:") :]
    assert f"| the poor | the good | 6 | {-100 * found.mean:+.1f} |" in described and "| p," not in described
    assert found.by_seed == pytest.approx(
        [np.mean([np.diff([fold.counts(arm).accuracies()[s] for arm in ("poor", "good")]) for fold in scanners])
         for s in (0, 1)]
    )  # fmt: skip


def test_one_training_on_each_scanner_has_neither_spread_nor_p(scanners):
    for fold in scanners:
        fold.index["trainings"] = {name: fold.index["trainings"][name] for name in ("good.s0", "poor.s0")}
    arms, claims, *_ = fold_paragraphs(scanners)
    mean = np.mean([fold.counts("good").accuracies()[0] for fold in scanners])
    assert f"| the good | 3 | {mean:.3f} (one training) |" in arms
    assert arms.count("95 % over patients (one training)") == claims.count("95 % over patients (one training)") == 1
    assert claims.splitlines()[-1].endswith("| | | |"), "no t, no p, no p after Holm"


def test_the_t_over_random_folds_knows_that_their_training_sets_overlap(folds):
    """Nadeau and Bengio's corrected resampled t: the variance is (1/k + n_test/n_train) s²; here 1/5 + 1/3."""
    found = fold_difference(arm_scores(folds, "good", draws=50), arm_scores(folds, "poor", draws=50), 5)
    assert found is not None
    statistic = found.mean / np.sqrt((1 / 5 + 1 / 3) * np.var(found.by_seed, ddof=1))
    assert found.p_by_t() == pytest.approx(2 * student.sf(abs(statistic), 4))
    low, high = found.by_t()
    assert high - low == pytest.approx(2 * student.ppf(0.975, 4) * found.mean / statistic)


def test_folds_and_scanners_are_panels_of_one_figure(folds, scanners, tmp_path):
    draw(tmp_path / "one.png", scanners)
    for fold in folds:
        fold.index["fold_of"] = "other"
    draw(tmp_path / "two.png", [*folds, *scanners])
    one, two = (imread(tmp_path / name).shape for name in ("one.png", "two.png"))
    assert two[0] > 1.6 * one[0] and two[1] == pytest.approx(one[1], rel=0.1), "the bars have a row of their own"
    draw(tmp_path / "scanners.svg", scanners)
    text = (tmp_path / "scanners.svg").read_text()
    assert all(f">{fold.index['title']}<" in text for fold in scanners) and text.count(">the good<") == 1


def test_no_two_arms_of_the_scanners_look_alike(tmp_path, rng):
    label = np.arange(20) % 2
    fold = write_fold(tmp_path / "both_0", {f"arm{k}.s0": rng.random(20) for k in range(9)}, label, positive="")
    axes = Figure().subplots()
    draw_scanners(axes, [fold])
    looks = {
        (bars[0].get_facecolor(), bars[0].get_hatch()) for bars in axes.containers if isinstance(bars, BarContainer)
    }
    assert len(looks) == 9


def test_what_has_not_run_is_said(folds):
    for fold in folds:
        fold.index["trainings"].clear()
    assert fold_paragraphs(folds) == ["None of the 15 planned trainings has run."]


def test_a_fold_of_one_kind_is_refused(tmp_path):
    fold = write_fold(tmp_path / "fold", {"good.s0": [0.5, 0.5], "poor.s0": [0.5, 0.5]}, [1, 1])
    with pytest.raises(InputError, match="all of one kind"):
        arm_scores([fold], "good", draws=10)


def test_a_fold_names_the_class_that_it_measures(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        "runs: runs\ndatasets: {d: {path: d}}\ntables:\n  one: {data: d, positive: all, baseline: a,"
        " rows: {a: {model: A, artefact: a.keras, train: {}}}}\n"
    )
    with pytest.raises(InputError, match="positive: is of folds"):
        read_study(file)
