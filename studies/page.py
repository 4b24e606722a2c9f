"""A study as a page in Markdown: tables, what they answer, commands, time, machine, what was not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.machine import describe
from common.shown import shown_text
from studies.commands import prepare_command, row_command
from studies.declare import Study, Table
from studies.estimate import say
from studies.plan import Step
from studies.table import COLUMNS, Line, best_distilled, cells, explain, smallest_within


def write_page(
    study: Study,
    lines: Mapping[str, Sequence[Line]],
    plan: Sequence[Step],
    failures: Mapping[str, str],
    command: str,
) -> str:
    """The whole page; every number in it comes from stored results, and no folder of this machine is named.

    Args:
        lines: of each table that is shown.
        plan: of the same tables, made after the last run: what is not done in it was not run.
        failures: {row key: reason} of the last run.
        command: that made the page.
    """
    parts = [
        "# Every system side by side",
        f"Written by `{command}` from the results that lie under `{study.runs}`; "
        f"`python study.py table --config {study.path}` trains what is missing. One training a row; "
        "for research, without any clinical claim.",
    ]
    for name, found in lines.items():
        parts += _table_parts(study, study.tables[name], found)
        parts += _missing([step for step in plan if step.row.table == name], failures, study)
    return shown_text("\n\n".join(part for part in parts if part) + "\n", [str(study.runs), str(study.path)])


def answers(table: Table, lines: Sequence[Line]) -> list[str]:
    """What was asked of the table, answered by its rows as they came out."""
    found = []
    if table.reference:
        title, near = table.rows[table.reference].model, smallest_within(lines, table.reference)
        if near:
            line, base = near
            found.append(
                f"The smallest student within 1 percentage point of {title} ({base.accuracy:.3f}): "
                f"**{line.row.model}**, {line.form}, transfer: {line.row.transfer or 'none'}: {line.bytes:,} bytes, "
                f"accuracy {line.accuracy:.3f}."
            )
        elif any(line.row.name == table.reference for line in lines):
            found.append(f"No student of the table is within 1 percentage point of {title}.")
        else:
            found.append(f"{title} has no result here, so no student is held against it.")
    if table.target:
        accuracy, most = float(table.target["accuracy"]), int(table.target["bytes"])
        best = best_distilled(lines, most)
        if best is None:
            found.append(f"No distilled 8-bit student of under {most:,} bytes has a result here.")
        else:
            verdict = "reaches" if best.accuracy >= accuracy else "does not reach"
            found.append(
                f"The best distilled 8-bit student of under {most:,} bytes: **{best.row.model}**, transfer: "
                f"{best.row.transfer}: accuracy {best.accuracy:.3f} with {best.bytes:,} bytes. It {verdict} the "
                f"target of {accuracy:.3f}."
            )
    return found


def _table_parts(study: Study, table: Table, lines: Sequence[Line]) -> list[str]:
    parts = [f"## {table.title}", table.note]
    if not lines:
        return [*parts, "No row has a result yet."]
    for result in {line.result["dataset"]["checksum"]: line.result for line in lines}.values():
        data, counts = result["dataset"], result["row"]
        height, width = data["frame_size"]
        kind = "simulated frames, simulated gaze" if data["simulated"] else "real images"
        parts.append(
            f"`{data['path']}`: {kind}, {height}×{width}; test split: {counts['n_frames']} frames of "
            f"{counts['n_patients']} patients; classes {', '.join(data['classes'])}."
        )
    parts.append(_markdown([COLUMNS, *(cells(line) for line in lines)]))
    parts.append(explain(table))
    said = answers(table, lines)
    parts.append("\n".join(f"- {text}" for text in said))
    parts.append(_effort(study, lines))
    return parts


def _effort(study: Study, lines: Sequence[Line]) -> str:
    """Commands, seeds, hours and machines of the rows."""
    rows, seen, wall_s, cpu_s = [["row", "seed", "cores", "min", "CPU min", "command"]], set(), 0.0, 0.0
    for line in lines:
        command, record = row_command(study, line.row), line.record
        if command is None or line.row.key in seen:
            continue
        seen.add(line.row.key)
        wall_s, cpu_s = wall_s + record["seconds"], cpu_s + record["cpu_seconds"]
        seed = str(line.row.flags.get("seed", study.seed))
        reused = ", ".join(record["reused"])
        note = f" ({reused}: reused from an earlier run, whose time is not counted)" if reused else ""
        minutes = (f"{record[name] / 60:.1f}" for name in ("seconds", "cpu_seconds"))
        cores = str(record.get("cores") or line.result["machine"]["cores"])
        rows.append([line.row.name, seed, cores, *minutes, f"`{command.stored}`{note}"])
    machines = {describe(line.result["machine"]) for line in lines}
    dates = sorted(line.result["date"] for line in lines)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    names = dict.fromkeys(line.row.data for line in lines)
    prepared = [command.stored for name in names if (command := prepare_command(study.datasets[name]))]
    parts = [
        f"Trained in {wall_s / 3600:.1f} h ({cpu_s / 3600:.1f} CPU hours) by the commands below, evaluated {when}, on "
        f"{'; on '.join(sorted(machines))}. Where other work ran on the same cores, wall times and latencies are "
        "longer for it."
    ]
    if prepared:
        parts.append("Data: " + "; ".join(f"`{text}`" for text in prepared) + ".")
    parts.append(f"<details><summary>Commands, seeds, time</summary>\n\n{_markdown(rows)}\n\n</details>")
    return "\n\n".join(parts)


def _missing(plan: Sequence[Step], failures: Mapping[str, str], study: Study) -> list[str]:
    """What has no result: why, how long it would take, by which command."""
    left = [step for step in plan if step.state != "done"]
    if not left:
        return []
    rows = [["row", "why", "estimated time", "command"]]
    for step in left:
        why = failures.get(step.row.key) or (step.reason if step.state in ("absent", "refused") else "not run")
        command = row_command(study, step.row)
        rows.append(
            [
                step.row.name,
                f"{step.state}: {why}" if step.state in ("absent", "refused") else why,
                say(step.seconds) if step.state == "run" else "",
                f"`{command.stored}`" if command else "",
            ]
        )
    return ["Not run, so without a result (times are estimates):", _markdown(rows)]


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(str(text).replace("|", "\\|") for text in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
