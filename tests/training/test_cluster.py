"""What TF_CONFIG may say, and what is refused before anything is trained."""

import dataclasses
import json
import shutil

import pytest
import tensorflow as tf

from common.errors import InputError, run_command
from common.revision import code_digest
from tests.training import tiny
from training import TrainConfig, train
from training.cluster import Cluster, read_cluster
from training.distribution import Distribution

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
    train(
        tiny.config(shapes, run, stages=["teacher"], teach={"batch_size": 24}, distribute="multiworker"), dry_run=True
    )
    monkeypatch.setenv("TF_CONFIG", tf_config(WORKERS))
    train(config, dry_run=True)
    assert not run.exists()


def test_a_dry_run_looks_at_how_workers_share_labelled_frames(run, tmp_path, monkeypatch):
    """Once it was known when the student's training began, after the teacher's."""
    few = tiny.write_shapes(tmp_path / "few", labelled=lambda split, index: index % 2 == 0)
    three = tiny.write_shapes(tmp_path / "three", labelled=lambda split, index: index < 3)
    monkeypatch.setenv("TF_CONFIG", tf_config(WORKERS))
    settings = {"stages": ["teacher", "student"], "distribute": "multiworker"}
    distil = {"epochs": 2, "batch_size": 8, "views": 2}
    with pytest.raises(InputError, match="1 labelled frames of a batch of 8 can't be shared by 2 workers"):
        train(tiny.config(few, run, distil=distil, labelled_share=0.1, **settings), dry_run=True)
    train(tiny.config(few, run, distil=distil, labelled_share=0.5, **settings), dry_run=True)
    monkeypatch.setenv("TF_CONFIG", tf_config({"worker": ["a:1", "b:1", "c:1", "d:1"]}))
    with pytest.raises(InputError, match="3 frames of split 'train' can't be read by 4 workers"):
        train(tiny.config(three, run, **settings), dry_run=True)


def test_workers_compare_what_auto_means_here_and_the_content_of_files(whole_run, tmp_path, monkeypatch):
    """Before the stages are planned, which a worker with another precision would refuse by words of its own."""

    class Agreed(Exception):
        pass

    class Compared(Distribution):
        def agree(self, settings):
            raise Agreed(settings)

    def compared(config):
        with pytest.raises(Agreed) as caught:
            train(config)
        return caught.value.args[0]

    monkeypatch.setattr("training.run.start", lambda *_: Compared())
    monkeypatch.setattr("training.run.check_models", lambda *_, **__: None)
    source = whole_run.run / "student" / "student.keras"
    settings = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        for file in source.parent.glob("student.keras*"):
            shutil.copy(file, tmp_path / name)
        config = dataclasses.replace(
            whole_run,
            run=tmp_path / "run",
            student_init=str(tmp_path / name / source.name),
            teach=dataclasses.replace(whole_run.teach, precision="auto"),
        )
        settings.append(compared(config))
    assert settings[0] == settings[1], "the same file in another folder is the same"
    assert settings[0]["the files of the code"] == code_digest()
    monkeypatch.setattr("training.run.resolve_precision", lambda _: "that of another processor")
    with open(config.student_init, "ab") as stream:
        stream.write(b"x")
    monkeypatch.setattr("training.run.check_sources", lambda _: None)
    other = compared(config)
    assert {name for name in other if other[name] != settings[0][name]} == {"teach.precision", "student_init"}


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (
            tf.errors.InternalError(None, None, "Device x is joining a group with size 2, but that group has size 4"),
            "worker 1 of 2: has 1 devices, and another worker has another number or kind of them: give each the same",
            2,
        ),
        (tf.errors.UnavailableError(None, None, "gone"), "worker 1 of 2: another worker ended or can't be reached", 75),
    ],
)
def test_errors_between_workers_are_one_line_and_a_lost_one_has_a_code_of_its_own(error, line, code, capsys):
    def meet(_):
        with Distribution(None, Cluster(("a:1", "b:1"), 1)).working():
            raise error

    assert run_command(meet, []) == code
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {line}")
