"""Several tables read as one comparison: random folds of one set, or scanners that were left out one after the other.

Each fold has data and trainings of its own, and the mean over folds is reported. Of random folds, whose tables name the
class `positive`, it is the mean area under the ROC curve, measured within a fold, since scores of different models are
not comparable; folds are resampled as a whole. Without `positive` it is the mean accuracy, and the folds are those that
there are, such as the scanners of a set: they stay. Within a fold its test patients are resampled (where a set has no
patient numbers, its images), and its seeds, for all arms alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from common.errors import InputError
from studies.claims import claim_table, interval_head
from studies.page import markdown
from studies.statistics import (
    DRAWS,
    LEVEL,
    Difference,
    mean_and_sd,
    multiplicities,
    percentiles,
    two_sided,
    widened_by_overlap,
)
from studies.stored import Stored

_OVERLAP = (
    "The training sets of the folds overlap. The intervals by t are widened for it (Nadeau and Bengio, Machine "
    "Learning 52, 2003); the bootstrap takes the folds as independent, so its intervals are too narrow."
)


@dataclasses.dataclass(frozen=True)
class Scores:
    """An arm's areas under the ROC curve, or its accuracies.

    Attributes:
        by_fold: {fold: float [seeds], score of each training on the fold's test frames}.
        drawn: {fold: float [draws, seeds], the same on resampled patients, alike for all arms}.
        seeds: {fold: names of the seeds, in the order of the columns}.
        random_folds: whether the folds are a sample, which is resampled too.
        tested: of random folds {fold: test frames for each training frame}.
    """

    by_fold: dict[str, np.ndarray]
    drawn: dict[str, np.ndarray]
    seeds: dict[str, tuple[int, ...]]
    random_folds: bool = True
    tested: dict[str, float] = dataclasses.field(default_factory=dict)

    def single_folds(self) -> list[Scores]:
        """Those of each fold alone."""
        return [
            Scores({name: values}, {name: self.drawn[name]}, {name: self.seeds[name]}, self.random_folds)
            for name, values in self.by_fold.items()
        ]

    def repeated(self) -> np.ndarray:
        """What the spread is over: of random folds each one's mean score, else each seed's mean over all folds.

        Returns:
            float [folds], or float [seeds that every fold has].
        """
        if self.random_folds:
            return np.array([values.mean() for values in self.by_fold.values()])
        everywhere = sorted(set.intersection(*map(set, self.seeds.values())))
        columns = ([self.seeds[name].index(seed) for seed in everywhere] for name in self.by_fold)
        return np.mean([self.by_fold[name][rows] for name, rows in zip(self.by_fold, columns, strict=True)], axis=0)


def area(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve: how often a positive frame scores above a negative one, ties counting half.

    Args:
        scores: float [frames].
        positive: bool [frames]; both classes are there.
        weights: float [draws, frames], how often each frame counts; None = once.

    Returns:
        float [draws], or a scalar array without weights; NaN for a draw without one of the classes.
    """
    above, below = scores[positive], scores[~positive]
    wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    if weights is None:
        return wins.mean()
    of_above, of_below = weights[:, positive], weights[:, ~positive]
    with np.errstate(invalid="ignore"):
        return ((of_above @ wins) * of_below).sum(axis=1) / (of_above.sum(axis=1) * of_below.sum(axis=1))


def share_right(right: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Accuracy of frames that are right or not, bool [frames]; weights as in `area`."""
    if weights is None:
        return right.mean()
    with np.errstate(invalid="ignore"):
        return weights @ right / weights.sum(axis=1)


def arm_scores(folds: Sequence[Stored], arm: str, *, draws: int = DRAWS, seed: int = 0) -> Scores:
    """Scores of an arm on each fold on which it has run.

    Raises:
        InputError: a fold without the positive class, or without any other; stored tables that don't fit.
    """
    found = Scores({}, {}, {}, bool(folds[0].index["positive"]))
    for place, fold in enumerate(folds):
        seeds = fold.seeds(arm)
        if not seeds:
            continue
        kept = (fold.frames["label"] >= 0).to_numpy()
        label = fold.frames["label"].to_numpy()[kept]
        patients, index = np.unique(fold.frames["patient_id"].to_numpy()[kept], return_inverse=True)
        weights = multiplicities(np.random.default_rng([seed, place]), draws, len(patients))[:, index]
        given = [fold.probabilities(arm, each)[kept] for each in seeds]
        if found.random_folds:
            column = fold.index["classes"].index(fold.index["positive"])
            positive = label == column
            if positive.all() or not positive.any():
                raise InputError(f"{fold.folder}: its test frames are all of one kind, so there is no ROC curve")
            pairs = [(area(each[:, column], positive), area(each[:, column], positive, weights)) for each in given]
            found.tested[fold.folder.name] = len(label) / fold.index["train_frames"]
        else:
            answers = [each.argmax(axis=1) == label for each in given]
            pairs = [(share_right(right), share_right(right, weights)) for right in answers]
        name = fold.folder.name
        found.by_fold[name] = np.array([score for score, _ in pairs])
        found.drawn[name] = np.stack([drawn for _, drawn in pairs], axis=1)
        found.seeds[name] = tuple(seeds)
    return found


def over_folds(scores: Scores, *, seed: int = 0, level: float = LEVEL) -> tuple[float, float, float]:
    """Mean over folds (and seeds within a fold), and its interval."""
    drawn = _mean_of_drawn(list(scores.drawn.values()), seed, scores.random_folds)
    return (float(np.mean([values.mean() for values in scores.by_fold.values()])), *percentiles(drawn, level))


def fold_difference(arm: Scores, other: Scores, *, seed: int = 0, level: float = LEVEL) -> Difference | None:
    """Score of `arm` minus that of `other`, over the folds and seeds that both have; None where there are none.

    Its `by_seed` are the differences of random folds; of folds that stay those of the seeds that every fold has.
    Training sets of random folds overlap, so their t is widened for it; the bootstrap takes folds as independent.
    """
    gaps: dict[str, dict[int, float]] = {}
    drawn = []
    for name in arm.seeds:
        common = [each for each in arm.seeds[name] if each in other.seeds.get(name, ())]
        if common:
            mine, theirs = ([side.seeds[name].index(each) for each in common] for side in (arm, other))
            gaps[name] = dict(zip(common, arm.by_fold[name][mine] - other.by_fold[name][theirs], strict=True))
            drawn.append(arm.drawn[name][:, mine] - other.drawn[name][:, theirs])
    if not gaps:
        return None
    means = _mean_of_drawn(drawn, seed, arm.random_folds)
    low, high = percentiles(means, level)
    of_folds = [float(np.mean(list(by_seed.values()))) for by_seed in gaps.values()]
    everywhere = sorted(set.intersection(*(set(by_seed) for by_seed in gaps.values())))
    of_seeds = [float(np.mean([by_seed[each] for by_seed in gaps.values()])) for each in everywhere]
    repeated = tuple(of_folds if arm.random_folds else of_seeds)
    pairs = sum(map(len, gaps.values()))
    widened = 1.0
    if arm.random_folds:
        widened = widened_by_overlap(len(gaps), float(np.mean([arm.tested[name] for name in gaps])), 1.0)
    return Difference(float(np.mean(of_folds)), low, high, pairs, two_sided(means), repeated, widened)


def fold_paragraphs(folds: Sequence[Stored]) -> list[str]:
    """What a page says of the folds of one comparison; a mean is of all folds, and is not there before."""
    index, trainings = folds[0].index, sum(len(fold.index["trainings"]) for fold in folds)
    planned = sum(len(fold.index["planned"]) for fold in folds)
    if not trainings:
        return [f"None of the {planned} planned trainings has run."]
    scores = {arm: arm_scores(folds, arm) for arm in index["arms"]}
    differences = {
        (better, other): difference
        for better, other in index["claims"]
        if len(scores[better].by_fold) == len(scores[other].by_fold) == len(folds)
        and (difference := fold_difference(scores[better], scores[other]))
    }
    if index["positive"]:
        claims = [claim_table(index, differences, "difference of areas × 100", "folds and images", "folds"), _OVERLAP]
    else:
        claims = [claim_table(index, differences, "difference, percentage points", "seeds and patients", "seeds")]
    left = f"{planned - trainings} of {planned} planned trainings have not run."
    left = left if trainings < planned else f"All {planned} planned trainings have run."
    return [_arm_table(folds, scores), *claims, left]


def _arm_table(folds: Sequence[Stored], scores: Mapping[str, Scores]) -> str:
    """One line for each arm that has run: its mean over all folds, its spread, its interval, each fold."""
    index = folds[0].index
    what, spread, over = ("area", "folds", "folds and images")
    trainings = [len(folds)]
    if not index["positive"]:
        what, spread, over = ("accuracy", "seeds", "seeds and patients")
        trainings = [max(map(len, found.seeds.values())) for found in scores.values() if found.by_fold]
    names = ", ".join(fold.folder.name.removeprefix(f"{index['fold_of']}_").replace("_", " ") for fold in folds)
    heads = [f"{what}, mean ± sd over {spread}", interval_head(over, trainings), f"of each fold: {names}"]
    lines = [["arm", "trainings", *heads]]
    for arm, found in scores.items():
        if not found.by_fold:
            continue
        cells = [index["arms"][arm]["model"], str(sum(map(len, found.seeds.values())))]
        if len(found.by_fold) == len(folds) > 1:
            mean, low, high = over_folds(found)
            repeated = found.repeated()
            sd = f"± {mean_and_sd(repeated)[1]:.3f}" if len(repeated) > 1 else "(one training)"
            cells += [f"{mean:.3f} {sd}", f"{low:.3f} to {high:.3f}"]
        else:
            cells += [f"{len(found.by_fold)} of {len(folds)} folds", ""]
        each = [f"{found.by_fold[fold.folder.name].mean():.3f}" if fold.folder.name in found.by_fold else "not run"
                for fold in folds]  # fmt: skip
        lines.append([*cells, " ".join(each)])
    return markdown(lines)


def _mean_of_drawn(drawn: Sequence[np.ndarray], seed: int, random_folds: bool) -> np.ndarray:
    """float64 [draws]: means over resampled seeds, then over folds, resampled where they are a sample.

    A draw that has lost one of the two classes counts as the mean of its fold.
    """
    columns = []
    for place, each in enumerate(drawn):
        take = multiplicities(np.random.default_rng([seed, place, each.shape[1]]), *each.shape)
        columns.append((each * take).sum(axis=1) / take.sum(axis=1))
    of_folds = np.stack(columns, axis=1)
    of_folds = np.where(np.isnan(of_folds), np.nanmean(of_folds, axis=0), of_folds)
    if not random_folds:
        return of_folds.mean(axis=1)
    take = multiplicities(np.random.default_rng([seed, len(drawn)]), *of_folds.shape)
    return (of_folds * take).sum(axis=1) / take.sum(axis=1)
