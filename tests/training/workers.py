"""Two workers on this machine, and what else needs a process of its own: all forked from one that starts only once.

TensorFlow takes seconds to be imported, and its devices and its cluster are fixed by its first use. So one process
imports it, uses nothing of it, and forks the others.

python -m tests.training.workers    reads lines of jobs, see `Forks.run`
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 600


class Forks:
    """Starts processes that have imported everything, and waits for them."""

    def __init__(self) -> None:
        # As a user has it; a user's processes are started one by one.
        environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
        words = [sys.executable, "-m", "tests.training.workers"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(words, cwd=ROOT, env=environment, text=True, start_new_session=True, **pipes)

    def run(self, jobs: list[dict]) -> list[subprocess.CompletedProcess]:
        """Run jobs side by side until all of them have ended; a job has

        "do", the function of this module to call, "words", what it is called with, and "environment".
        """
        with tempfile.TemporaryDirectory() as folder:
            self._process.stdin.write(json.dumps([folder, jobs]) + "\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], LONGEST_S)[0]:
                os.killpg(self._process.pid, signal.SIGKILL)
            codes = json.loads(self._process.stdout.readline())
            said = [
                [Path(folder, f"{number}.{name}").read_text() for name in ("out", "err")] for number in range(len(jobs))
            ]
        return [
            subprocess.CompletedProcess(job, code, *each) for job, code, each in zip(jobs, codes, said, strict=True)
        ]

    def workers(self, tasks: list[dict]) -> list[subprocess.CompletedProcess]:
        """Workers of one cluster, each with its task for `work`."""
        ports = [_free_port() for _ in tasks]
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        configs = [{"cluster": cluster, "task": {"type": "worker", "index": index}} for index in range(len(tasks))]
        return self.run(
            [
                {"do": "work", "words": [task], "environment": {"TF_CONFIG": json.dumps(config)}}
                for task, config in zip(tasks, configs, strict=True)
            ]
        )

    def end(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@contextlib.contextmanager
def forks():
    """`Forks` for as long as a block takes."""
    started = Forks()
    try:
        yield started
    finally:
        started.end()


def serve() -> None:
    """Import everything, then fork what each line of standard input asks for; answer the exit codes."""
    import common.quiet  # noqa: F401  (first, before TensorFlow)
    import training.run  # noqa: F401
    from tests.quick import build_models_quickly
    from tests.training import mirrored, steps  # noqa: F401

    gc.collect()
    gc.freeze()  # no fork looks for garbage in what was imported
    gc.set_threshold(20_000, 20, 20)
    build_models_quickly()
    for line in sys.stdin:
        folder, jobs = json.loads(line)
        started = []
        for number, job in enumerate(jobs):
            started.append(os.fork())
            if not started[-1]:
                _be(job, Path(folder, str(number)))
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in started]
        print(json.dumps(codes), flush=True)


def _be(job: dict, place: Path) -> None:
    """In the new process: do the job, and end."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(place.with_suffix(f".{name}"), os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(job["environment"])
    code = 1
    try:
        code = {"work": work, "mirror": mirror}[job["do"]](*job["words"])
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        return taken.getsockname()[1]


def register() -> None:
    """Know the tiny models by name, in a process without pytest."""
    import models
    from tests.training import tiny

    class Patch:
        setitem = staticmethod(lambda mapping, name, value: mapping.__setitem__(name, value))

    tiny.register(Patch)
    assert "narrow" in models.MODELS


def quick_exports() -> None:
    """Leave out SavedModel and TFLite, which build graphs and are looked at elsewhere."""
    import quantization.saved_model
    import quantization.tflite

    quantization.saved_model.export_saved_model = lambda model, path, *_: path.mkdir()
    quantization.tflite.export_float_tflite = lambda model, path, *_: path.touch()


def mirror(data: str, folder: str) -> int:
    """See `tests.training.mirrored`."""
    from tests.training import mirrored

    print(json.dumps(mirrored.compared(data, Path(folder))))
    return 0


def work(task: dict) -> int:
    """Do what a task says: train each of `runs`, settings of `tiny.config`; with `compare`, compare a step.

    "dies_after" names the epoch after which the worker kills itself; "exports" is true where files are wanted;
    "eagerly" names the stages whose steps have no graphs.
    """
    from common.errors import run_command
    from data.parts import Part
    from models.distiller import Distiller
    from tests.quick import run_quickly
    from tests.training import steps, tiny
    from training import distribution, fitting, train
    from training.history import History

    run_quickly()
    register()
    if not task.get("exports"):
        quick_exports()
    distribution.SEEN_S = 2.0
    compiled = fitting.compile_learner

    def compile_learner(learner, settings, steps):
        compiled(learner, settings, steps)
        learner.run_eagerly = ("student" if isinstance(learner, Distiller) else "teacher") in task.get("eagerly", ())

    fitting.compile_learner = compile_learner
    if task.get("dies_after"):
        add = History.add

        def last_epoch(self, stage, epoch, logs):
            add(self, stage, epoch, logs)
            if [stage, epoch] == task["dies_after"]:
                os.kill(os.getpid(), signal.SIGKILL)

        History.add = last_epoch
    codes = [run_command(lambda _, run=run: train(tiny.config(**run)), []) for run in task["runs"]]
    if task.get("compare"):
        here = distribution.start("multiworker")
        parts = [Part(0, 2), Part(1, 2)]
        print(json.dumps(steps.differences(task["compare"], here, parts, {steps.student: True})))
    return codes[-1]


if __name__ == "__main__":
    serve()
