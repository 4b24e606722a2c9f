"""What several trainings say of a difference: intervals over seeds and patients at once, and Holm's correction.

A seed is a training (initialisation, order of the data, choice of the labelled patients together); the same test
patients are seen by all of them. Both are samples, so both are resampled, each as a whole: a crossed ("pigeonhole")
bootstrap, which is conservative: chance of one training on one patient is drawn by both (Owen, Annals of Applied
Statistics 1(2), 2007). Arms are compared in pairs, seed by seed and patient by patient.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t

from common.errors import InputError

DRAWS = 10_000
LEVEL = 0.95
SEED = 0  # of all draws: the same stored tables give the same page


@dataclasses.dataclass(frozen=True)
class Counts:
    """What an arm got right.

    Attributes:
        right: int [seeds, patients], frames whose class is right.
        frames: int [patients], labelled frames of each patient, the same for each seed.
        seeds: names of the seeds, in the order of the rows.
    """

    right: np.ndarray
    frames: np.ndarray
    seeds: tuple[int, ...]

    def accuracies(self) -> np.ndarray:
        """float64 [seeds]: share of the frames whose class is right."""
        return self.right.sum(axis=1) / self.frames.sum()

    def of_seeds(self, seeds: Sequence[int]) -> Counts:
        """Those of some seeds, in their order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        return Counts(self.right[rows], self.frames, tuple(seeds))


@dataclasses.dataclass(frozen=True)
class Difference:
    """How an arm differs from another.

    Attributes:
        mean: of the differences of accuracy, over seeds.
        low, high: interval over seeds and patients.
        seeds: pairs that it is made from.
        p: two-sided, of the same bootstrap: twice the share of draws on the other side of 0. Where all seeds have one
            sign it hardly depends on how few they are: a claim takes `p_of_claim`.
        by_seed: float [seeds], the difference of each; of random folds that of each fold.
        widened: factor on the standard error of the mean of `by_seed`; above 1 where they are not independent.
    """

    mean: float
    low: float
    high: float
    seeds: int
    p: float
    by_seed: tuple[float, ...]
    widened: float = 1.0

    @property
    def one_training(self) -> bool:
        """Whether nothing is repeated, so that nothing is known of how much trainings vary."""
        return len(self.by_seed) < 2

    def by_t(self) -> tuple[float, float] | None:
        """Interval of the mean by Student's t over the repeated trainings alone; None where there is one."""
        if self.one_training:
            return None
        mean, half = float(np.mean(self.by_seed)), float(t.ppf((1 + LEVEL) / 2, len(self.by_seed) - 1)) * self._error()
        return mean - half, mean + half

    def p_by_t(self) -> float | None:
        """Two-sided p of the same t; None where there is one training."""
        if self.one_training:
            return None
        mean, error = abs(float(np.mean(self.by_seed))), self._error()
        if error == 0:
            return float(mean == 0)
        return float(2 * t.sf(mean / error, len(self.by_seed) - 1))

    def p_of_claim(self) -> float | None:
        """The larger of the bootstrap's p and that by t; None where there is one training, which shows no claim."""
        by_t = self.p_by_t()
        return None if by_t is None else max(self.p, by_t)

    def _error(self) -> float:
        """Standard error of the mean of `by_seed`."""
        return self.widened * mean_and_sd(np.array(self.by_seed))[1] / float(np.sqrt(len(self.by_seed)))


def widened_by_overlap(folds: int, test_frames: float, train_frames: float) -> float:
    """Factor on the standard error of a mean over random folds, whose training sets overlap.

    The variance of the mean of k folds is (1/k + n_test/n_train) s² and not s²/k (Nadeau and Bengio, Machine Learning
    52, 2003, "corrected resampled t-test").
    """
    return float(np.sqrt((1 / folds + test_frames / train_frames) * folds))


def count_right(right: np.ndarray, patients: np.ndarray, seeds: Sequence[int]) -> Counts:
    """Counts of an arm.

    Args:
        right: bool [seeds, frames].
        patients: [frames], whose each frame is.
        seeds: names of the rows.
    """
    names, index = np.unique(np.asarray(patients), return_inverse=True)
    rows = [np.bincount(index, weights=row, minlength=len(names)) for row in np.atleast_2d(right)]
    return Counts(np.array(rows, dtype=np.int64), np.bincount(index), tuple(int(seed) for seed in seeds))


def mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    """Mean and sample standard deviation (n − 1); NaN for the latter of one value."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def interval(counts: Counts, *, draws: int = DRAWS) -> tuple[float, float]:
    """Interval of an arm's mean accuracy, over seeds and patients."""
    return percentiles(_resample(counts.right.astype(float), counts.frames, draws))


def paired_difference(arm: Counts, other: Counts) -> Difference:
    """Accuracy of `arm` minus that of `other`, of the same test frames, over the seeds that both have.

    Raises:
        InputError: no seed in common, or other test frames.
    """
    if not np.array_equal(arm.frames, other.frames):
        raise InputError("the two arms were not tested on the same frames: store the predictions of both again")
    common = [name for name in arm.seeds if name in other.seeds]
    if not common:
        raise InputError("the two arms have no seed in common: train them with the same seeds")
    gap = arm.of_seeds(common).right - other.of_seeds(common).right
    by_seed = gap.sum(axis=1) / arm.frames.sum()
    drawn = _resample(gap.astype(float), arm.frames)
    low, high = percentiles(drawn)
    return Difference(float(by_seed.mean()), low, high, len(common), two_sided(drawn), tuple(map(float, by_seed)))


def two_sided(drawn: np.ndarray) -> float:
    """p of a difference: twice the share of its draws [draws] on the other side of 0, at most 1 and never 0."""
    beyond = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0)) + 1
    return min(1.0, 2 * beyond / (len(drawn) + 1))


def lost_share(arm: Counts, control: Counts, base: Counts, *, draws: int = DRAWS) -> tuple[float, float, float]:
    """Of what `arm` gains over `base`, the share that `control` loses, and its interval over seeds and patients.

    All three are of the same seeds and test frames. A draw in which `arm` gains nothing has no share and is left out;
    where more than a tail of the interval would be, it has no end on that side and is NaN.

    Raises:
        ValueError: `arm` gains nothing.
    """
    lost, gained = (arm.right - other.right for other in (control, base))
    if gained.sum() <= 0:
        raise ValueError("an arm that gains nothing has nothing to lose")
    # The same draws and shape: the same patients and trainings are drawn above and below the line.
    above, below = (_resample(each.astype(float), arm.frames, draws) for each in (lost, gained))
    share, gaining = float(lost.sum() / gained.sum()), below > 0
    if np.mean(~gaining) > (1 - LEVEL) / 2:
        return share, float("nan"), float("nan")
    return share, *percentiles(above[gaining] / below[gaining])


def holm(p: Mapping[str, float], planned: int = 0) -> dict[str, float]:
    """Adjusted p of each claim (Holm, Scandinavian Journal of Statistics 6(2), 1979): at most 1, in the same order.

    Args:
        p: of the claims that have a result.
        planned: claims of the plan, where it has more: those without a result count as the least certain ones.
    """
    order = sorted(p, key=lambda name: p[name])
    claims, adjusted, highest = max(planned, len(order)), {}, 0.0
    for rank, name in enumerate(order):
        highest = max(highest, min(1.0, (claims - rank) * p[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p}


def _resample(values: np.ndarray, frames: np.ndarray, draws: int = DRAWS) -> np.ndarray:
    """Means over resampled seeds and patients: float64 [draws].

    Of n seeds n − 1 are drawn, and of the patients too: the variance of n draws is too small by (n − 1)/n, a fifth
    of it with five seeds (Rao and Wu, JASA 83, 1988). One seed stays as it is.

    Args:
        values: float [seeds, patients], sums over the frames of a patient.
        frames: int [patients].
    """
    take, trainings = _draws(draws, values.shape[1], values.shape[0])
    sums = take @ values.T  # [draws, seeds]
    return (sums * trainings).sum(axis=1) / trainings.sum(axis=1) / (take @ frames)


@functools.lru_cache(maxsize=2)  # 10,000 draws of 400 patients are 32 MB, and the arms of a table have one shape
def _draws(draws: int, patients: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each patient [draws, patients] and each training [draws, seeds] is drawn, the same for all arms."""
    rng = np.random.default_rng(SEED)
    return multiplicities(rng, draws, patients), multiplicities(rng, draws, seeds)


def multiplicities(rng: np.random.Generator, draws: int, count: int) -> np.ndarray:
    """How often each of `count` is drawn when `count` − 1 are: float64 [draws, count]; a single one stays as it is."""
    if count == 1:
        return np.ones((draws, 1))
    return rng.multinomial(count - 1, np.full(count, 1 / count), size=draws).astype(float)


def percentiles(drawn: np.ndarray) -> tuple[float, float]:
    """The interval that holds a share `LEVEL` of the draws [draws]."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
