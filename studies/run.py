"""Do what a study's plan says, one row or several at a time; a row that fails does not lose the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from rich.markup import escape

from common.console import console
from common.errors import InputError
from studies.collect import evaluate_row
from studies.commands import Command, prepare_command, row_command
from studies.declare import Row, Study
from studies.estimate import say
from studies.machine import machine
from studies.plan import Step
from studies.processes import Job, Processes, on_cores, share_cores, stream
from studies.records import (
    Checksums,
    artefact_checksum,
    is_done,
    is_evaluated,
    read_record,
    row_inputs,
    write_record,
)


def run_plan(
    study: Study,
    plan: Sequence[Step],
    sums: Checksums,
    *,
    max_hours: float | None = None,
    latency: bool = True,
    retime: bool = False,
    jobs: int = 1,
) -> dict[str, str]:
    """Train, compress and evaluate what the plan asks for.

    Each row's command is a process of its own, as a user would start it. What a finished
    row left is stored before the next one starts.

    Args:
        max_hours: a row that is not estimated to end within so many hours from now is left out.
        latency: time each artefact that has no latency yet. retime: evaluate those that have one again.
        jobs: rows that train at a time, each on its share of the cores. A compact student keeps
            one core busy and no more, so two of them side by side take little longer than one.

    Returns:
        {row key: why it has no result of today}: rows that failed, and those made from them.
        Rows that are absent, or that did not fit, are not in it.
    """
    start, failures, left = time.perf_counter(), {}, set()
    waiting, running, free = list(plan), {}, share_cores(jobs)
    done: set[str] = set()
    processes = Processes()

    def attempt(step: Step, work: Callable[[], None]) -> None:
        """Do some work for a row; what goes wrong is that row's."""
        try:
            work()
        except (InputError, RuntimeError) as error:
            failures[step.row.key] = " ".join(str(error).split())
            console.print(f"{step.row.key}: {escape(failures[step.row.key])}", style="red")

    def begin(step: Step) -> None:
        """Start a row's command on a free share of the cores, or find that it needs none."""
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
            evaluate(row, free[-1])
        elif (command := row_command(study, row)) is None:
            raise InputError(f"{study.artefact(row)}: is not there, though {row.of} was trained: check `artefact`")
        elif max_hours is not None and (step.seconds or 0) + time.perf_counter() - start > 3600 * max_hours:
            console.print(f"{row.key}: left out, {say(step.seconds)} do not fit into --max-hours")
            left.add(row.key)
        else:
            job = Job(free.pop(), row.name if jobs > 1 else "", processes)
            running[pool.submit(_run_row, study, step, command, sums, job)] = (step, job)

    def evaluate(row: Row, cores: frozenset[int] | None) -> None:
        if retime or not is_evaluated(study, row, sums, timed=latency):
            with on_cores(cores):  # so that a latency is not timed beside a training on the same core
                evaluate_row(study, row, sums, latency=latency)

    machine()  # kept from now on, with all the cores there are
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or running:
                ready = [s for s in waiting if all(f"{s.row.table}/{name}" in done for name in s.row.needs())]
                if free and ready:
                    step = ready[0]
                    waiting.remove(step)
                    attempt(step, lambda step=step: begin(step))
                    if all(step is not of for of, _ in running.values()):
                        done.add(step.row.key)
                    continue
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    step, job = running.pop(future)

                    def finish(future=future, row=step.row, cores=job.cores) -> None:
                        future.result()
                        evaluate(row, cores)

                    attempt(step, finish)
                    free.append(job.cores)
                    done.add(step.row.key)
        finally:
            processes.stop()  # after an error of our own, or the user's Ctrl-C: the rows go on from here next time
    return failures


def prepare_data(study: Study, names: Sequence[str]) -> None:
    """Make data sets that are not there; where that fails, so will the rows that need it."""
    for name in names:
        command = prepare_command(study.datasets[name])
        console.rule(f"data set {name}")
        code, last, _ = stream(command, study.runs / f"prepare_{name}.log")
        if code:
            reason = f"{study.datasets[name].path}: prepare.py ended with code {code}: {last}"
            console.print(escape(reason), style="red", highlight=False)


def _run_row(study: Study, step: Step, command: Command, sums: Checksums, job: Job) -> None:
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
        "cores": len(job.cores) if job.cores else machine()["cores"],
    }
    write_record(study, row, record)
    start = time.perf_counter()
    ended = {"state": "interrupted"}
    try:
        log = study.folder(row) / "log.txt"
        code, last, reused = stream(command, log, row.run is None, job, record)
        if code and job.processes.stopping:
            raise InputError(f"`{command.shown}` was stopped")
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
