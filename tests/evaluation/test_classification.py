"""Classification metrics against closed forms, brute force and their own invariances."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from evaluation.classification import (
    accuracy_ci,
    classification_metrics,
    expected_calibration_error,
    macro_f1_ci,
    paired_difference_ci,
    vote_accuracy,
)

CLASSES = ("a", "b", "c")


def make_table(label, probabilities, patient=None, recording=None):
    label = np.asarray(label)
    patient = [f"p{k}" for k in range(len(label))] if patient is None else patient
    table = pd.DataFrame(
        {
            "recording_id": patient if recording is None else recording,
            "patient_id": patient,
            "frame_index": np.arange(len(label)),
            "time_s": 0.0,
            "label": label,
        }
    )
    for k, name in enumerate(CLASSES):
        table[f"p_{name}"] = np.asarray(probabilities, dtype=float)[:, k]
    return table


def one_hot(predicted, sure=1.0):
    rest = (1 - sure) / 2
    return np.where(np.eye(3)[np.asarray(predicted)] == 1, sure, rest)


def test_by_hand():
    table = make_table([0, 0, 1, 1, 2, -1], one_hot([0, 1, 1, 1, 0, 2]))
    found = classification_metrics(table, CLASSES)
    assert (found["n_frames"], found["n_unlabelled"], found["n_patients"]) == (5, 1, 5)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["confusion"] == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    per_class = {
        name: [facts[key] for key in ("precision", "recall", "f1", "support")]
        for name, facts in found["per_class"].items()
    }
    assert per_class["a"] == pytest.approx([0.5, 0.5, 0.5, 2])
    assert per_class["b"] == pytest.approx([2 / 3, 1, 0.8, 2])
    assert per_class["c"] == [0, 0, 0, 1]
    assert found["macro_f1"] == pytest.approx((0.5 + 0.8 + 0) / 3)
    assert found["macro_precision"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert found["macro_recall"] == pytest.approx((0.5 + 1 + 0) / 3)


def test_intervals_of_a_class_are_those_of_the_accuracy_on_its_frames_and_on_its_answers():
    random = np.random.default_rng(6)
    label = random.integers(0, 3, 300)
    table = make_table(label, random.dirichlet(np.ones(3), 300), patient=[f"p{k % 11}" for k in range(300)])
    predicted = table[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(1)
    facts = classification_metrics(table, CLASSES, draws=300)["per_class"]["b"]
    for name, of in (("recall", label == 1), ("precision", predicted == 1)):
        assert facts[f"{name}_ci95"] == accuracy_ci((predicted == label)[of], table["patient_id"][of], draws=300)
        low, high = facts[f"{name}_ci95"]
        assert low < facts[name] < high


def test_the_interval_of_a_class_that_is_never_answered_is_unknown():
    found = classification_metrics(make_table([0, 0, 2], one_hot([0, 0, 0])), CLASSES)
    assert np.isnan(found["per_class"]["b"]["precision_ci95"]).all()


def test_confusion_holds_every_frame_and_its_trace_is_the_accuracy():
    random = np.random.default_rng(0)
    table = make_table(random.integers(0, 3, 200), random.dirichlet(np.ones(3), 200))
    found = classification_metrics(table, CLASSES)
    confusion = np.array(found["confusion"])
    assert confusion.sum() == 200
    assert np.trace(confusion) / 200 == pytest.approx(found["accuracy"])
    assert confusion.sum(axis=1).tolist() == [found["per_class"][name]["support"] for name in CLASSES]


def test_a_class_that_is_absent_has_no_support_and_no_warning():
    found = classification_metrics(make_table([0, 1], one_hot([0, 1])), CLASSES)
    assert found["per_class"]["c"]["support"] == 0
    assert found["accuracy"] == 1


def test_no_labelled_frame_is_an_error():
    with pytest.raises(ValueError, match="no labelled frame"):
        classification_metrics(make_table([-1, -1], one_hot([0, 1])), CLASSES)


@pytest.mark.parametrize("sure", [0.4, 0.62, 0.99, 1.0])
def test_ece_of_one_confidence_is_its_gap_to_the_accuracy(sure):
    predicted, label = [0, 1, 2, 0], np.array([0, 1, 2, 1])
    assert expected_calibration_error(one_hot(predicted, sure), label) == pytest.approx(abs(sure - 0.75))


def test_ece_against_a_loop():
    random = np.random.default_rng(3)
    probabilities, label = random.dirichlet(np.ones(3) / 2, 500), random.integers(0, 3, 500)
    expected = 0.0
    for k in range(15):
        inside = [
            (max(p), int(np.argmax(p) == y)) for p, y in zip(probabilities, label) if k / 15 < max(p) <= (k + 1) / 15
        ]
        if inside:
            confidence, correct = np.mean(inside, axis=0)
            expected += len(inside) / 500 * abs(confidence - correct)
    assert expected_calibration_error(probabilities, label) == pytest.approx(expected)


def test_votes_are_per_recording_and_label():
    # In r0, label 0: the mean is for 0 although one frame of two is wrong; label 1 is voted wrong.
    probabilities = [[0.9, 0.1, 0], [0.4, 0.6, 0], [0.8, 0.2, 0], [0, 0, 1], [1, 0, 0]]
    table = make_table([0, 0, 1, 2, -1], probabilities, ["p"] * 5, ["r0", "r0", "r0", "r1", "r1"])
    assert vote_accuracy(table, CLASSES) == {"accuracy": pytest.approx(2 / 3), "n_groups": 3}


def test_bootstrap_against_every_possible_resample():
    # Three patients have 27 equally likely resamples: the exact distribution is known.
    patient = np.array(["x"] * 2 + ["y"] * 5 + ["z"] * 3)
    correct = np.array([1, 0, 1, 1, 1, 1, 0, 0, 0, 1], dtype=bool)
    means = []
    for draw in itertools.product("xyz", repeat=3):
        frames = np.concatenate([correct[patient == p] for p in draw])
        means.append(frames.mean())
    expected = np.quantile(means, [0.025, 0.975], method="inverted_cdf")
    found = accuracy_ci(correct, patient, draws=20000)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_interval_is_over_patients_not_frames():
    # All frames of a patient alike: copying each frame ten times adds no information.
    random = np.random.default_rng(5)
    correct = random.random(30) < 0.7
    patient = np.arange(30).astype(str)
    few = accuracy_ci(correct, patient)
    many = accuracy_ci(np.repeat(correct, 10), np.repeat(patient, 10))
    np.testing.assert_allclose(few, many)
    # And with one frame a patient it is near the binomial's normal approximation.
    spread = 1.96 * math.sqrt(correct.mean() * (1 - correct.mean()) / 30)
    np.testing.assert_allclose(few, [correct.mean() - spread, correct.mean() + spread], atol=0.04)


def test_interval_does_not_depend_on_row_order_and_repeats():
    random = np.random.default_rng(6)
    correct, patient = random.random(100) < 0.6, random.integers(0, 9, 100)
    order = random.permutation(100)
    assert accuracy_ci(correct, patient) == accuracy_ci(correct[order], patient[order])
    assert accuracy_ci(correct, patient) != accuracy_ci(correct, patient, seed=1)


def test_intervals_do_not_depend_on_how_many_patients_are_drawn_at_once(monkeypatch):
    random = np.random.default_rng(8)
    label, predicted = random.integers(0, 3, (2, 400))
    patients = [f"p{number}" for number in random.integers(0, 40, 400)]

    def intervals():
        right = accuracy_ci(label == predicted, patients, draws=100)
        return [*right, *macro_f1_ci(label, predicted, patients, 3, draws=100)]

    whole = intervals()
    monkeypatch.setattr("evaluation.classification.DRAWN_AT_ONCE", 3 * 40 + 1)
    assert intervals() == pytest.approx(whole, rel=1e-12)


def test_one_patient_gives_no_interval():
    assert np.isnan(accuracy_ci(np.array([True, False]), ["p", "p"])).all()


def test_paired_difference_with_itself_is_zero():
    random = np.random.default_rng(7)
    table = make_table(random.integers(0, 3, 50), random.dirichlet(np.ones(3), 50))
    assert paired_difference_ci(table, table, CLASSES) == {"difference": 0.0, "ci95": (0.0, 0.0)}


def test_paired_difference_cancels_what_patients_have_in_common():
    # b is right wherever a is, but for one frame of each patient: a constant difference.
    patient = np.repeat([f"p{k}" for k in range(10)], 4)
    label = np.zeros(40, dtype=int)
    a = np.where(np.repeat(np.arange(10) % 2 == 0, 4), 0, 1)
    a[::4] = 0
    b = a.copy()
    b[::4] = 1
    table_a, table_b = make_table(label, one_hot(a), patient), make_table(label, one_hot(b), patient)
    found = paired_difference_ci(table_a, table_b, CLASSES)
    assert found["difference"] == pytest.approx(0.25)
    assert found["ci95"] == pytest.approx((0.25, 0.25))
    assert paired_difference_ci(table_b, table_a, CLASSES)["difference"] == pytest.approx(-0.25)


def test_paired_difference_refuses_other_frames():
    a = make_table([0, 1], one_hot([0, 1]))
    b = a.iloc[::-1].reset_index(drop=True)
    with pytest.raises(ValueError, match="same frames"):
        paired_difference_ci(a, b, CLASSES)
    with pytest.raises(ValueError, match="same frames"):
        paired_difference_ci(a, a.iloc[:1], CLASSES)


def test_macro_f1_interval_is_the_one_of_resampled_tables():
    """Against the slow way: each resampled set of patients as a table of its own, scored by scikit-learn."""
    from sklearn.metrics import f1_score

    random = np.random.default_rng(5)
    label, patient = random.integers(0, 3, 60), random.integers(0, 8, 60)
    predicted = np.where(random.random(60) < 0.7, label, random.integers(0, 3, 60))
    found = macro_f1_ci(label, predicted, patient, 3, draws=200, seed=9)
    times = np.random.default_rng(9).multinomial(8, np.full(8, 1 / 8), 200)
    scores = []
    for drawn in times:
        rows = np.concatenate([np.flatnonzero(patient == k) for k in range(8) for _ in range(drawn[k])])
        scores.append(f1_score(label[rows], predicted[rows], labels=[0, 1, 2], average="macro", zero_division=0))
    assert found == pytest.approx(np.quantile(scores, [0.025, 0.975]))


def test_macro_f1_interval_at_its_limits():
    label, patient = [0, 1, 2] * 4, [k // 3 for k in range(12)]
    assert macro_f1_ci(label, label, patient, 3) == (1, 1)
    assert all(math.isnan(end) for end in macro_f1_ci(label, label, ["p"] * 12, 3))
    table = make_table(label, one_hot(label), patient=[f"p{k}" for k in patient])
    assert classification_metrics(table, CLASSES)["macro_f1_ci95"] == (1, 1)
