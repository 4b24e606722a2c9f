"""Filters over time, thresholds, risk and coverage: identities, limits, and sums written out by hand."""

import numpy as np
import pandas as pd
import pytest

from evaluation.decision import (
    FILTERS,
    LEAST_KEPT,
    TIME_CONSTANTS_S,
    CausalFilter,
    area_under_risk_coverage,
    causal,
    filter_table,
    fit_decision,
    operating_point,
    risk_coverage,
    two_sided,
)
from evaluation.selective import selective_row
from evaluation.temporal import clip_metrics

CLASSES = ("head", "femur")


@pytest.fixture(scope="module")
def clip():
    """Probabilities of 30 frames of three classes at uneven times."""
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(3), 30), np.cumsum(rng.uniform(0.01, 0.3, 30))


def predictions(labels, right, recording="a", step_s=0.5):
    """A table in which frame i gives its true class `right[i]`."""
    labels, right = np.array(labels), np.array(right, dtype=float)
    p_head = np.where(labels == 0, right, 1 - right)
    count = len(labels)
    return pd.DataFrame(
        {
            "recording_id": recording,
            "patient_id": recording,
            "frame_index": range(count),
            "time_s": step_s * np.arange(count),
            "label": labels,
            "p_head": p_head,
            "p_femur": 1 - p_head,
        }
    )


