"""Latency: in the order given, and near what a known wait takes."""

import time

import pytest

from evaluation.latency import measure_latency, time_calls
from tests.evaluation.conftest import artefact_paths


def test_a_known_wait():
    calls = []
    found = time_calls(lambda: (calls.append(1), time.sleep(0.004)), warm_up_s=0.01, measure_s=0.1)
    assert 4 <= found["median"] < 8
    assert found["p95"] >= found["median"]
    assert 10 <= found["runs"] < len(calls)


def test_slow_calls_are_still_timed_ten_times():
    assert time_calls(lambda: time.sleep(0.001), warm_up_s=0, measure_s=0)["runs"] == 10


def test_every_kind_of_artefact(run_folder):
    timings = measure_latency(artefact_paths(run_folder)[::2], seconds=0.05)
    assert [set(timing) for timing in timings] == [{"median", "p95", "runs"}] * 3
    assert all(0 < timing["median"] <= timing["p95"] for timing in timings)


def test_a_failed_measurement_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="no such artefact"):
        measure_latency([tmp_path / "absent.keras"])
