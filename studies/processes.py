"""Commands as processes of their own: on which cores they run, what they print, how they are stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from common.console import console
from common.shown import shown_text
from studies.commands import Command

_REUSED = re.compile(r"^(\w+): reused from ")


class Processes:
    """The commands that run now; after `stop` none goes on and none starts."""

    def __init__(self):
        self._lock, self.stopping = threading.Lock(), False
        self._live: set[subprocess.Popen] = set()

    def add(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._live.add(process)
            if self.stopping:
                _interrupt(process)

    def discard(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._live.discard(process)

    def stop(self) -> None:
        with self._lock:
            self.stopping = True
            for process in self._live:
                _interrupt(process)


def _interrupt(process: subprocess.Popen) -> None:
    # Not send_signal(), which may reap the process: its CPU time is asked for when it ends.
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGINT)


@dataclasses.dataclass(frozen=True)
class Job:
    """Where a command runs: its cores (None = all), the name before its lines, what it is stopped by."""

    cores: frozenset[int] | None = None
    name: str = ""
    processes: Processes = dataclasses.field(default_factory=Processes)


@contextlib.contextmanager
def on_cores(cores: frozenset[int] | None) -> Iterator[None]:
    """What is started in the block runs on these cores."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def share_cores(jobs: int) -> list[frozenset[int] | None]:
    """The cores of this process in `jobs` shares; None stands for all of them."""
    if jobs == 1 or not hasattr(os, "sched_getaffinity"):  # not Linux: the system shares them out
        return [None] * jobs
    cores = sorted(os.sched_getaffinity(0))
    return [frozenset(cores[number % len(cores) :: jobs]) for number in range(jobs)]


def stream(
    command: Command, log: Path, overwrite: bool = False, job: Job | None = None, record: dict | None = None
) -> tuple[int, str, list[str]]:
    """Run a command; its lines go to the terminal and, without the folders of this machine, to a file.

    Its CPU time is added to `cpu_seconds` of `record`.

    Returns:
        (exit code, its last line or its error line as the file has it, stages that it reused).
    """
    job = job or Job()
    log.parent.mkdir(parents=True, exist_ok=True)
    before = f"{job.name}: " if job.name else ""
    console.print(before + command.shown, markup=False, highlight=False)
    last, error, reused = "", "", []
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"$ {command.stored}\n")
        with subprocess.Popen(
            command.argv(overwrite),
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            if job.cores:
                os.sched_setaffinity(process.pid, job.cores)  # long before it counts them
            job.processes.add(process)
            output = cast(IO[str], process.stdout)
            try:
                for printed in output:
                    console.print(before + printed.rstrip("\n"), markup=False, highlight=False, style="dim")
                    line = shown_text(printed, command.expanded)
                    file.write(line)
                    file.flush()
                    last = line.strip() or last
                    error = line.removeprefix("error: ").strip() if line.startswith("error: ") else error
                    reused += _REUSED.findall(line)
            except BaseException:
                _interrupt(process)
                raise
            finally:
                output.close()  # else one that still writes would wait for a reader for ever
                _, status, used = os.wait4(process.pid, 0)
                job.processes.discard(process)
                process.returncode = os.waitstatus_to_exitcode(status)
                if record is not None:
                    record["cpu_seconds"] += used.ru_utime + used.ru_stime
    return process.returncode, error or last or "no message", reused


def _environment() -> dict[str, str]:
    """As the user has it: what `common.quiet` set for this process, the command sets for itself, and does more."""
    return {name: value for name, value in os.environ.items() if (name, value) != ("TF_CPP_MIN_LOG_LEVEL", "3")}
