"""A small study that Snakemake runs, with stand-ins for its commands.

Those of the row `real`, and the check, can have the test's process do what they were asked: it has TensorFlow already.
"""

import common.quiet  # noqa: F401  isort: skip

import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from common.errors import run_command
from tests.evaluation.small import make_dataset

ROOT = Path(__file__).resolve().parents[1]

# One real row, `real`, and the real check; all others take their files from nowhere, as quickly as they can.
STAND_IN = """
import json, os, runpy, shutil, sys, time
from pathlib import Path

name, words, place = Path(__file__).stem, sys.argv[1:], Path(__file__).parent
value = lambda flag: words[words.index(flag) + 1] if flag in words else None
out = Path(value("--run") or value("--out") or Path(value("--json") or "check").parent)
row = out.parent.name if name in ("train", "compress") else out.name
if name == "study":
    row = words[0]
with open(place / "calls.txt", "a") as calls:
    calls.write(f"{name} {row}\\n")
if (row == "real" or name == "study") and "PROJECT" in os.environ:
    script = Path(os.environ["PROJECT"]) / f"{name}.py"
    sys.path.insert(0, str(script.parent))
    sys.argv[0] = str(script)
    runpy.run_path(str(script), run_name="__main__")  # it exits
if row == "real" or name == "study":
    part, asked, answer = (place / f"{name}-{os.getpid()}.{end}" for end in ("part", "asked", "answer"))
    part.write_text(json.dumps([name, words]))
    part.rename(asked)
    while not answer.exists():
        time.sleep(0.05)
    sys.exit(int(answer.read_text()))
if name == "prepare":
    if "merge" in words and not (place.parent / "part").exists():
        sys.exit("error: part is not there")
    shutil.copytree("data", out)
    sys.exit()
if name == "evaluate":
    (out / "result.json").write_text(json.dumps(words))
    (out / "predictions.csv").write_text("")
    sys.exit()
print("epoch 1/1 by", sys.executable)
if row == "slow" and not (place / "go").exists():
    time.sleep(600)
if value("--seed") == "13":
    sys.exit("error: the disk is full")
made = {"compress": "sparse.tflite"}.get(name, "student/student.tflite")
made = "teacher/teacher.keras" if "[teacher]" in words else made
(out / made).parent.mkdir(parents=True, exist_ok=True)
(out / made).write_text(" ".join(words))
"""

STUDY = """
runs: runs
latency: false
datasets:
  tiny: {path: data}
  made: {path: made, prepare: [merge, part, --classes, "${EPOCHS}"]}
  part: {path: part, prepare: [phantom]}
tables:
  tiny:
    data: tiny
    baseline: real
    train: {stages: [student], student: sononet_4, teacher: none}
    rows:
      big: {model: a, artefact: teacher/teacher.keras, train: {stages: [teacher], teacher: sononet_16}}
      small: {model: b, artefact: student/student.tflite, train: {teacher-path: "{big}", distil.epochs: 3}}
      sparse: {model: c, artefact: sparse.tflite, compress: prune, source: "{small}", flags: {sparsity: [0.5]}}
      same: {model: d, of: small, artefact: student/student.tflite}
      both: {model: e, ensemble: [small, sparse]}
      slow: {model: f, artefact: student/student.tflite, train: {distil.epochs: "${EPOCHS}"}}
      failing: {model: g, artefact: student/student.tflite, train: {seed: 13}}
      lost: {model: h, artefact: sparse.tflite, compress: prune, source: "{failing}", flags: {sparsity: [0.5]}}
      fresh: {model: j, data: made, artefact: student/student.tflite, train: {distil.epochs: 2}}
      real: {model: i, artefact: teacher/teacher.keras,
             train: {stages: [teacher], teacher: sononet_16, teacher-options: {width: 0.1, fusion: none}, gaze: none,
                     teach.epochs: 1, teach.precision: float32}}
"""


def make_study(folder):
    """Write the study, its data and stand-ins for the commands."""
    make_dataset(folder / "data")
    (folder / "study.yaml").write_text(STUDY)
    (folder / "commands").mkdir()
    for name in ("study", "prepare", "train", "compress", "evaluate"):
        (folder / "commands" / f"{name}.py").write_text(STAND_IN)


def start(place, words=None, *, answered=False):
    """Snakemake, by what `study.py run` calls or by its own words, in a group of processes of its own.

    What is real is a process as well or, with `answered`, what `answer` does from this one. `calls.txt` starts empty.
    """
    (place / "commands" / "calls.txt").write_text("")
    for asked in (place / "commands").glob("*.asked"):  # by one that was killed
        asked.unlink()
    own = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "studies" / "Snakefile"), "--cores"]
    own += ["2", "--config", "study=study.yaml"]
    command = [*(words or own), f"commands={place / 'commands'}"]
    environment = {**os.environ, "EPOCHS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {} if answered else {"PROJECT": str(ROOT)}
    with open(place / "output.txt", "w") as output:
        return subprocess.Popen(
            command, cwd=place, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def answer(place):
    """Do what stand-ins have asked for, in this process, whose working directory and variables are the study's."""
    for asked in (place / "commands").glob("*.asked"):
        name, words = json.loads(asked.read_text())
        asked.unlink()
        code = run_command(importlib.import_module(name).main, words)
        part = asked.with_suffix(".part")
        part.write_text(str(code))
        part.rename(asked.with_suffix(".answer"))


def finish(place, process):
    """Exit code of Snakemake; what stand-ins ask for is done meanwhile."""
    while True:
        answer(place)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=0.1)


def calls(place):
    return (place / "commands" / "calls.txt").read_text().splitlines()


def wait_for(place, call):
    end = time.monotonic() + 120
    while call not in calls(place):
        answer(place)
        assert time.monotonic() < end, (place / "output.txt").read_text()
        time.sleep(0.1)
