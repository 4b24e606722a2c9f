"""The templates for clusters start every worker with a TF_CONFIG that names it."""

import os
import subprocess

import pytest
import yaml

from common.errors import InputError, WorkerLost
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


def test_slurm_queues_a_run_again_that_lost_a_worker_and_no_bad_input(stubs, monkeypatch):
    monkeypatch.chdir(stubs)
    given = {"SLURM_JOB_NODELIST": "n", "SLURM_PROCID": "0", "SLURM_JOB_ID": "77"}
    words = "bash", str(TEMPLATES / "slurm.sh")
    for status, again in ((WorkerLost.code, True), (137, True), (InputError.code, False), (1, False)):
        code, lines = run(*words, **given, CODE=str(status))
        assert code == status and lines[2:] == (["requeue 77"] if again else [])
    assert len(run(*words, **given, CODE="75", SLURM_RESTART_COUNT="10")[1]) == 2
    # One worker refuses its input, and the others are ended for it: srun gives the highest code of all.
    srun = stubs / "srun"
    srun.write_text(srun.read_text().replace('exec "$@"', '"$@"; exit 137'))
    code, lines = run(*words, **given, CODE="2")
    assert code == 137 and len(lines) == 2
    assert not list(stubs.glob(".gaze*"))


def test_kubernetes(stubs):
    service, job = yaml.safe_load_all((TEMPLATES / "kubernetes.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    codes = rule["onExitCodes"]
    assert rule["action"] == "FailJob" and codes["values"] == [InputError.code] and codes["operator"] == "In"
    assert codes["containerName"] == container["name"] and pod["restartPolicy"] == "Never"
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
