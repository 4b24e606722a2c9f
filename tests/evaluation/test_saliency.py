"""Saliency metrics: their limits, their invariances, and SciPy, scikit-learn and pysaliency as oracles."""

import itertools
import sys
import types

import numpy as np
import pytest
from scipy.stats import entropy, mannwhitneyu, pearsonr, zscore
from sklearn.metrics import roc_auc_score

from evaluation.saliency import (
    auc,
    auc_judd,
    cc,
    fixation_counts,
    kld,
    nss,
    other_fixations,
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
    fixated = np.zeros((H, W), int)
    fixated[1, 2] = fixated[4, 4] = 1
    assert nss(maps[0], fixated) == pytest.approx(zscore(maps[0], axis=None)[fixated > 0].mean())
    assert nss(maps[0], np.ones((H, W), int)) == pytest.approx(0)
    assert nss(np.full((H, W), 0.1), fixated) == 0
    assert np.isnan(nss(maps[0], np.zeros((H, W), int)))
    fixated[1, 2] = 3  # three fixations in one cell
    z = zscore(maps[0], axis=None)
    assert nss(maps[0], fixated) == pytest.approx((3 * z[1, 2] + z[4, 4]) / 4)


def pair_by_pair(predicted, positives, negatives):
    """The definition, a pair at a time."""
    cells = list(itertools.product(range(predicted.shape[0]), range(predicted.shape[1])))
    total = won = 0.0
    for p, n in itertools.product(cells, cells):
        weight = positives[p] * negatives[n]
        total += weight
        won += weight * ((predicted[p] > predicted[n]) + 0.5 * (predicted[p] == predicted[n]))
    return won / total


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_auc_counts_every_pair_and_ties_as_a_half(levels):
    random = np.random.default_rng(levels)
    predicted = random.integers(0, levels, (4, 5)) / levels
    positives, negatives = random.integers(0, 4, (2, 4, 5))
    found = auc(predicted, positives, negatives)
    assert found == pytest.approx(pair_by_pair(predicted, positives, negatives), abs=1e-12)
    expanded = [np.repeat(predicted.ravel(), part.ravel()) for part in (positives, negatives)]
    u = mannwhitneyu(*expanded).statistic
    assert found == pytest.approx(u / (len(expanded[0]) * len(expanded[1])), abs=1e-12)
    # The other way round, each pair is won by the other.
    assert auc(predicted, negatives, positives) == pytest.approx(1 - found, abs=1e-12)


@pytest.mark.parametrize("fixations", [1, 5, 30])
def test_auc_judd_against_scikit_learn(maps, fixations):
    fixated = np.zeros((H, W), int)
    fixated.flat[np.random.default_rng(fixations).permutation(H * W)[:fixations]] = 1
    for predicted in (maps[0], np.round(maps[0], 1)):
        expected = roc_auc_score(fixated.ravel(), predicted.ravel())
        assert auc_judd(predicted, fixated) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("fixations", [1, 5])
def test_noise_is_worth_a_half_however_few_cells_are_fixated(fixations):
    random = np.random.default_rng(fixations)
    scores = []
    for _ in range(2000):
        fixated = np.zeros((14, 18), int)
        fixated.flat[random.permutation(fixated.size)[:fixations]] = 1
        scores.append(auc_judd(random.random((14, 18)), fixated))
    # Five standard errors.
    assert np.mean(scores) == pytest.approx(0.5, abs=5 * np.std(scores) / np.sqrt(len(scores)))


def test_auc_judd_limits(maps):
    fixated = maps[0] > np.quantile(maps[0], 0.9)
    assert auc_judd(maps[0], fixated) == 1
    assert auc_judd(-maps[0], fixated) == 0
    assert auc_judd(np.full((H, W), 0.3), fixated) == 0.5
    assert np.isnan(auc_judd(maps[0], np.zeros((H, W), int)))
    assert np.isnan(auc_judd(maps[0], np.ones((H, W), int)))


def test_auc_does_not_change_under_a_monotonic_map(maps):
    fixated = np.random.default_rng(5).random((H, W)) < 0.2
    assert auc_judd(maps[0], fixated) == pytest.approx(auc_judd(np.exp(3 * maps[0]), fixated))


def gaze_of(frames, centre_of, random, most=6, shape=(14, 18)):
    """int [n, h, w]: one to `most` fixations a frame, normal around `centre_of(fixations)`, in cells."""
    counts = np.zeros((frames, *shape), int)
    for frame in range(frames):
        number = random.integers(1, most + 1)
        row, column = (random.normal(c, 1.5, number) for c in centre_of(number))
        np.add.at(
            counts[frame], tuple(np.clip(np.rint(v).astype(int), 0, n - 1) for v, n in zip((row, column), shape)), 1
        )
    return counts


def test_the_static_prior_is_worth_exactly_a_half_in_shuffled_auc():
    """Also where frames with few fixations are looked at elsewhere than frames with many."""
    random = np.random.default_rng(6)
    fixated = gaze_of(80, lambda number: (7, 4 if number < 4 else 12), random)
    rows, columns = np.mgrid[:14, :18]
    prior = np.exp(-((rows - 7) ** 2 + (columns - 4) ** 2) / 12)
    negatives = other_fixations(fixated)
    found = np.mean([shuffled_auc(prior, f, n) for f, n in zip(fixated, negatives)])
    assert found == pytest.approx(0.5, abs=1e-12)
    assert np.mean([auc_judd(prior, f) for f in fixated]) > 0.55


def test_a_map_that_knows_the_frame_beats_the_prior_in_shuffled_auc():
    random = np.random.default_rng(7)
    places = iter(random.uniform(2, 12, (60, 2)))
    fixated = gaze_of(60, lambda number: next(places), random)
    density = fixated + 1e-3
    table = saliency_table({"oracle": density, "prior": static_prior(density)}, density, fixated)
    assert table.loc["oracle", "sauc"] > 0.9 and table.loc["prior", "sauc"] == pytest.approx(0.5, abs=1e-12)


def test_a_frames_own_fixations_are_no_negatives():
    fixated = np.zeros((3, 1, 4), int)
    fixated[0, 0, 0], fixated[1, 0, 1], fixated[2, 0, 1], fixated[2, 0, 3] = 5, 2, 1, 1
    np.testing.assert_allclose(other_fixations(fixated)[:, 0], [[0, 1.5, 0, 0.5], [1, 0.5, 0, 0.5], [1, 1, 0, 0]])
    assert other_fixations(fixated[:1]).sum() == 0
    assert np.isnan(shuffled_auc(np.ones((1, 4)), fixated[0], other_fixations(fixated[:1])[0]))


@pytest.fixture
def pysaliency(monkeypatch):
    """The package without its networks, which need PyTorch, and with the name that NumPy 2 calls trapezoid."""
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    networks = types.ModuleType("pysaliency.external_models.deepgaze")
    networks.DeepGazeI = networks.DeepGazeIIE = object
    monkeypatch.setitem(sys.modules, networks.__name__, networks)
    return pytest.importorskip("pysaliency", reason="pysaliency, a development requirement, is not installed")


def test_aucs_and_nss_against_pysaliency(pysaliency):
    random = np.random.default_rng(8)
    frames, height, width, each = 6, 12, 16, 4
    maps = np.round(random.random((frames, height, width)), 1) + 0.05  # with many ties
    row, column = random.integers(0, height, (frames, each)), random.integers(0, width, (frames, each))
    images = [random.integers(0, 255, (height, width)).astype(np.uint8) for _ in range(frames)]
    stimuli = pysaliency.Stimuli(images)
    numbers = np.repeat(np.arange(frames), each)
    gaze = pysaliency.FixationTrains.from_fixation_trains(
        list(column.astype(float)), list(row.astype(float)), [np.arange(each)] * frames, np.arange(frames), [0] * frames
    )

    class Model(pysaliency.SaliencyMapModel):
        def _saliency_map(self, stimulus):
            return maps[[np.array_equal(stimulus, image) for image in images].index(True)]

    model, fixated = Model(), np.zeros((frames, height, width), int)
    np.add.at(fixated, (numbers, row.ravel(), column.ravel()), 1)
    table = saliency_table({"model": maps}, fixated + 1e-6, fixated).loc["model"]
    expected = {
        "auc_judd": model.AUC(stimuli, gaze, nonfixations="unfixated", average="image"),
        "sauc": model.AUC(stimuli, gaze, nonfixations="shuffled", average="image"),
        "nss": model.NSS(stimuli, gaze, average="image"),
    }
    assert table[list(expected)].to_dict() == pytest.approx(expected, abs=1e-9)


def test_fixation_counts_and_the_frame_edges():
    count = fixation_counts([0, 1, 0.5, 0.5, 1.2, -0.1, np.nan], [0, 1, 0.5, 0.5, 0.5, 0.5, 0.5], (4, 6))
    found = {(i, j): int(n) for (i, j), n in np.ndenumerate(count) if n}
    assert found == {(0, 0): 1, (2, 3): 2, (3, 5): 1}


def test_static_prior_weighs_frames_alike(density):
    prior = static_prior(density)
    assert prior.sum() == pytest.approx(1)
    np.testing.assert_allclose(prior, static_prior(density * np.array([1, 10, 100, 1000])[:, None, None]))


def test_table_is_the_mean_over_the_frames(maps, density):
    fixated = (density > 0.5).astype(int)
    static = np.ones((H, W))
    table = saliency_table({"model": maps, "oracle": density, "uniform": static}, density, fixated)
    assert list(table.index) == ["model", "oracle", "uniform"]
    assert table.loc["oracle", ["cc", "sim"]].tolist() == pytest.approx([1, 1])
    assert table.loc["oracle", "kld"] == table["kld"].min()
    assert table.loc["uniform", ["cc", "nss", "auc_judd", "sauc"]].tolist() == pytest.approx([0, 0, 0.5, 0.5])
    assert table.loc["model", "sim"] == pytest.approx(sim(maps, density).mean())
    assert table.loc["model", "nss"] == pytest.approx(np.mean([nss(p, f) for p, f in zip(maps, fixated)]))
