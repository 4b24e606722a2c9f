"""Tables of stored results: what each arm reaches, how it differs from the others, what has not run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from studies.claims import ONE, claim_table, difference_table, interval_head
from studies.declare import split_name
from studies.folds import fold_paragraphs, grouped
from studies.page import markdown
from studies.statistics import Difference, interval, lost_share, mean_and_sd, paired_difference
from studies.stored import Stored


def blocks(tables: Sequence[Stored]) -> dict[str, list[str]]:
    """{name: what a page says of it}, by table; folds of one comparison have one name."""
    found = {stored.folder.name: paragraphs(stored) for stored in tables if not stored.index["fold_of"]}
    return {**found, **{name: fold_paragraphs(folds) for name, folds in grouped(tables).items()}}


def paragraphs(stored: Stored) -> list[str]:
    """What a page says of stored results."""
    if not stored.index["trainings"]:
        return [left_over(stored)]
    parts = [arm_table(stored)]
    gap, over = "difference, percentage points", "seeds and patients"
    if stored.index["claims"]:
        parts.append(claim_table(stored.index, differences(stored, stored.index["claims"]), gap, over, "seeds"))
    if described := differences(stored, stored.index["described"]):
        parts += ["Described, not claimed:", difference_table(stored.index, described, gap, over, "seeds")]
    return [*parts, *lost_shares(stored), left_over(stored)]


def arm_table(stored: Stored) -> str:
    """One line per arm, in Markdown: mean ± sd over its seeds, the interval over seeds and patients."""
    head = interval_head("seeds and patients", [len(stored.seeds(arm)) for arm in stored.index["arms"]])
    lines = [["arm", "trainings", "accuracy, mean ± sd over seeds", head, "of each seed"]]
    for arm, about in stored.index["arms"].items():
        counts = stored.counts(arm)
        # Rows that nothing compares are single trainings, and the same model may have had several teachers.
        compared = stored.index["claims"] or stored.index["described"]
        named = about["model"] if compared else f"{about['model']}, {about['transfer'] or 'labels alone'}"
        if counts is None:
            lines.append([named, "0", "not run", "", ""])
            continue
        accuracies = counts.accuracies()
        mean, sd = mean_and_sd(accuracies)
        low, high = interval(counts)
        spread = f"{mean:.3f} ± {sd:.3f}" if len(accuracies) > 1 else f"{mean:.3f} {ONE}"
        drawn = f"{low:.3f} to {high:.3f}"
        if len(accuracies) == 1 and ONE not in head:  # over patients alone, in a column over seeds too
            drawn += f" {ONE}"
        each = " ".join(f"{value:.3f}" for value in accuracies)
        lines.append([named, str(len(accuracies)), spread, drawn, each])
    return markdown(lines)


def differences(stored: Stored, pairs: Sequence[Sequence[str]]) -> dict[tuple[str, str], Difference]:
    """{(arm, other): how they differ} of the pairs whose arms have run with a seed in common."""
    found = {}
    for better, other in pairs:
        one, two = stored.counts(better), stored.counts(other)
        if one is not None and two is not None and set(one.seeds) & set(two.seeds):
            found[(better, other)] = paired_difference(one, two)
    return found


def lost_shares(stored: Stored) -> list[str]:
    """A sentence for each declared share: how much of an arm's gain a control loses."""
    found = []
    for names in stored.index["shares"]:
        counts = [each for name in names if (each := stored.counts(name)) is not None]
        if len(counts) < len(names) or len({each.seeds for each in counts}) != 1:
            continue
        if counts[0].right.sum() <= counts[2].right.sum():
            continue
        share, low, high = lost_share(*counts)
        arm, control, base = (stored.index["arms"][name]["model"] for name in names)
        over = f"95 % over seeds and patients: {100 * low:.0f} to {100 * high:.0f} %"
        over = "no interval: the gain is too small for one" if math.isnan(low) else over
        # Above 1 the share is no part of a gain any more, but says that the control falls below the base.
        all_of_it = " all, as it is less accurate than the latter:" if share > 1 else ""
        found.append(f"Of what {arm} gains over {base}, {control} loses{all_of_it} {100 * share:.0f} % ({over}).")
    return found


def left_over(stored: Stored) -> str:
    """One sentence: the trainings of the plan that have no stored result."""
    planned, ran = stored.index["planned"], stored.index["trainings"]
    if not ran:
        return f"None of the {len(planned)} planned trainings has run."
    seeds: dict[str, list[int]] = {}
    for arm, seed in (split_name(name) for name in planned if name not in ran):
        seeds.setdefault(arm, []).append(seed)
    if not seeds:
        return f"All {len(planned)} planned trainings have run."
    named = {arm: f"seed{'s' * (len(missing) > 1)} {', '.join(map(str, missing))}" for arm, missing in seeds.items()}
    arms = ", ".join(f"{arm} ({which})" for arm, which in named.items())
    return f"{sum(map(len, seeds.values()))} of {len(planned)} planned trainings have not run: {arms}."
