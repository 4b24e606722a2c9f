"""What a step does must not depend on over how many devices its batch is spread."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runs():
    done = subprocess.run([sys.executable, "-m", "tests.models.replicas_run"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def test_two_devices_take_the_step_of_one(runs):
    assert runs["replicas"] == 2
    one, two = runs["one"], runs["two"]
    assert len(one["after"]) == len(two["after"]) == 10  # student 6, saliency head 2, adapter 2
    moved = [np.abs(np.subtract(a, b)).max() > 1e-4 for a, b in zip(one["before"], one["after"])]
    assert sum(moved) >= 9, "the step moved too little to compare"  # the saliency bias never moves
    for first, second in zip(one["after"], two["after"]):
        np.testing.assert_allclose(second, first, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["logs", "evaluated"])
def test_two_devices_log_what_one_logs(runs, kind):
    one, two = runs["one"][kind], runs["two"][kind]
    assert one.keys() == two.keys() >= {"loss", "gaze", "hint", "similarity", "regularisation", "agreement"}
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-6, err_msg=name)
