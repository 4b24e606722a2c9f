"""The templates for clusters start every worker with a TF_CONFIG that names it."""

import os
import subprocess

import pytest
import yaml

from tests.training.workers import ROOT
from training.cluster import Cluster, read_cluster
from training.flags import parse

TEMPLATES = ROOT / "configs" / "cluster"


@pytest.fixture
def stubs(tmp_path, monkeypatch):
    """Commands that say what they were given, where a cluster's would act."""
    for name, body in {
        "python": 'echo "$TF_CONFIG"; echo "$@"; exit ${CODE:-0}',
        "srun": 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"',
        "scontrol": 'if [ "$1" = show ]; then printf "node1\\nnode2\\n"; else echo "$@"; fi',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def run(*words: str, **environment: str) -> tuple[int, list[str]]:
    env = {**os.environ, **environment}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def check_flags(words: str) -> None:
    script, *flags = words.split()
    assert script == "train.py"
    flags[flags.index("--config") + 1] = str(ROOT / flags[flags.index("--config") + 1])
    assert parse(flags).config.distribute == "multiworker"


def test_slurm(stubs):
    for number in range(2):
        code, (config, flags) = run(
            "bash", str(TEMPLATES / "slurm.sh"), SLURM_JOB_NODELIST="n", SLURM_PROCID=str(number)
        )
        assert code == 0 and read_cluster(config) == Cluster(("node1:29400", "node2:29400"), number)
        check_flags(flags)


def test_slurm_queues_a_run_again_that_has_a_checkpoint(stubs):
    given = {"SLURM_JOB_NODELIST": "n", "SLURM_PROCID": "0", "SLURM_JOB_ID": "77", "CODE": "2"}
    words = "bash", str(TEMPLATES / "slurm.sh")
    code, lines = run(*words, **given)
    assert code == 2 and len(lines) == 2, "bad input is not tried again"
    code, lines = run(*words, **given, RUN_CHECKPOINTS=str(stubs))
    assert code == 2 and lines[2] == "requeue 77"
    assert len(run(*words, **given, RUN_CHECKPOINTS=str(stubs), SLURM_RESTART_COUNT="10")[1]) == 2


def test_kubernetes(stubs):
    service, job = yaml.safe_load_all((TEMPLATES / "kubernetes.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    count = int(variables["WORKERS"])
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == count
    assert pod["subdomain"] == service["metadata"]["name"] and service["spec"]["clusterIP"] == "None"
    for number in range(count):
        words = [*container["command"], *container["args"]]
        _, (config, flags) = run(*words, **variables, JOB_COMPLETION_INDEX=str(number))
        port = container["ports"][0]["containerPort"]
        names = tuple(f"{job['metadata']['name']}-{n}.{pod['subdomain']}:{port}" for n in range(count))
        assert read_cluster(config) == Cluster(names, number)
        check_flags(flags)
