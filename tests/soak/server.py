"""Commands in processes forked from one that has imported everything: a kill costs a second or two, not ten.

Reads a JSON line {"command", "words", "folder", "killed"} from standard input, answers {"pid"}, and when that process
has ended {"code", "cpu_s"}, the code negative for a signal. With "killed", the name of a file, the process kills itself
before the first rename that the file does not list, and adds it to the list. Started as `python -m tests.soak.server`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import traceback
from pathlib import Path

import common.quiet  # noqa: F401  isort: skip

import numpy as np

import compress
import evaluate
import models
import prepare
import quantization.legacy
import train
import training.int8
import training.run  # noqa: F401
from common.errors import run_command
from tests.training import tiny

MAINS = {command.__name__: command.main for command in (prepare, train, evaluate, compress)}
TIMED = {"median": 1.0, "p95": 1.5, "runs": 10}


def serve() -> None:
    """Start one process after the other, until standard input ends."""
    entry = models.registry.Entry
    models.MODELS["tiny"] = entry(tiny.build_student, "student", ("stride8", "stride16"))
    models.MODELS["plain"] = entry(tiny.build_teacher, "teacher", ("stride8", "stride16"))
    quantization.legacy.tfmot()
    for line in sys.stdin:
        job = json.loads(line)
        process = os.fork()
        if not process:
            _run(job)
        _answer(pid=process)
        _, status, used = os.wait4(process, 0)
        _answer(code=os.waitstatus_to_exitcode(status), cpu_s=used.ru_utime + used.ru_stime)


def _answer(**fields: float) -> None:
    print(json.dumps(fields), flush=True)


def _run(job: dict) -> None:
    """In the new process: do it, and end."""
    folder = Path(job["folder"])
    log = os.open(folder.with_name(folder.name + ".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    code = 1
    try:
        if job["killed"]:
            _kill_before_renames(Path(job["killed"]))
        _without_timing()
        code = run_command(MAINS[job["command"]], job["words"])
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _without_timing() -> None:
    """Latency and memory take time and are not under test."""
    import evaluation.report

    evaluation.report.measure_latency = lambda paths, **_: [TIMED] * len(paths)
    evaluation.report.measure_memory = lambda paths: [None] * len(paths)


def _kill_before_renames(killed: Path) -> None:
    done = set(killed.read_text().splitlines()) if killed.exists() else set()

    def watched(rename):
        def checked(source, target, **more):
            name = _name(Path(source), Path(target))
            if name not in done:
                with killed.open("a") as file:
                    file.write(name + "\n")
                os.kill(os.getpid(), signal.SIGKILL)
            return rename(source, target, **more)

        return checked

    os.replace, os.rename = watched(os.replace), watched(os.rename)


def _name(source: Path, target: Path) -> str:
    """The same for the same rename of another run: a path without what is random, and which of several contents."""
    name = re.sub(r"\.[^/.]+\.(part|old)", r".\1", os.path.relpath(target))
    if source.suffix == ".csv":
        return f"{name} {hashlib.sha256(source.read_bytes()).hexdigest()[:8]}"
    if source.suffix == ".npz" and "checkpoints" in name:
        with np.load(source) as state:
            return f"{name} {state[state.files[0]]}"
    if source.name.endswith(".json") and target.name in ("progress.json", "row.json"):
        stored = json.loads(source.read_text())
        return f"{name} {stored.get('done', stored.get('state'))}"
    return name


if __name__ == "__main__":
    serve()
