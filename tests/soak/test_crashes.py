"""Killed again and again, at random moments and before every rename, and started again: the same files come out.

Outside `make test`; `make soak` runs it in about ten minutes and prints how often it killed what.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data.clips import numbered_video, write_csv, write_gaze
from tests.soak.tree import tree
from tests.training import tiny

pytestmark = pytest.mark.soak
ROOT = Path(__file__).resolve().parents[2]
TRAIN = """
data: data
run: run
seed: 3
teacher: plain
student: tiny
teach: {epochs: 2, batch_size: 24, warmup_epochs: 0.5, precision: float32}
pretrain: {epochs: 1, batch_size: 24}
distil: {epochs: 2, batch_size: 24, warmup_epochs: 0.5, views: 2}
quantize: {epochs: 2, batch_size: 24}
"""
PRUNE = ["prune", "run/student/student.keras", "--data", "data", "--out", "out", "--epochs", "2", "--int8-epochs", "1",
         "--batch-size", "24"]  # fmt: skip
JOBS = {
    "prepare": ["recordings", "manifest.csv", "--out", "out", "--frame-size", "12", "16", "--pseudonymise", "map.json"],
    "prepare again": ["recordings", "manifest.csv", "--out", "out", "--frame-size", "24", "32", "--overwrite"],
    "train": ["--config", "preset.yaml"],
    "compress": [*PRUNE, "--sparsity", "0.5"],
    "compress twice": [*PRUNE, "--sparsity", "0.5", "0.8"],
    "evaluate": ["run/teacher/teacher.keras", "run/int8/student_int8.tflite", "--data", "data", "--json", "m.json",
                 "--predictions", "p.csv", "--plots", "plots", "--run", "run"],
}  # fmt: skip
# Kills at random moments, of each; those before renames come on top. Two targets have the same renames twice.
RANDOM = {"prepare": 6, "prepare again": 4, "train": 8, "compress twice": 5, "evaluate": 4}


class Server:
    """See `tests.soak.server`."""

    def __init__(self):
        words = [sys.executable, "-m", "tests.soak.server"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, name: str, folder: Path, killed: Path | None = None) -> int:
        """Start a job in a folder; its process."""
        job = {
            "command": name.split()[0],
            "words": JOBS[name],
            "folder": str(folder),
            "killed": str(killed) if killed else None,
        }
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["pid"]

    def wait(self) -> int:
        """The exit code of what was started last; `cpu_s` is what it took."""
        ended = json.loads(self.process.stdout.readline())
        self.cpu_s = ended["cpu_s"]
        return ended["code"]

    def run(self, name: str, folder: Path, killed: Path | None = None) -> int:
        self.start(name, folder, killed)
        return self.wait()


@pytest.fixture(scope="module")
def server():
    started = Server()
    yield started
    started.process.stdin.close()
    started.process.wait()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, server):
    """A function: name of a job → (folder to start from, what lies there after it ran undisturbed, CPU seconds)."""
    base = tmp_path_factory.mktemp("soak")
    recordings = base / "recordings"
    recordings.mkdir()
    for number in range(4):
        numbered_video(recordings / f"{number}.mkv", 8, shift=number)
    write_gaze(recordings / "gaze.tsv", 0.4)
    # With a salt of its own every run would give other ids.
    (recordings / "map.json").write_text(json.dumps({"salt": "0" * 32, "patients": {}, "recordings": {}}))
    columns = {"gaze": "gaze.tsv", "gaze_offset_s": 0}
    rows = [
        {
            "recording_id": f"r{n}",
            "patient_id": f"P{n}",
            "video": f"{n}.mkv",
            "label": "head",
            "split": split,
            **columns,
        }
        for n, split in enumerate(("train", "train", "val", "test"))
    ]
    write_csv(recordings / "manifest.csv", rows)
    training = base / "training"
    training.mkdir()
    tiny.write_shapes(training / "data")
    (training / "preset.yaml").write_text(TRAIN)
    known = {}

    def run(name):
        if name not in known:
            starts = {"prepare": recordings, "train": training}
            start = starts[name] if name in starts else run({"prepare again": "prepare"}.get(name, "train"))[1]
            folder = shutil.copytree(start, base / f"{name} undisturbed")
            assert server.run(name, folder) == 0, folder.with_name(folder.name + ".log").read_text()
            known[name] = start, folder, server.cpu_s
        return known[name]

    return run


def check(folder: Path, undisturbed: Path) -> None:
    """The same files, the same content, nothing else."""
    found, expected = tree(folder), tree(undisturbed)
    assert sorted(found) == sorted(expected)
    assert found == expected


def half_written(folder: Path) -> set[Path]:
    """Temporary files and folders, and locks."""
    return {path for path in folder.rglob(".*") if ".part" in path.name or path.suffix in (".lock", ".old")}


def wait_until(process: int, cpu_s: float) -> None:
    """Until a process has computed for so long, however busy the machine is, or has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        # After the name, in brackets: state, ten fields, user and system time in ticks.
        while (fields := Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split())[0] != "Z":
            if sum(map(int, fields[11:13])) >= cpu_s * os.sysconf("SC_CLK_TCK"):
                return
            time.sleep(0.005)


def is_done(code: int, folder: Path) -> bool:
    """Whether a run ended well, or says that it had ended before."""
    said = folder.with_name(folder.name + ".log").read_text().splitlines()[-1:]
    return code == 0 or (code == 2 and "exists already" in said[0])


@pytest.mark.parametrize("name", [name for name in JOBS if name != "compress twice"])
def test_killed_before_every_rename(server, whole, tmp_path, name, capsys):
    start, undisturbed, _ = whole(name)
    folder, killed = shutil.copytree(start, tmp_path / "work"), tmp_path / "killed.txt"
    kills = 0
    while (code := server.run(name, folder, killed)) == -signal.SIGKILL:
        kills += 1
        assert kills < 200
    assert is_done(code, folder), folder.with_name("work.log").read_text()[-2000:]
    with capsys.disabled():
        print(f"\n{name}: {kills} kills, one before each rename")
    assert kills == len(killed.read_text().splitlines()) > 2
    check(folder, undisturbed)


@pytest.mark.parametrize("name", RANDOM)
def test_killed_at_random_moments(server, whole, tmp_path, name, capsys):
    start, undisturbed, cpu_s = whole(name)
    moments, kills, terminated, rounds = random.Random(name), 0, 0, 0
    while kills + terminated < RANDOM[name]:
        rounds += 1
        folder = shutil.copytree(start, tmp_path / f"work {rounds}")
        while True:
            before = half_written(folder)
            process = server.start(name, folder)
            wait_until(process, moments.uniform(0.05, 1.0) * cpu_s)
            gently = moments.random() < 0.4
            sent = kills + terminated < RANDOM[name]
            if sent:
                with contextlib.suppress(ProcessLookupError):  # it has ended already
                    os.kill(process, signal.SIGTERM if gently else signal.SIGKILL)
            code = server.wait()
            if is_done(code, folder):
                break
            assert code == (143 if gently else -signal.SIGKILL), folder.with_name(folder.name + ".log").read_text()
            kills, terminated = kills + (not gently), terminated + gently
            if gently:
                assert half_written(folder) <= before, "SIGTERM leaves nothing half-written"
        check(folder, undisturbed)
    with capsys.disabled():
        print(f"\n{name}: {kills} kills and {terminated} SIGTERMs at random moments, {rounds} whole runs")
