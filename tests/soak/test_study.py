"""A study whose Snakemake is killed at random moments, with all that it has started, comes to the same end."""

import os
import random
import re
import shutil
import signal
import time

import pytest

from tests.soak.tree import tree
from tests.workflow import calls, make_study, start

pytestmark = pytest.mark.soak

_ROUNDS, _TRIES = 3, 3
# Times, or checksums of archives that hold times.
_CHANGING = re.compile(r"time\.tsv$|log\.txt$|real/(trained|evaluated)\.txt$")


def finished(folder):
    """What lies there once a run is through; the row that fails has its own end."""
    process = start(folder)
    assert process.wait() == 1, (folder / "output.txt").read_text()
    real = folder / "runs" / "tiny" / "real"
    found = {f"{real.relative_to(folder)}/{name}": content for name, content in tree(real).items()}
    others = [path for path in (folder / "runs").rglob("*") if path.is_file() and real not in path.parents]
    found |= {str(path.relative_to(folder)): path.read_bytes() for path in others}
    found = {name: content for name, content in found.items() if not _CHANGING.search(name)}
    assert {"runs/tiny/real/result.json", "runs/tiny/both/result.json"} <= found.keys()
    return found


def kill_soon(folder, moments):
    """Whether a run was killed before it ended: after a few of its commands have begun, at any moment of the next."""
    process, commands, pause_s = start(folder), moments.randint(0, 4), moments.uniform(0, 3)
    while process.poll() is None and len(calls(folder)) < commands:
        time.sleep(0.02)
    time.sleep(pause_s)
    killed = process.poll() is None
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return killed


def test_killed_at_random_moments(tmp_path, capsys):
    (begun := tmp_path / "begun").mkdir()
    make_study(begun)
    (begun / "commands" / "go").touch()
    expected = finished(shutil.copytree(begun, tmp_path / "undisturbed"))
    moments, kills = random.Random(0), 0
    for number in range(_ROUNDS):
        folder = shutil.copytree(begun, tmp_path / f"round {number}")
        kills += sum(kill_soon(folder, moments) for _ in range(_TRIES))
        assert finished(folder) == expected
    with capsys.disabled():
        print(f"\nstudy: {kills} kills at random moments")
    assert kills >= _ROUNDS
