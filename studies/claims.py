"""The table of what was planned to be compared: each claim's difference, its intervals, and p after Holm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.page import markdown
from studies.statistics import Difference, holm

_LEAST_P = 0.001  # a bootstrap of a few trainings can say no more


def claim_table(
    index: Mapping[str, Any], found: Mapping[tuple[str, str], Difference], gap: str, over: str, repeated: str
) -> str:
    """One line for each claim of the plan, in Markdown; Holm counts those that have not run, too.

    Args:
        index: of the stored results.
        found: {(better, other): their difference} of the claims that have run.
        gap: what is compared and its unit; over: what the bootstrap draws; repeated: seeds or folds.
    """
    adjusted = holm({" > ".join(pair): each.p for pair, each in found.items()}, len(index["claims"]))
    lines = [["better", "than", "pairs", gap, f"95 % over {over}", f"95 % by t over {repeated}", "p", "p, Holm"]]
    for better, other in index["claims"]:
        names = [index["arms"][arm]["model"] for arm in (better, other)]
        each = found.get((better, other))
        if each is None:
            lines.append([*names, "0", "not run", "", "", "", ""])
            continue
        cells = [str(each.seeds), f"{100 * each.mean:+.1f}", _points((each.low, each.high)), _points(each.by_t())]
        lines.append([*names, *cells, _p(each.p), _p(adjusted[f"{better} > {other}"])])
    return markdown(lines)


def difference_table(
    index: Mapping[str, Any], found: Mapping[tuple[str, str], Difference], gap: str, over: str, repeated: str
) -> str:
    """One line for each pair that is described and not claimed: differences and intervals, without any p."""
    lines = [["arm", "minus", "pairs", gap, f"95 % over {over}", f"95 % by t over {repeated}"]]
    for pair, each in found.items():
        cells = [str(each.seeds), f"{100 * each.mean:+.1f}", _points((each.low, each.high)), _points(each.by_t())]
        lines.append([*(index["arms"][arm]["model"] for arm in pair), *cells])
    return markdown(lines)


def _points(interval: tuple[float, float] | None) -> str:
    return f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}" if interval else ""


def _p(value: float) -> str:
    return f"< {_LEAST_P}" if value < _LEAST_P else f"{value:.3f}"
