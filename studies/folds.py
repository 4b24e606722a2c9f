"""Several tables read as one comparison: random folds of one set, or scanners that were left out one after the other.

Each fold has data and trainings of its own, and the mean over folds is reported. Of random folds, whose tables name the
class `positive`, it is the mean area under the ROC curve, measured within a fold, since scores of different models are
not comparable; folds are resampled as a whole. Without `positive` it is the mean accuracy, and the folds are those that
there are, such as the scanners of a set: they stay. Within a fold its test patients are resampled (where a set has no
patient numbers, its images), and its seeds, for all arms alike.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import InputError
from studies.claims import claim_table, difference_table, interval_head
from studies.declare import split_name
from studies.page import markdown
from studies.statistics import (
    DRAWS,
    SEED,
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
    "Learning 52, 2003). The bootstrap takes the folds as independent, which narrows its intervals, and draws seeds "
    "and images within each drawn fold, whose own score holds their chance already, which widens them (Owen, Annals "
    "of Applied Statistics 1(2), 2007): they may be wider than those by t."
)


@dataclasses.dataclass(frozen=True)
class Scores:
    """An arm's areas under the ROC curve, or its accuracies; or how two arms differ in them.

    Attributes:
        values: float, indexed by (fold, seed): score of each training on the fold's test frames.
        drawn: float [draws, trainings], columns as the index of `values`: the same on resampled patients, alike for all
            arms.
        random_folds: whether the folds are a sample, which is resampled too.
        tested: of random folds {fold: test frames for each training frame}.
    """

    values: pd.Series
    drawn: pd.DataFrame
    random_folds: bool
    tested: dict[str, float]

    def of(self, trainings: pd.Index) -> Scores:
        """Those of some trainings."""
        return dataclasses.replace(self, values=self.values[trainings], drawn=self.drawn[trainings])

    def by_fold(self) -> pd.Series:
        """Mean score of each fold over its seeds."""
        return self.values.groupby(level="fold", sort=False).mean()

    def single_folds(self) -> list[Scores]:
        """Those of each fold alone."""
        return [self.of(each.index) for _, each in self.values.groupby(level="fold", sort=False)]

    def repeated(self) -> np.ndarray:
        """What the spread is over: of random folds each one's mean score, else each seed's mean over all folds.

        Returns:
            float [folds], or float [seeds that every fold has].
        """
        found = self.by_fold() if self.random_folds else self.values.unstack("fold").dropna().mean(axis=1)
        return found.to_numpy()


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


def arm_scores(folds: Sequence[Stored], arm: str, *, draws: int = DRAWS) -> Scores:
    """Scores of an arm on each fold on which it has run.

    Raises:
        InputError: a fold without the positive class, or without any other; stored tables that don't fit.
    """
    positive_class, tested = folds[0].index["positive"], {}
    values, drawn = dict[tuple[str, int], float](), dict[tuple[str, int], np.ndarray]()
    for place, fold in enumerate(folds):
        name, kept = fold.folder.name, (fold.frames["label"] >= 0).to_numpy()
        label = fold.frames["label"].to_numpy()[kept]
        patients, index = np.unique(fold.frames["patient_id"].to_numpy()[kept], return_inverse=True)
        weights = multiplicities(np.random.default_rng([SEED, place]), draws, len(patients))[:, index]
        for training in fold.seeds(arm):
            given = fold.probabilities(arm, training)[kept]
            if positive_class:
                column = fold.index["classes"].index(positive_class)
                positive = label == column
                if positive.all() or not positive.any():
                    raise InputError(f"{fold.folder}: its test frames are all of one kind, so there is no ROC curve")
                tested[name] = len(label) / fold.index["train_frames"]
                score, resampled = (area(given[:, column], positive, each) for each in (None, weights))
            else:
                right = given.argmax(axis=1) == label
                score, resampled = (share_right(right, each) for each in (None, weights))
            values[name, training], drawn[name, training] = float(score), resampled
    trainings = pd.MultiIndex.from_tuples(list(values), names=["fold", "seed"])
    frame = pd.DataFrame(drawn, columns=trainings, dtype=float)
    return Scores(pd.Series(values, trainings, dtype=float), frame, bool(positive_class), tested)


def over_folds(scores: Scores) -> tuple[float, float, float]:
    """Mean over folds (and seeds within a fold), and its interval."""
    return (float(scores.by_fold().mean()), *percentiles(_mean_of_drawn(scores)))


def fold_difference(arm: Scores, other: Scores, folds: int) -> Difference | None:
    """Score of `arm` minus that of `other`, over the seeds that both have on each of so many folds.

    None where there is a fold on which they have no seed in common: the others would pass for all of them.

    Its `by_seed` are the differences of random folds; of folds that stay those of the seeds that every fold has.
    Training sets of random folds overlap, so their t is widened for it; the bootstrap is as `fold_paragraphs` says.
    """
    common = arm.values.index.intersection(other.values.index, sort=False)
    if common.get_level_values("fold").nunique() < folds:
        return None
    one, two = arm.of(common), other.of(common)
    gap = dataclasses.replace(arm, values=one.values - two.values, drawn=one.drawn - two.drawn)
    drawn, of_folds = _mean_of_drawn(gap), gap.by_fold()
    widened = 1.0
    if gap.random_folds:
        widened = widened_by_overlap(len(of_folds), float(np.mean([gap.tested[name] for name in of_folds.index])), 1.0)
    mean, repeated = float(of_folds.mean()), tuple(map(float, gap.repeated()))
    return Difference(mean, *percentiles(drawn), len(common), two_sided(drawn), repeated, widened)


def grouped(tables: Sequence[Stored]) -> dict[str, list[Stored]]:
    """{comparison: its folds}, of the tables that are folds."""
    found: dict[str, list[Stored]] = {}
    for stored in tables:
        if stored.index["fold_of"]:
            found.setdefault(stored.index["fold_of"], []).append(stored)
    for folds in found.values():
        _check_folds(folds)
    return found


def _check_folds(folds: Sequence[Stored]) -> None:
    """Folds are of one plan, and each patient is tested by one of them: else the interval counts some twice."""
    seen: dict[str, Path] = {}
    for fold in folds:
        for part in ("arms", "claims", "described"):
            if fold.index[part] != folds[0].index[part]:
                raise InputError(f"{fold.folder}: other {part} than {folds[0].folder}: store both by one study's file")
        for patient in fold.frames["patient_id"].unique():
            if seen.setdefault(patient, fold.folder) != fold.folder:
                raise InputError(
                    f"{fold.folder}: tests patient {patient}, whom {seen[patient]} tests too: no two folds may"
                )


def fold_paragraphs(folds: Sequence[Stored]) -> list[str]:
    """What a page says of the folds of one comparison; a mean is of all folds, and is not there before."""
    index, trainings = folds[0].index, sum(len(fold.index["trainings"]) for fold in folds)
    planned = sum(len(fold.index["planned"]) for fold in folds)
    if not trainings:
        return [f"None of the {planned} planned trainings has run."]
    scores = {arm: arm_scores(folds, arm) for arm in index["arms"]}
    words = ("difference, percentage points", "seeds and patients", "seeds")
    if index["positive"]:
        words = ("difference of AUC × 100", "folds and images", "folds")
    claimed, described = (_differences(scores, index[pairs], len(folds)) for pairs in ("claims", "described"))
    parts = [_arm_table(folds, scores), claim_table(index, claimed, *words)]
    if described:
        parts += ["Described, not claimed:", difference_table(index, described, *words)]
    return [*parts, *([_OVERLAP] if index["positive"] else []), _left_over(folds)]


def _differences(
    scores: Mapping[str, Scores], pairs: Sequence[Sequence[str]], folds: int
) -> dict[tuple[str, str], Difference]:
    """{(arm, other): how they differ} of the pairs that have a seed in common on every fold."""
    found = {}
    for better, other in pairs:
        difference = fold_difference(scores[better], scores[other], folds)
        if difference is not None:
            found[(better, other)] = difference
    return found


def _left_over(folds: Sequence[Stored]) -> str:
    """One sentence: how many trainings of the plan have no stored result, of which arms."""
    planned = sum(len(fold.index["planned"]) for fold in folds)
    missing = Counter(
        split_name(name)[0] for fold in folds for name in fold.index["planned"] if name not in fold.index["trainings"]
    )
    if not missing:
        return f"All {planned} planned trainings have run."
    arms = ", ".join(f"{arm} ({count})" for arm, count in missing.items())
    return f"{missing.total()} of {planned} planned trainings have not run: {arms}."


def _arm_table(folds: Sequence[Stored], scores: Mapping[str, Scores]) -> str:
    """One line for each arm: its mean over all folds, its spread, its interval, each fold."""
    index = folds[0].index
    what, spread, over = ("AUC", "folds", "folds and images")
    trainings = [len(folds)]
    if not index["positive"]:
        what, spread, over = ("accuracy", "seeds", "seeds and patients")
        trainings = [len(one.values) for found in scores.values() for one in found.single_folds()]
    names = [fold.folder.name for fold in folds]
    shown = ", ".join(name.removeprefix(f"{index['fold_of']}_").replace("_", " ") for name in names)
    heads = [f"{what}, mean ± sd over {spread}", interval_head(over, trainings), f"of each fold: {shown}"]
    lines = [["arm", "trainings", *heads]]
    for arm, found in scores.items():
        of_folds = found.by_fold()
        if of_folds.empty:
            lines.append([index["arms"][arm]["model"], "0", "not run", "", ""])
            continue
        cells = [index["arms"][arm]["model"], str(len(found.values))]
        if len(of_folds) == len(folds) > 1:
            mean, low, high = over_folds(found)
            repeated = found.repeated()
            sd = f"± {mean_and_sd(repeated)[1]:.3f}" if len(repeated) > 1 else "(one training)"
            cells += [f"{mean:.3f} {sd}", f"{low:.3f} to {high:.3f}"]
        else:
            cells += [f"{len(of_folds)} of {len(folds)} folds", ""]
        each = [f"{of_folds[name]:.3f}" if name in of_folds else "not run" for name in names]
        lines.append([*cells, " ".join(each)])
    return markdown(lines)


def _mean_of_drawn(scores: Scores) -> np.ndarray:
    """float64 [draws]: means over resampled seeds, then over folds, resampled where they are a sample.

    A draw that has lost one of the two classes counts as the mean of its fold.
    """
    columns = []
    for place, one in enumerate(scores.single_folds()):
        drawn = one.drawn.to_numpy()
        take = multiplicities(np.random.default_rng([SEED, place, drawn.shape[1]]), *drawn.shape)
        columns.append((drawn * take).sum(axis=1) / take.sum(axis=1))
    of_folds = np.stack(columns, axis=1)
    of_folds = np.where(np.isnan(of_folds), np.nanmean(of_folds, axis=0), of_folds)
    if not scores.random_folds:
        return of_folds.mean(axis=1)
    take = multiplicities(np.random.default_rng([SEED, len(columns)]), *of_folds.shape)
    return (of_folds * take).sum(axis=1) / take.sum(axis=1)
