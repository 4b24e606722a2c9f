"""The table of what was planned to be compared: each claim's difference, its intervals, and p after Holm.

p is the larger of two, the bootstrap's over seeds and patients and that of Student's t over seeds: where all of a few
seeds have one sign, the first is that of the patients alone. A single training has no p, since nothing says how much
another would differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from studies.page import markdown
from studies.statistics import Difference, holm

_LEAST_P = 0.001  # a bootstrap of a few trainings can say no more
ONE = "(one training)"


def claim_table(
    index: Mapping[str, Any], found: Mapping[tuple[str, str], Difference], gap: str, over: str, repeated: str
) -> str:
    """One line for each claim of the plan, in Markdown; Holm counts those without p, too.

    Args:
        index: of the stored results.
        found: {(better, other): their difference} of the claims that have run.
        gap: what is compared and its unit; over: what the bootstrap draws; repeated: seeds or folds.
    """
    p = {" > ".join(pair): value for pair, each in found.items() if (value := each.p_of_claim()) is not None}
    adjusted = holm(p, len(index["claims"]))
    heads = _heads(found.values(), over, repeated)
    lines = [["better", "than", "pairs", gap, *heads, "p, the larger of both", "p, Holm"]]
    for better, other in index["claims"]:
        names = [index["arms"][arm]["model"] for arm in (better, other)]
        each = found.get((better, other))
        if each is None:
            lines.append([*names, "0", "not run", "", "", "", ""])
            continue
        name = f"{better} > {other}"
        lines.append([*names, *_cells(each, heads), *(_p(values.get(name)) for values in (p, adjusted))])
    return markdown(lines)


def difference_table(
    index: Mapping[str, Any], found: Mapping[tuple[str, str], Difference], gap: str, over: str, repeated: str
) -> str:
    """One line for each pair that is described and not claimed: differences and intervals, without any p."""
    heads = _heads(found.values(), over, repeated)
    lines = [["arm", "minus", "pairs", gap, *heads]]
    for pair, each in found.items():
        lines.append([*(index["arms"][arm]["model"] for arm in pair), *_cells(each, heads)])
    return markdown(lines)


def interval_head(over: str, trainings: Iterable[int]) -> str:
    """Head of a column of intervals: where no training was repeated, they are over patients alone.

    Args:
        over: what the bootstrap draws, such as "seeds and patients".
        trainings: how often each line's training was repeated; none = it has not run.
    """
    counts = [count for count in trainings if count]
    return f"95 % over patients {ONE}" if counts and max(counts) == 1 else f"95 % over {over}"


def _heads(found: Iterable[Difference], over: str, repeated: str) -> tuple[str, str]:
    return interval_head(over, [len(each.by_seed) for each in found]), f"95 % by t over {repeated}"


def _cells(each: Difference, heads: Sequence[str]) -> list[str]:
    drawn = _points((each.low, each.high))
    if each.one_training and ONE not in heads[0]:
        drawn += f" {ONE}"
    return [str(each.seeds), f"{100 * each.mean:+.1f}", drawn, _points(each.by_t())]


def _points(interval: tuple[float, float] | None) -> str:
    return f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}" if interval else ""


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"< {_LEAST_P}" if value < _LEAST_P else f"{value:.3f}"
