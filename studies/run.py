"""Do what a study's plan says, one row or several at a time; a row that fails does not lose the others."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from rich.markup import escape

from common.console import console
from common.errors import InputError
from studies.collect import evaluate_row
from studies.commands import Command, prepare_command, row_command
from studies.declare import Study
from studies.estimate import say
from studies.machine import machine
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

_LIVE: set[subprocess.Popen] = set()  # commands that run now
_REUSED = re.compile(r"^(\w+): reused from ")


def run_plan(
    study: Study,
    plan: Sequence[Step],
    sums: Checksums,
    *,
    max_hours: float | None = None,
    latency: bool = True,
    jobs: int = 1,
) -> dict[str, str]:
    """Train, compress and evaluate what the plan asks for.

    Each row's command is a process of its own, as a user would start it. What a finished
    row left is stored before the next one starts.

    Args:
        max_hours: a row that is not estimated to end within so many hours from now is left out.
        latency: time each artefact.
        jobs: rows that train at a time, each on its share of the cores. A compact student keeps
            one core busy and no more, so two of them side by side take little longer than one.

    Returns:
        {row key: why it has no result of today}: rows that failed, and those made from them.
        Rows that are absent, or that did not fit, are not in it.
    """
    start, failures, left = time.perf_counter(), {}, set()
    waiting, running, free = list(plan), {}, _share_cores(jobs)
    done: set[str] = set()

    def hours_left() -> float | None:
        return None if max_hours is None else max_hours - (time.perf_counter() - start) / 3600

    def begin(step: Step) -> bool:
        """False where its command has to wait for free cores; else it runs, or has ended."""
        row = step.row
        keys = [f"{row.table}/{name}" for name in row.needs()]
        if step.state == "refused":
            failures[row.key] = step.reason
        elif step.state == "absent" or any(key in left for key in keys):
            left.add(row.key)
        elif any(key in failures for key in keys):
            failures[row.key] = f"needs {next(key for key in keys if key in failures)}, which failed"
        # Asked again: a row that it is made from may have come out as it was.
        elif is_done(study, row, sums):
            end(step, lambda: None)
        elif not free:
            return False
        else:
            command = _fitting(study, step, hours_left(), failures, left)
            if command is not None:
                cores = free.pop()
                running[pool.submit(_run_row, study, step, command, sums, cores, jobs > 1)] = (step, cores)
                return True
        done.add(row.key)
        return True

    def end(step: Step, result: Callable[[], None]) -> None:
        row = step.row
        try:
            result()
            if not is_evaluated(study, row, sums):
                evaluate_row(study, row, sums, latency=latency)
        except (InputError, RuntimeError) as error:
            failures[row.key] = " ".join(str(error).split())
            console.print(f"{row.key}: {escape(failures[row.key])}", style="red")

    with ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or running:
                ready = [s for s in waiting if all(f"{s.row.table}/{name}" in done for name in s.row.needs())]
                begun = {step.row.key for step in ready[:1] if begin(step)}
                waiting = [step for step in waiting if step.row.key not in begun]
                if begun and (free or not running):
                    continue
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    step, cores = running.pop(future)
                    free.append(cores)
                    end(step, future.result)
                    done.add(step.row.key)
        finally:
            for process in _LIVE:  # an error of our own, or the user's Ctrl-C: the rows go on from here next time
                process.terminate()
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


def _fitting(study: Study, step: Step, hours: float | None, failures: dict, left: set) -> Command | None:
    """The row's command; None where it has none, or does not fit into the hours that are left."""
    row, command = step.row, row_command(study, step.row)
    if command is None:
        failures[row.key] = f"{study.artefact(row)}: is not there, though {row.of} was trained: check `artefact`"
        console.print(f"{row.key}: {escape(failures[row.key])}", style="red")
    elif hours is not None and (step.seconds or 0) > 3600 * hours:
        console.print(f"{row.key}: left out, {say(step.seconds)} do not fit into --max-hours")
        left.add(row.key)
        command = None
    return command


def _share_cores(jobs: int) -> list[frozenset[int] | None]:
    """The cores of this process in `jobs` shares; None stands for all of them."""
    if jobs == 1 or not hasattr(os, "sched_getaffinity"):  # not Linux: the system shares them out
        return [None] * jobs
    cores = sorted(os.sched_getaffinity(0))
    return [frozenset(cores[number % len(cores) :: jobs]) for number in range(jobs)]


def _run_row(study: Study, step: Step, command: Command, sums: Checksums, cores, named: bool) -> None:
    console.rule(f"{step.row.key}, {say(step.seconds)}")
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
        "cores": len(cores) if cores else machine()["cores"],
    }
    write_record(study, row, record)
    start, name = time.perf_counter(), row.name if named else ""
    ended = {"state": "interrupted"}
    try:
        log = study.folder(row) / "log.txt"
        code, last, reused = _stream(command, log, row.run is None, cores, name, record)
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
        write_record(study, row, {**record, **ended})


def _stream(
    command: Command,
    log: Path,
    overwrite: bool = False,
    cores: frozenset[int] | None = None,
    name: str = "",
    record: dict | None = None,
) -> tuple[int, str, list[str]]:
    """Run a command; its lines go to the terminal, behind `name`, and to a file.

    Its CPU time is added to `cpu_seconds` of `record`.

    Returns:
        (exit code, its last line or its error line, stages that it reused).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(command.shown, markup=False, highlight=False)
    last, error, reused = "", "", []
    before = f"{name}: " if name else ""
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
            if cores:
                os.sched_setaffinity(process.pid, cores)  # long before it counts them
            _LIVE.add(process)
            try:
                for line in process.stdout:
                    file.write(line)
                    file.flush()
                    console.print(before + line.rstrip("\n"), markup=False, highlight=False, style="dim")
                    last = line.strip() or last
                    error = line.removeprefix("error: ").strip() if line.startswith("error: ") else error
                    reused += _REUSED.findall(line)
            finally:
                _LIVE.discard(process)
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if record is not None:
                    record["cpu_seconds"] += used.ru_utime + used.ru_stime
    return process.returncode, error or last or "no message", reused


def _environment() -> dict[str, str]:
    """As the user has it: what `common.quiet` set for this process, the command sets for itself, and does more."""
    return {name: value for name, value in os.environ.items() if (name, value) != ("TF_CPP_MIN_LOG_LEVEL", "3")}
