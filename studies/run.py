"""Do what a study's plan says, one row or several at a time; a row that fails does not lose the others."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from rich.markup import escape

from common.console import console
from common.errors import InputError
from common.locks import exclusive
from common.machine import machine
from common.shown import shown_path
from studies.collect import evaluate_row
from studies.commands import Command, prepare_command, row_command
from studies.declare import Row, Study
from studies.estimate import say
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
    machine()  # kept from now on, with all the cores there are
    with ThreadPoolExecutor(jobs) as pool:
        run = _Run(study, sums, pool, latency, retime, jobs, max_hours)
        try:
            run.go(list(plan))
        finally:
            run.processes.stop()  # after an error of our own, or the user's Ctrl-C: the rows go on from here next time
    return run.failures


class _Run:
    """The state of one `run_plan`: which rows run, which cores are free, what failed or was left out."""

    def __init__(
        self,
        study: Study,
        sums: Checksums,
        pool: ThreadPoolExecutor,
        latency: bool,
        retime: bool,
        jobs: int,
        max_hours: float | None,
    ):
        self.study, self.sums, self.pool = study, sums, pool
        self.latency, self.retime, self.jobs, self.max_hours = latency, retime, jobs, max_hours
        self.start = time.perf_counter()
        self.processes = Processes()
        self.failures: dict[str, str] = {}
        self.left: set[str] = set()
        self.free = share_cores(jobs)
        self.running: dict[Future, tuple[Step, Job]] = {}

    def go(self, waiting: list[Step]) -> None:
        """Start whatever is ready as long as cores are free, else wait for a row to end, until none is left."""
        done: set[str] = set()
        while waiting or self.running:
            ready = [s for s in waiting if all(f"{s.row.table}/{name}" in done for name in s.row.needs())]
            if self.free and ready:
                step = ready[0]
                waiting.remove(step)
                self._attempt(step, functools.partial(self._begin, step))
                if all(step is not of for of, _ in self.running.values()):
                    done.add(step.row.key)
                continue
            for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                step, job = self.running.pop(future)
                self._attempt(step, functools.partial(self._finish, future, step.row, job))
                self.free.append(job.cores)
                done.add(step.row.key)

    def _attempt(self, step: Step, work: Callable[[], None]) -> None:
        """Do some work for a row; what goes wrong is that row's."""
        try:
            work()
        except (InputError, RuntimeError) as error:
            self.failures[step.row.key] = " ".join(str(error).split())
            console.print(f"{step.row.key}: {escape(self.failures[step.row.key])}", style="red")

    def _begin(self, step: Step) -> None:
        """Start a row's command on a free share of the cores, or find that it needs none."""
        row = step.row
        keys = [f"{row.table}/{name}" for name in row.needs()]
        if step.state == "refused":
            self.failures[row.key] = step.reason
        elif step.state == "absent" or any(key in self.left for key in keys):
            self.left.add(row.key)
        elif any(key in self.failures for key in keys):
            self.failures[row.key] = f"needs {next(key for key in keys if key in self.failures)}, which failed"
        # Asked again: a row that it is made from may have come out as it was.
        elif is_done(self.study, row, self.sums):
            self._evaluate(row, self.free[-1])
        elif (command := row_command(self.study, row)) is None:
            raise InputError(f"{self.study.artefact(row)}: is not there, though {row.of} was trained: check `artefact`")
        elif not self._fits(step):
            console.print(f"{row.key}: left out, {say(step.seconds)} do not fit into --max-hours")
            self.left.add(row.key)
        else:
            job = Job(self.free.pop(), row.name if self.jobs > 1 else "", self.processes)
            self.running[self.pool.submit(_run_row, self.study, step, command, self.sums, job)] = (step, job)

    def _fits(self, step: Step) -> bool:
        """Whether a row is estimated to end within the hours there are."""
        end_s = (step.seconds or 0) + time.perf_counter() - self.start
        return self.max_hours is None or end_s <= 3600 * self.max_hours

    def _finish(self, future: Future, row: Row, job: Job) -> None:
        future.result()
        self._evaluate(row, job.cores)

    def _evaluate(self, row: Row, cores: frozenset[int] | None) -> None:
        if self.retime or not is_evaluated(self.study, row, self.sums, timed=self.latency):
            with on_cores(cores):  # so that no latency is timed while a training runs on the same core
                evaluate_row(self.study, row, self.sums, latency=self.latency)


def prepare_data(study: Study, names: Sequence[str]) -> None:
    """Make data sets that are not there; where that fails, so will the rows that need it."""
    for name in names:
        command = prepare_command(study.datasets[name])
        if command is None:
            continue
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
    record: dict[str, Any] = {
        "row": row.key,
        "command": command.stored,
        "inputs": inputs,
        "state": "running",
        "attempts": 1 + (before["attempts"] if goes_on else 0),
        "seconds": before["seconds"] if goes_on else 0.0,
        "cpu_seconds": before["cpu_seconds"] if goes_on else 0.0,
        "unscaled_estimate_s": step.unscaled_s,
        "cores": len(job.cores) if job.cores else machine()["cores"],
    }
    write_record(study, row, record)
    with exclusive(study.run_folder(row), wait=True):
        pass  # what a killed study had started ends with its next line of output
    start = time.perf_counter()
    ended: dict[str, Any] = {"state": "interrupted"}
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
            ended["error"] = f"{shown_path(study.artefact(row))}: was not made"
            raise InputError(f"{study.artefact(row)}: was not made by `{command.shown}`: check the row's `artefact`")
        ended = {"state": "done", "artefact_sha256": found, "reused": reused}
    finally:
        record["seconds"] += time.perf_counter() - start
        write_record(study, row, {**record, **ended})
