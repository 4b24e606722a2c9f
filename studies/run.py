"""Do what a study's plan says, one row after the other; a row that fails does not lose the others."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from common.console import console
from common.errors import InputError
from studies.collect import evaluate_row
from studies.commands import Command, prepare_command, row_command
from studies.declare import Row, Study
from studies.estimate import say
from studies.plan import Step
from studies.records import (
    Checksums,
    artefact_checksum,
    is_done,
    is_evaluated,
    read_record,
    row_inputs,
    write_record,
)

_REUSED = re.compile(r"^(\w+): reused from ")


def run_plan(
    study: Study, plan: Sequence[Step], sums: Checksums, *, max_hours: float | None = None, latency: bool = True
) -> dict[str, str]:
    """Train, compress and evaluate what the plan asks for.

    Each row's command is a process of its own, as a user would start it. What a finished
    row left is stored before the next one starts.

    Args:
        max_hours: a row that is not estimated to end within so many hours from now is left out.
        latency: time each artefact.

    Returns:
        {row key: why it has no result of today}: rows that failed, and those made from them.
        Rows that are absent, or that did not fit, are not in it.
    """
    start, failures, left = time.perf_counter(), {}, set()
    for step in plan:
        row = step.row
        keys = [f"{row.table}/{name}" for name in row.needs()]
        if step.state == "refused":
            failures[row.key] = step.reason
        elif step.state == "absent" or any(key in left for key in keys):
            left.add(row.key)
        elif any(key in failures for key in keys):
            failures[row.key] = f"needs {next(key for key in keys if key in failures)}, which failed"
        else:
            spent = (time.perf_counter() - start) / 3600
            try:
                if not _do(study, step, sums, None if max_hours is None else max_hours - spent, latency):
                    left.add(row.key)
            except (InputError, RuntimeError) as error:
                failures[row.key] = " ".join(str(error).split())
                console.print(f"{row.key}: {escape(failures[row.key])}", style="red")
    return failures


def prepare_data(study: Study, names: Sequence[str]) -> None:
    """Make data sets that are not there; where that fails, so will the rows that need it."""
    for name in names:
        command = prepare_command(study.datasets[name])
        console.rule(f"data set {name}")
        code, last, _ = _stream(command, study.runs / f"prepare_{name}.log")
        if code:
            reason = f"{study.datasets[name].path}: prepare.py ended with code {code}: {last}"
            console.print(escape(reason), style="red", highlight=False)


def _do(study: Study, step: Step, sums: Checksums, hours: float | None, latency: bool) -> bool:
    """One row; False where it does not fit into the hours that are left."""
    row = step.row
    # Asked again: a row that it is made from may have come out as it was.
    if not is_done(study, row, sums):
        command = row_command(study, row)
        if command is None:
            raise InputError(f"{study.artefact(row)}: is not there, though {row.of} was trained: check `artefact`")
        if hours is not None and (step.seconds or 0) > 3600 * hours:
            console.print(f"{row.key}: left out, {say(step.seconds)} do not fit into --max-hours")
            return False
        console.rule(f"{row.key}, {say(step.seconds)}")
        _run_row(study, step, command, sums)
    if not is_evaluated(study, row, sums):
        evaluate_row(study, row, sums, latency=latency)
    return True


def _run_row(study: Study, step: Step, command: Command, sums: Checksums) -> None:
    row, inputs = step.row, row_inputs(study, step.row, sums)
    before = read_record(study, row)
    goes_on = before.get("inputs") == inputs and before.get("state") in ("running", "failed", "interrupted")
    record = {
        "row": row.key,
        "command": command.shown,
        "inputs": inputs,
        "state": "running",
        "attempts": 1 + (before["attempts"] if goes_on else 0),
        "seconds": before["seconds"] if goes_on else 0.0,
        "cpu_seconds": before["cpu_seconds"] if goes_on else 0.0,
        "unscaled_estimate_s": step.unscaled_s,
    }
    write_record(study, row, record)
    start, used = time.perf_counter(), _children_s()
    ended = {"state": "interrupted"}
    try:
        code, last, reused = _stream(command, study.folder(row) / "log.txt", overwrite=row.run is None)
        ended = {"state": "failed", "error": last, "code": code}
        if code:
            raise InputError(f"`{command.shown}` ended with code {code}: {last}")
        found = artefact_checksum(study, row, sums)
        if found is None:
            ended["error"] = f"{study.artefact(row)}: was not made"
            raise InputError(f"{ended['error']} by `{command.shown}`: check the row's `artefact`")
        ended = {"state": "done", "artefact_sha256": found, "reused": reused}
    finally:
        record["seconds"] += time.perf_counter() - start
        record["cpu_seconds"] += _children_s() - used
        write_record(study, row, {**record, **ended})


def _stream(command: Command, log: Path, overwrite: bool = False) -> tuple[int, str, list[str]]:
    """Run a command; its lines go to the terminal and to a file.

    Returns:
        (exit code, its last line or its error line, stages that it reused).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(command.shown, markup=False, highlight=False)
    last, error, reused = "", "", []
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"$ {command.shown}\n")
        with subprocess.Popen(
            command.argv(overwrite),
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            for line in process.stdout:
                file.write(line)
                file.flush()
                console.print(line.rstrip("\n"), markup=False, highlight=False, style="dim")
                last = line.strip() or last
                error = line.removeprefix("error: ").strip() if line.startswith("error: ") else error
                reused += _REUSED.findall(line)
    return process.returncode, error or last or "no message", reused


def _environment() -> dict[str, str]:
    """As the user has it: what `common.quiet` set for this process, the command sets for itself, and does more."""
    return {name: value for name, value in os.environ.items() if (name, value) != ("TF_CPP_MIN_LOG_LEVEL", "3")}


def _children_s() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def not_run(study: Study, rows: Sequence[Row], sums: Checksums) -> list[Row]:
    """The rows that have no valid result."""
    return [row for row in rows if not (is_done(study, row, sums) and is_evaluated(study, row, sums))]
