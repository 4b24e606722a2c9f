"""One of two workers on this machine, and what starts both.

python -m tests.training.workers JSON    what to do: see `main`
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def launch(tasks: list[dict]) -> list[subprocess.CompletedProcess]:
    """Run workers side by side, each with its task, until all of them have ended."""
    ports = [_free_port() for _ in tasks]
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    started = []
    for index, task in enumerate(tasks):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        words = [sys.executable, "-m", "tests.training.workers", json.dumps(task)]
        environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # as a user has it
        started.append(
            subprocess.Popen(
                words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    done = []
    try:
        for process in started:
            out, err = process.communicate(timeout=600)
            done.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    finally:
        for process in started:
            process.kill()
    return done


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


def main(task: dict) -> int:
    """Do what a task says: train each of `runs`, settings of `tiny.config`; with `compare`, compare a step.

    "dies_after" names the epoch after which the worker kills itself; "exports" is true where files are wanted.
    """
    import common.quiet  # noqa: F401  (first, before TensorFlow)

    import tensorflow as tf  # isort: skip

    from common.errors import run_command
    from data.parts import Part
    from tests.training import steps, tiny
    from training import distribution, train
    from training.history import History

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # each graph runs a few times
    register()
    if not task.get("exports"):
        quick_exports()
    distribution.SEEN_S = 2.0
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
        print(json.dumps(steps.differences(task["compare"], here, parts, [steps.student])))
    return codes[-1]


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
