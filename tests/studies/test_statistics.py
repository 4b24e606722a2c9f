"""Intervals over seeds and patients: known variances, known limits, and an independent Holm."""

import numpy as np
import pytest
from scipy import stats

from common.errors import InputError
from studies.claims import claim_table
from studies.statistics import (
    Counts,
    Difference,
    count_right,
    holm,
    interval,
    lost_share,
    mean_and_sd,
    paired_difference,
)


def crossed(rng, seeds, patients, seed_sd, patient_sd, frames=20, mean=0.7):
    """Frames right of each seed and patient, whose shares vary with both."""
    share = mean + rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, patient_sd, (1, patients))
    right = rng.binomial(frames, np.clip(share, 0, 1))
    return Counts(right, np.full(patients, frames), tuple(range(seeds)))


def test_right_frames_are_counted_by_patient():
    right = np.array([[1, 0, 1, 1, 0], [1, 1, 1, 1, 1]], bool)
    found = count_right(right, np.array(["b", "a", "b", "c", "a"]), [4, 9])
    np.testing.assert_array_equal(found.right, [[0, 2, 1], [2, 2, 1]])
    np.testing.assert_array_equal(found.frames, [2, 2, 1])
    np.testing.assert_allclose(found.accuracies(), right.mean(axis=1))
    assert found.of_seeds([9]).accuracies() == [1.0]


@pytest.mark.parametrize("seeds", [2, 5, 8])
def test_an_interval_holds_the_truth_as_often_as_it_says(seeds):
    """Seeds and patients of which both vary: 95 % of the intervals hold the mean, within what 300 trials can show.

    Of two seeds it holds less: nothing that two trainings say of their spread is sure.
    """
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        low, high = interval(crossed(rng, seeds, 40, 0.03, 0.1), draws=500)
        held.append(low <= 0.7 <= high)
    said = {2: 0.85, 5: 0.93, 8: 0.93}[seeds]
    assert stats.binomtest(sum(held), len(held), said, "less").pvalue > 0.01


def test_the_interval_by_t_is_that_of_a_paired_test():
    one, other = np.random.default_rng(3).normal(0.7, 0.02, (2, 5))
    found = Difference(0.0, 0.0, 0.0, 5, 1.0, tuple(one - other)).by_t()
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)
    single = Difference(0.0, 0.0, 0.0, 1, 1e-4, (0.1,))
    assert single.by_t() is single.p_by_t() is single.p_of_claim() is None


def test_the_p_of_a_claim_is_the_larger_of_both():
    """Five seeds of one sign: the bootstrap's p is that of the patients alone, Student's that of a paired test."""
    one, other = np.random.default_rng(3).normal(0.7, 0.02, (2, 5)) + np.array([[0.03], [0]])
    by_t = stats.ttest_rel(one, other).pvalue
    for of_bootstrap in (1e-4, 0.9):
        found = Difference(0.0, 0.0, 0.0, 5, of_bootstrap, tuple(one - other))
        assert found.p_by_t() == pytest.approx(by_t)
        assert found.p_of_claim() == pytest.approx(max(by_t, of_bootstrap))
    assert Difference(0.0, 0.0, 0.0, 3, 1.0, (0.0, 0.0, 0.0)).p_by_t() == 1
    index = {"claims": [["a", "b"], ["a", "c"]], "arms": {name: {"model": name} for name in "abc"}}
    claims = {("a", "b"): Difference(0.02, 0.01, 0.03, 5, 1e-4, tuple(one - other))}
    claims["a", "c"] = Difference(0.02, 0.01, 0.03, 1, 1e-4, (0.02,))
    head, _, repeated, single = claim_table(index, claims, "difference", "seeds and patients", "seeds").splitlines()
    assert "| 95 % over seeds and patients |" in head
    assert repeated.endswith(f"| {by_t:.3f} | {2 * by_t:.3f} |"), "Holm counts both claims"
    assert single.endswith("| +1.0 to +3.0 (one training) | | | |")


def test_a_control_loses_all_or_nothing_of_a_gain_and_half_of_it():
    rng = np.random.default_rng(4)
    base = crossed(rng, 4, 30, 0.0, 0.1, mean=0.4)
    arm = Counts(base.right + 4, base.frames, base.seeds)
    assert lost_share(arm, arm, base, draws=50) == (0, 0, 0)
    assert lost_share(arm, base, base, draws=50) == (1, 1, 1)
    half = Counts(base.right + rng.integers(0, 5, base.right.shape), base.frames, base.seeds)
    share, low, high = lost_share(arm, half, base, draws=2000)
    assert low < share < high and share == pytest.approx(0.5, abs=0.1)
    uncertain = Counts(base.right + rng.integers(-4, 5, base.right.shape), base.frames, base.seeds)
    gains = int((uncertain.right - base.right).sum()) > 0
    arm, base = (uncertain, base) if gains else (base, uncertain)
    share, low, high = lost_share(arm, half, base, draws=2000)
    assert np.isnan([low, high]).all(), "many draws have no gain, so that nothing bounds the share"


