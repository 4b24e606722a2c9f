"""Tables in Markdown, on the terminal and between two comments of a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.table import Table as RichTable

from common.console import console, say
from common.errors import InputError
from common.files import write_text
from common.machine import describe
from data.simulation import PARTLY, training_note
from studies.commands import absence, prepare_command, row_command
from studies.declare import Study, Table
from studies.table import COLUMNS, Line, best_distilled, explain, smallest_within

_PLACE = r"<!-- results: {name} -->\n(.*?)<!-- end of results -->"
_SHORT = (
    "model", "transfer", "form", "bytes", "latency, ms: median / p95", "peak memory, MB", "accuracy (95 %)",
    "compression: own teacher", "compression: baseline",
)  # fmt: skip


def write_blocks(page: Path, blocks: Mapping[str, Sequence[str]]) -> None:
    """Replace what stands between `<!-- results: NAME -->` and `<!-- end of results -->`, for each table.

    Args:
        page: in Markdown; one that is not there is made.
        blocks: {name of the table: its paragraphs}.

    Raises:
        InputError: a page that has no place for a table.
    """
    places = "".join(f"<!-- results: {name} -->\n<!-- end of results -->\n\n" for name in blocks)
    text = page.read_text(encoding="utf-8") if page.exists() else f"# Results\n\n{places}"
    for name, paragraphs in blocks.items():
        place = re.compile(_PLACE.format(name=re.escape(name)), re.DOTALL).search(text)
        if place is None:
            raise InputError(f"{page}: has no line <!-- results: {name} -->: write it where they belong")
        text = text[: place.start(1)] + "\n" + "\n\n".join(paragraphs) + "\n\n" + text[place.end(1) :]
    write_text(page, text)
    say(f"wrote {page}")


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    lines = ["|" + "".join(f" {text} |" if text else " |" for text in row) for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def print_lines(table: Table, lines: Sequence[Line]) -> None:
    """Show the columns that most terminals have space for."""
    shown = RichTable(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in _SHORT:
        shown.add_column(name, overflow="fold", no_wrap=name == "model")
    for line in lines:
        shown.add_row(*(COLUMNS[name](line) for name in _SHORT))
    console.print(shown)
    for text in answers(table, lines):
        say(text.replace("**", ""))
    say(f"{len(lines)} of {len(table.rows)} rows have a result")


def paragraphs(study: Study, table: Table, lines: Sequence[Line]) -> list[str]:
    """A table for a page; every number in it comes from stored results, and no folder of this machine is named."""
    parts = [table.note] if table.note else []
    for report in {line.report["dataset"]["checksum"]: line.report for line in lines}.values():
        data, counts = report["dataset"], report["artefacts"][-1]
        kind = {True: "simulated frames, simulated gaze", PARTLY: "partly simulated frames"}.get(data["simulated"])
        kind = kind or ", ".join(filter(None, ["real images", training_note(data)]))
        parts.append(
            f"`{data['path']}`: {kind}, {'×'.join(map(str, data['frame_size']))}; test split: {counts['n_frames']} "
            f"frames of {counts['n_patients']} patients; classes {', '.join(data['classes'])}."
        )
    if lines:
        cells = [[text(line) for text in COLUMNS.values()] for line in lines]
        parts += [markdown([list(COLUMNS), *cells]), explain(table)]
        parts += ["\n".join(f"- {text}" for text in said)] if (said := answers(table, lines)) else []
        parts.append(_effort(study, lines))
    done = {line.row.name for line in lines}
    left = [["row", "why", "command"]]
    for row in table.rows.values():
        if row.name not in done:
            command = row_command(study, row)
            why = absence(study, row) or "not run"
            left.append([row.name, why, f"`{command.stored}`" if command else ""])
    return [*parts, *(["Without a result:", markdown(left)] if len(left) > 1 else [])]


def answers(table: Table, lines: Sequence[Line]) -> list[str]:
    """What was asked of the table, answered by its rows as they came out."""
    found = []
    if table.reference:
        title, near = table.rows[table.reference].model, smallest_within(lines, table.reference)
        said = f"No student here is within 1 percentage point of {title}, or it has no result."
        if near:
            line, base = near
            said = (
                f"The smallest student within 1 percentage point of {title} ({base.accuracy:.3f}): "
                f"**{line.row.model}**, {line.form}, transfer: {line.row.transfer or 'none'}: {line.bytes:,} bytes, "
                f"accuracy {line.accuracy:.3f}."
            )
        found.append(said)
    if table.target:
        best = best_distilled(lines, table.target.bytes)
        said = f"No distilled 8-bit student of under {table.target.bytes:,} bytes has a result here."
        if best:
            verdict = "reaches" if best.accuracy >= table.target.accuracy else "does not reach"
            said = (
                f"The best distilled 8-bit student of under {table.target.bytes:,} bytes: **{best.row.model}**, "
                f"transfer: {best.row.transfer}: accuracy {best.accuracy:.3f} with {best.bytes:,} bytes. It {verdict} "
                f"the target of {table.target.accuracy:.3f}."
            )
        found.append(said)
    return found


def _effort(study: Study, lines: Sequence[Line]) -> str:
    """Commands, time and machines of the rows."""
    rows = [["row", "min", "CPU min", "command"]]
    for line in lines:
        if command := row_command(study, line.row):
            minutes = (f"{line.spent[name] / 60:.1f}" if name in line.spent else "" for name in ("s", "cpu_time"))
            rows.append([line.row.name, *minutes, f"`{command.stored}`"])
    dates = sorted(line.date for line in lines)
    names = dict.fromkeys(line.row.data for line in lines)
    machines = dict.fromkeys(describe(line.report["measured_on"]) for line in lines)
    prepared = [f"`{command.stored}`" for name in names if (command := prepare_command(study.datasets[name]))]
    return (
        f"Evaluated {' to '.join(dict.fromkeys((dates[0], dates[-1])))} on {'; on '.join(machines)}. Minutes are left "
        f"out where a command was started again; where other work ran on the same cores, they and latencies are "
        f"longer for it.{' Data: ' if prepared else ''}{'; '.join(prepared)}\n\n"
        f"<details><summary>Commands and time</summary>\n\n{markdown(rows)}\n\n</details>"
    )