@pytest.mark.parametrize("kind", FILTERS)
def test_a_filter_is_the_weighted_sum_of_its_definition(kind, clip):
    probabilities, times_s = clip
    weights = (np.arange(30) % 4 != 1).astype(float)
    apart = times_s[:, None] - times_s[None]
    kernel = np.exp(-np.abs(apart) / 0.4) * weights
    if kind == "causal":
        kernel = np.where(apart >= 0, kernel, 0)
    expected = kernel @ probabilities / kernel.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(FILTERS[kind](probabilities, times_s, 0.4, weights), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", FILTERS)
def test_filters_keep_sums_and_constants_and_no_filter_changes_nothing(kind, clip):
    probabilities, times_s = clip
    np.testing.assert_allclose(FILTERS[kind](probabilities, times_s, 0.8).sum(axis=1), 1)
    same = np.repeat(probabilities[:1], 30, axis=0)
    np.testing.assert_allclose(FILTERS[kind](same, times_s, 3.2), same)
    np.testing.assert_array_equal(FILTERS[kind](probabilities, times_s, 0.0), probabilities)
    long = FILTERS[kind](probabilities, times_s, 1e7)
    np.testing.assert_allclose(long[-1], probabilities.mean(axis=0), atol=1e-5)


def test_the_two_sided_filter_does_not_know_which_way_time_runs(clip):
    probabilities, times_s = clip
    back = two_sided(probabilities[::-1], (times_s[-1] - times_s)[::-1], 0.4)[::-1]
    np.testing.assert_allclose(two_sided(probabilities, times_s, 0.4), back, rtol=1e-9)


def test_the_causal_filter_knows_nothing_of_what_comes(clip):
    probabilities, times_s = clip
    whole = causal(probabilities, times_s, 0.4)
    np.testing.assert_array_equal(causal(probabilities[:9], times_s[:9], 0.4), whole[:9])


def test_frames_without_weight_answer_for_themselves_only_where_nothing_else_does():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    times_s = np.array([0.0, 0.1, 0.2])
    np.testing.assert_array_equal(two_sided(p, times_s, 0.4, np.zeros(3)), p)
    found = causal(p, times_s, 0.4, np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(found, [p[0], p[1], p[1]])


def test_a_clock_that_goes_back_starts_the_filter_over():
    running = CausalFilter(1.0)
    running.add(np.array([1.0, 0.0]), 100.0)
    np.testing.assert_array_equal(running.add(np.array([0.0, 1.0]), 0.0), [0.0, 1.0])


def test_recordings_are_filtered_each_for_itself_and_in_any_order():
    first, second = predictions([0] * 6, [0.9] * 6, "a"), predictions([1] * 6, np.linspace(0.6, 1, 6), "b")
    both = pd.concat([first, second], ignore_index=True).sample(frac=1, random_state=0).reset_index(drop=True)
    found = filter_table(both, CLASSES, "two_sided", 1.0)
    alone = filter_table(second, CLASSES, "two_sided", 1.0)
    rows = both.index[both["recording_id"] == "b"]
    order = np.argsort(both["time_s"][rows])
    np.testing.assert_allclose(found[rows][order], alone)
    np.testing.assert_allclose(found[both["recording_id"] == "a"][:, 0], 0.9)


def test_risk_and_coverage_are_counted_from_the_most_confident_frame():
    curve = risk_coverage(np.array([0.5, 0.9, 0.7, 0.7]), np.array([False, True, True, False]))
    np.testing.assert_allclose(curve["threshold"], [0.9, 0.7, 0.5])
    np.testing.assert_allclose(curve["coverage"], [0.25, 0.75, 1])
    np.testing.assert_allclose(curve["risk"], [0, 1 / 3, 0.5])
    rng = np.random.default_rng(1)
    confidence, right = rng.permutation(400) / 400, rng.random(400) < 0.7
    expected = np.mean([np.mean(~right[np.argsort(-confidence)[:k]]) for k in range(1, 401)])
    assert area_under_risk_coverage(confidence, right) == pytest.approx(expected)


def test_the_threshold_keeps_as_much_as_the_target_allows():
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.3, 1, 2000)
    right = rng.random(2000) < confidence  # calibrated
    threshold, accuracy, coverage, reached = operating_point(confidence, right, 0.9)
    assert reached and accuracy >= 0.9
    assert (coverage, accuracy) == (np.mean(confidence >= threshold), np.mean(right[confidence >= threshold]))
    lower = np.sort(confidence[confidence < threshold])
    assert all(np.mean(right[confidence >= t]) < 0.9 for t in lower), "no threshold that keeps more reaches it"


def test_a_target_out_of_reach_gives_the_best_there_is_and_says_so():
    confidence = np.linspace(0.4, 0.9, 100)
    right = np.arange(100) % 2 == 0
    threshold, accuracy, coverage, reached = operating_point(confidence, right, 0.95)
    assert not reached and accuracy == pytest.approx(np.mean(right[confidence >= threshold]))
    assert coverage >= LEAST_KEPT / 100
    assert operating_point(confidence, np.ones(100, bool), 0.95) == (0.0, 1.0, 1.0, True)


def test_the_time_constant_is_fitted_where_there_are_clips():
    rng = np.random.default_rng(3)
    noisy = [predictions([k % 2] * 40, np.clip(rng.normal(0.6, 0.25, 40), 0, 1), f"r{k}", 0.1) for k in range(20)]
    decision = fit_decision(pd.concat(noisy, ignore_index=True), CLASSES)
    assert decision.temporal and (decision.frames, decision.recordings) == (800, 20)
    assert {decision.causal.time_constant_s, decision.two_sided.time_constant_s} <= {*TIME_CONSTANTS_S[4:]}
    assert decision.still.time_constant_s == 0
    assert decision.still.coverage < decision.causal.coverage <= decision.two_sided.coverage
    # A label that changes from frame to frame is nothing to filter.
    quick = fit_decision(predictions([0, 1] * 40, [0.8] * 80), CLASSES)
    assert quick.causal.time_constant_s == quick.two_sided.time_constant_s == 0


def test_single_images_fit_a_threshold_alone():
    images = pd.concat([predictions([k % 2], [0.4 + 0.006 * k], f"r{k}") for k in range(100)], ignore_index=True)
    decision = fit_decision(images, CLASSES)
    assert not decision.temporal and decision.two_sided.threshold == decision.still.threshold > 0.5
    assert fit_decision(images.assign(label=-1), CLASSES) is None


def test_selective_accuracy_is_of_what_is_kept():
    table = predictions([0] * 10 + [1] * 10, [0.9] * 9 + [0.4] + [0.6] * 10)
    decision = fit_decision(table, CLASSES, target=1.0)
    row = selective_row(table, CLASSES, decision)
    kept = table[["p_head", "p_femur"]].max(axis=1) >= decision.still.threshold
    assert row["coverage"] == pytest.approx(kept.mean())
    assert set(selective_row(table, CLASSES, None)) == {"aurc"}
    whole = {name: row["per_class"][name]["coverage"] for name in CLASSES}
    assert np.mean(list(whole.values())) == pytest.approx(row["coverage"]), "the classes are as frequent as each other"


def test_clips_are_stretches_of_one_label_and_delays_run_from_their_first_frame():
    table = predictions([0] * 4 + [1] * 4 + [-1] + [0] * 2, [0.2, 0.55, 0.9, 0.9] + [0.95] * 4 + [0.5] + [0.1] * 2)
    point = fit_decision(table, CLASSES).still
    found = clip_metrics(table, CLASSES, point.__class__(0.0, 0.85, 1.0, 1.0, True))
    assert found["n_clips"] == 3
    assert found["accuracy"] == pytest.approx((3 / 4 + 1 + 0) / 3)
    # In the first clip a frame that is kept comes third, 1 s in; in the last, every kept frame is wrong.
    assert found["time_to_first_correct_s"] == {"median": 0.5, "p95": pytest.approx(0.95), "never": 1}
    assert found["frames_to_decision"] == {"median": 1.0, "p95": pytest.approx(2.8), "never": 0}
    assert found["first_decision_accuracy"] == pytest.approx(2 / 3)
    assert found["per_class"] == {"head": pytest.approx(3 / 8), "femur": 1.0}
    flagged = np.isin(np.arange(len(table)), [2, 9, 10])  # the first that was kept, and all of the last clip
    found = clip_metrics(table, CLASSES, point.__class__(0.0, 0.85, 1.0, 1.0, True), flagged)
    assert found["frames_to_decision"] == {"median": 2.5, "p95": pytest.approx(3.85), "never": 1}
    assert found["first_decision_accuracy"] == 1.0
    images = pd.concat([predictions([0], [0.9], f"r{k}") for k in range(5)])
    assert clip_metrics(images, CLASSES, point) is None
