"""Latency: in the order given, of as many calls as fit, in a process of its own."""

import itertools
import json
import subprocess
import types

import pytest

from common.errors import InputError
from common.locks import exclusive
from evaluation import latency
from evaluation.latency import measure_latency, time_calls
from tests.evaluation.small import artefact_paths


@pytest.fixture
def clock(monkeypatch):
    """The time that `evaluation.latency` sees, s; it stands still but for what a test adds."""
    now = [0.0]
    monkeypatch.setattr("evaluation.latency.time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    return now


def test_median_and_95th_percentile_are_those_of_the_calls_after_the_warm_up(clock):
    durations = itertools.chain([0.5] * 3, itertools.cycle([0.004] * 9 + [0.02]))

    def call():
        clock[0] += next(durations)

    found = time_calls(call, warm_up_s=0.01, measure_s=0.5599)
    assert found["runs"] == 100
    assert (found["median"], found["p95"]) == (pytest.approx(4), pytest.approx(20))


@pytest.mark.parametrize(("duration_s", "runs"), [(9.0, 10), (1e-6, 2000)])
def test_slow_calls_are_still_timed_ten_times_and_quick_ones_two_thousand(clock, duration_s, runs):
    def call():
        clock[0] += duration_s

    assert time_calls(call, warm_up_s=0, measure_s=1.0)["runs"] == runs


def test_every_kind_of_artefact(run_folder, monkeypatch, capsys):
    """What the measuring process does, in this one; in its own, `test_command.test_a_good_run` has it measure."""
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)  # these tests may keep their cores
    latency.main(0.05, False, artefact_paths(run_folder)[::2])
    timings = json.loads(capsys.readouterr().out)
    assert [set(timing) for timing in timings] == [{"median", "p95", "runs"}] * 3
    assert all(0 < timing["median"] <= timing["p95"] for timing in timings)


def test_a_failed_measurement_says_why(tmp_path, monkeypatch):
    """By what any process says that ends as a failed one does: starting TensorFlow would show no more."""
    fails = tmp_path / "python"
    fails.write_text("#!/bin/sh\necho Traceback >&2\necho 'InputError: no such artefact' >&2\nexit 3\n")
    fails.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(fails))
    with pytest.raises(RuntimeError, match=r"failed with code 3: InputError: no such artefact$"):
        measure_latency([tmp_path / "absent.keras"])


def test_one_command_at_a_time_measures(tmp_path, monkeypatch, capsys):
    """All are timed on one core: two evaluations of a study timed each other."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    held = []

    def run(*_, **__):
        (lock,) = tmp_path.glob(".gaze-latency-*.lock")
        with pytest.raises(InputError, match="writes there"), exclusive(tmp_path / lock.name[1:-5]):
            pytest.fail("another command could measure")
        held.append(lock)
        return subprocess.CompletedProcess([], 0, stdout="[]\n")

    monkeypatch.setattr("subprocess.run", run)
    assert measure_latency([]) == [] and held
