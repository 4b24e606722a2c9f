"""The loss terms as a Markdown table, for the documentation."""

from __future__ import annotations

from losses.registry import Option, Term, ordered_terms


def loss_table() -> str:
    """One row per term, and one per option, under the first term that has it.

    Returns:
        Markdown: setting, default, allowed values, meaning, source.
    """
    rows = ["| setting | default | allowed | meaning | source |", "| --- | --- | --- | --- | --- |"]
    seen: set[str] = set()
    for term in ordered_terms():
        rows.append(_term_row(term))
        rows += [_option_row(option) for option in term.options if option.name not in seen]
        seen |= {option.name for option in term.options}
    return "\n".join(rows) + "\n"


def _term_row(term: Term) -> str:
    needs = " (needs a teacher)" if term.needs_teacher else ""
    meaning = f"**{term.name}**{needs}: {term.help}"
    return f"| `loss.{term.setting}` | {term.default:g} | {term.bounds} | {meaning} | {term.source} |"


def _option_row(option: Option) -> str:
    if isinstance(option.default, tuple):
        default, allowed = ", ".join(f"`{tap}`" for tap in option.default), "names of taps"
    else:
        default, allowed = f"{option.default:g}", str(option.bounds)
    return f"| `loss.{option.name}` | {default} | {allowed} | {option.help} | |"
