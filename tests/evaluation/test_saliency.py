"""Saliency metrics: their limits, their invariances, and SciPy and scikit-learn as oracles."""

import numpy as np
import pytest
from scipy.stats import entropy, pearsonr, zscore
from sklearn.metrics import roc_auc_score

from evaluation.saliency import (
    auc_judd,
    cc,
    fixated_pixels,
    kld,
    nss,
    saliency_table,
    shuffled_auc,
    sim,
    static_prior,
)

H, W = 7, 9


@pytest.fixture
def maps():
    return 0.05 + np.random.default_rng(0).random((4, H, W)) ** 3


@pytest.fixture
def density():
    return np.random.default_rng(1).random((4, H, W)) ** 5


def test_a_perfect_prediction(density):
    np.testing.assert_allclose(kld(density, density), 0, atol=1e-5)
    np.testing.assert_allclose(cc(density, density), 1)
    np.testing.assert_allclose(sim(density, density), 1)


def test_scale_does_not_matter(maps, density):
    for metric in (kld, cc, sim):
        np.testing.assert_allclose(metric(maps, density), metric(maps * 7, density / 3))


def test_against_scipy(maps, density):
    for p, g, found_kld, found_cc in zip(maps, density, kld(maps, density), cc(maps, density)):
        assert found_kld == pytest.approx(entropy((g / g.sum()).ravel(), (p / p.sum()).ravel()), abs=1e-4)
        assert found_cc == pytest.approx(pearsonr(p.ravel(), g.ravel()).statistic)


def test_disjoint_maps_share_nothing():
    p, g = np.zeros((H, W)), np.zeros((H, W))
    p[0, 0] = g[3, 3] = 1
    assert sim(p, g) == 0
    assert kld(p, g) == pytest.approx(np.log(1 / 1e-7), rel=1e-3)


def test_uniform_against_one_pixel_is_the_logarithm_of_the_pixels():
    g = np.zeros((H, W))
    g[2, 2] = 1
    assert kld(np.ones((H, W)), g) == pytest.approx(np.log(H * W), abs=1e-4)
    assert sim(np.ones((H, W)), g) == pytest.approx(1 / (H * W))
    assert cc(np.ones((H, W)), g) == 0


def test_an_empty_map_counts_as_uniform(density):
    np.testing.assert_allclose(kld(np.zeros((4, H, W)), density), kld(np.ones((4, H, W)), density))


def test_negative_values_are_refused(density):
    with pytest.raises(ValueError, match="negative"):
        kld(-density, density)


def test_nss_against_scipy(maps):
    fixated = np.zeros((H, W), bool)
    fixated[1, 2] = fixated[4, 4] = True
    assert nss(maps[0], fixated) == pytest.approx(zscore(maps[0], axis=None)[fixated].mean())
    assert nss(maps[0], np.ones((H, W), bool)) == pytest.approx(0)
    assert nss(np.full((H, W), 0.1), fixated) == 0
    assert np.isnan(nss(maps[0], np.zeros((H, W), bool)))


def test_auc_judd_limits(maps):
    fixated = maps[0] > np.quantile(maps[0], 0.9)
    assert auc_judd(maps[0], fixated) == 1
    # Thresholds lie at fixated values only, so the worst map keeps the first step's triangle.
    assert auc_judd(-maps[0], fixated) == pytest.approx(0.5 / fixated.sum())
    assert auc_judd(np.full((H, W), 0.3), fixated) == 0.5
    assert np.isnan(auc_judd(maps[0], np.zeros((H, W), bool)))


def test_auc_judd_of_one_fixation_is_its_rank():
    p = np.arange(H * W, dtype=float).reshape(H, W)
    fixated = np.zeros((H, W), bool)
    fixated.flat[50] = True
    # One point of the ROC: false alarms of everything above it, then a straight line to (1, 1).
    false_alarms = (H * W - 51) / (H * W - 1)
    assert auc_judd(p, fixated) == pytest.approx(false_alarms * 0 + (1 - false_alarms) * 1 + false_alarms * 0.5)


def test_auc_judd_is_near_the_full_roc_when_many_pixels_are_fixated():
    random = np.random.default_rng(4)
    p = random.random((40, 50))
    fixated = random.random((40, 50)) < p * 0.6
    assert auc_judd(p, fixated) == pytest.approx(roc_auc_score(fixated.ravel(), p.ravel()), abs=0.003)


def test_auc_does_not_change_under_a_monotonic_map(maps):
    fixated = np.random.default_rng(5).random((H, W)) < 0.2
    assert auc_judd(maps[0], fixated) == pytest.approx(auc_judd(np.exp(3 * maps[0]), fixated))


def test_shuffled_auc_takes_the_centre_bias_out():
    random = np.random.default_rng(6)
    rows, columns = np.mgrid[:30, :40]
    centre = np.exp(-((rows - 15) ** 2 + (columns - 20) ** 2) / 60)
    fixated = (random.random((200, 30, 40)) < centre * 0.1) & (centre > 1e-3)
    fixated = fixated[fixated.any(axis=(1, 2))]
    others = fixated.sum(axis=0) - fixated.astype(int)
    judd = np.mean([auc_judd(centre, f) for f in fixated])
    shuffled = np.mean([shuffled_auc(centre, f, o) for f, o in zip(fixated, others)])
    assert judd > 0.8
    assert shuffled == pytest.approx(0.5, abs=0.05)


def test_shuffled_auc_weighs_negatives_by_how_often_they_were_looked_at():
    p = np.array([[0.1, 0.5, 0.9]])
    fixated = np.array([[False, True, False]])
    # Negatives 0.1 three times, 0.9 once: the ROC goes (0,0) → (1/4, 1) → (1, 1).
    assert shuffled_auc(p, fixated, np.array([[3, 0, 1]])) == pytest.approx(0.125 + 0.75)


def test_fixated_pixels_and_the_frame_edges():
    fixated = fixated_pixels([0, 1, 0.5, 1.2, -0.1, np.nan], [0, 1, 0.5, 0.5, 0.5, 0.5], (4, 6))
    assert sorted(zip(*map(np.ndarray.tolist, np.nonzero(fixated)))) == [(0, 0), (2, 3), (3, 5)]


def test_static_prior_weighs_frames_alike(density):
    prior = static_prior(density)
    assert prior.sum() == pytest.approx(1)
    np.testing.assert_allclose(prior, static_prior(density * np.array([1, 10, 100, 1000])[:, None, None]))


def test_table_always_has_the_baselines(maps, density):
    fixated = density > 0.5
    table = saliency_table({"model": maps, "oracle": density}, density, fixated, static_prior(density))
    assert list(table.index) == ["model", "oracle", "static prior", "uniform"]
    assert table.loc["oracle", ["cc", "sim"]].tolist() == pytest.approx([1, 1])
    assert table.loc["oracle", "kld"] == table["kld"].min()
    assert table.loc["uniform", ["cc", "nss", "auc_judd", "sauc"]].tolist() == pytest.approx([0, 0, 0.5, 0.5])
    assert table.loc["model", "sim"] == pytest.approx(sim(maps, density).mean())