def test_claims_that_have_not_run_count_in_holm():
    assert holm({"a": 0.01, "b": 0.2}, planned=6) == pytest.approx({"a": 0.06, "b": 1.0})
    assert holm({"a": 0.01, "b": 0.2}, planned=1) == holm({"a": 0.01, "b": 0.2})


def test_the_width_has_the_variance_of_both():
    """Without noise in the cells the variance of the mean is that of seeds over their number plus that of patients."""
    rng = np.random.default_rng(1)
    of_seeds, of_patients = rng.normal(0, 3, 6), rng.normal(0, 10, 50)
    right = 500 + np.round(10 * (of_seeds[:, None] + of_patients[None, :])).astype(int)
    counts = Counts(right, np.full(50, 1000), tuple(range(6)))
    low, high = interval(counts, draws=20_000)
    shares = right / 1000
    expected = shares.mean(axis=1).var(ddof=1) / 6 + shares.mean(axis=0).var(ddof=1) / 50
    assert (high - low) / (2 * 1.96) == pytest.approx(np.sqrt(expected), rel=0.06)


def test_what_both_arms_share_is_not_in_their_difference():
    rng = np.random.default_rng(2)
    other = crossed(rng, 5, 60, 0.05, 0.2)
    arm = Counts(np.minimum(other.right + 1, 20), other.frames, other.seeds)
    gap = (arm.right - other.right).sum() / other.frames.sum() / 5
    found = paired_difference(arm, other)
    assert found.mean == pytest.approx(gap) and found.low <= gap <= found.high
    assert found.high - found.low < 0.2 * (interval(other)[1] - interval(other)[0])
    assert found.p < 0.001 and found.by_seed == pytest.approx(arm.accuracies() - other.accuracies())


def test_an_arm_does_not_differ_from_itself():
    arm = crossed(np.random.default_rng(3), 4, 30, 0.02, 0.1)
    found = paired_difference(arm, arm)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_differences_are_antisymmetric_and_take_the_seeds_that_both_have():
    rng = np.random.default_rng(4)
    one, other = crossed(rng, 5, 30, 0.02, 0.1), crossed(rng, 5, 30, 0.02, 0.1, mean=0.65)
    there, back = paired_difference(one, other), paired_difference(other, one)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert there.p == pytest.approx(back.p)
    fewer = paired_difference(one, other.of_seeds([3, 1]))
    assert fewer.seeds == 2 and fewer.by_seed == pytest.approx(
        one.of_seeds([1, 3]).accuracies() - other.of_seeds([1, 3]).accuracies()
    )


def test_arms_that_can_not_be_compared_are_refused():
    arm = crossed(np.random.default_rng(5), 2, 10, 0.02, 0.1)
    with pytest.raises(InputError, match="no seed in common"):
        paired_difference(arm, Counts(arm.right, arm.frames, (7, 8)))
    with pytest.raises(InputError, match="not tested on the same frames"):
        paired_difference(arm, Counts(arm.right, arm.frames + 1, arm.seeds))


def test_holm_by_its_definition():
    """The k-th smallest p of m is held against level/(m − k + 1), and all after the first that fails are kept."""
    rng = np.random.default_rng(6)
    for _ in range(50):
        p = {name: float(value) for name, value in zip("abcdef", rng.uniform(0, 0.1, 6))}
        adjusted = holm(p)
        rejected = set()
        for rank, name in enumerate(sorted(p, key=p.get)):
            if p[name] > 0.05 / (6 - rank):
                break
            rejected.add(name)
        assert {name for name, value in adjusted.items() if value <= 0.05} == rejected
        assert list(adjusted) == list(p) and all(p[name] <= adjusted[name] <= 1 for name in p)
    assert holm({"only": 0.03}) == {"only": 0.03}


def test_mean_and_sd():
    assert mean_and_sd(np.array([0.7, 0.8, 0.9])) == pytest.approx((0.8, 0.1))
    assert np.isnan(mean_and_sd(np.array([0.7]))[1])
