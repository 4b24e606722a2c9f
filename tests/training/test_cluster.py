"""What TF_CONFIG may say, and what is refused before anything is trained."""

import json

import pytest

from common.errors import InputError
from tests.training import tiny
from training import TrainConfig, train
from training.cluster import Cluster, read_cluster

WORKERS = {"worker": ["a:1000", "b:1000"]}


def tf_config(cluster, kind="worker", index=0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


def test_the_chief_comes_first():
    assert read_cluster(tf_config(WORKERS, index=1)) == Cluster(("a:1000", "b:1000"), 1)
    with_chief = {"worker": ["b:1000", "[::1]:1000"], "chief": ["a:1000"]}
    assert read_cluster(tf_config(with_chief, index=1)) == Cluster(("a:1000", "b:1000", "[::1]:1000"), 2)
    assert read_cluster(tf_config(with_chief, "chief")).number == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not set"),
        ("", "is not set"),
        ("{", "TF_CONFIG: is no JSON"),
        ("[]", "TF_CONFIG: has no cluster"),
        ('{"cluster": {"worker": ["a:1"]}}', "TF_CONFIG: has no task"),
        (tf_config(WORKERS, index=2), "names task worker 2, and the cluster has worker 0, worker 1"),
        (tf_config(WORKERS, index=True), "names task worker True"),
        (tf_config(WORKERS, "chief"), "names task chief 0"),
        (tf_config(WORKERS, ["worker"]), r"names task \['worker'\] 0"),
        (tf_config({**WORKERS, "ps": ["c:1"]}), "has a job 'ps'"),
        (tf_config({"worker": []}), r"cluster.worker must be a list of host:port, not \[\]"),
        (tf_config({"worker": ["a"]}), "cluster.worker must be a list of host:port"),
        (tf_config({"worker": ["a:70000"]}), "cluster.worker must be a list of host:port"),
        (tf_config({"worker": ["a:1", "a:1"]}), "an address of cluster comes twice"),
        (tf_config({"chief": ["a:1", "b:1"]}, "chief"), "there is one chief"),
    ],
)
def test_what_is_no_cluster_is_one_line(text, said):
    with pytest.raises(InputError, match=said) as caught:
        read_cluster(text)
    assert "\n" not in str(caught.value)


def test_an_unknown_strategy_is_refused():
    with pytest.raises(InputError, match="distribute must be one of none, mirrored, multiworker, not 'ring'"):
        TrainConfig("d", "r", distribute="ring")


def test_a_dry_run_looks_at_the_cluster_and_at_the_batches(shapes, run, monkeypatch):
    config = tiny.config(shapes, run, stages=["teacher", "student"], distribute="multiworker")
    monkeypatch.setenv("TF_CONFIG", tf_config(WORKERS, index=5))
    with pytest.raises(InputError, match="names task worker 5"):
        train(config, dry_run=True)
    three = {"worker": ["a:1", "b:1", "c:1"]}
    monkeypatch.setenv("TF_CONFIG", tf_config(three))
    with pytest.raises(InputError, match=r"distil.batch_size 16: is not a multiple of 3"):
        train(config, dry_run=True)
    monkeypatch.setenv("TF_CONFIG", tf_config(WORKERS))
    train(config, dry_run=True)
    assert not run.exists()
