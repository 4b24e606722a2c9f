"""Recordings read by a Beam pipeline: the same bytes as of the processes of this machine, the same errors."""

import builtins
import errno

import pytest

from common.errors import InputError
from data.sources import RecordingsConfig
from data.sources.beam_engine import map_by_beam
from tests.data.clips import cut, write_csv, write_gaze
from tests.data.cohort import cohort, digests, prepare

# Threads of this process: an engine that needs no network, whatever runner Beam would choose.
LOCAL = "--runner=BundleBasedDirectRunner"


def test_an_unknown_engine_and_what_is_of_the_other_one_are_refused(tmp_path):
    paths = {"manifest": tmp_path / "m.csv", "out": tmp_path / "o"}
    with pytest.raises(InputError, match="engine must be one of local, beam, not 'spark'"):
        RecordingsConfig(**paths, engine="spark")
    with pytest.raises(InputError, match="jobs is of engine 'local'"):
        RecordingsConfig(**paths, engine="beam", jobs=2)
    with pytest.raises(InputError, match="beam_options '--runner=x': is of engine 'beam'"):
        RecordingsConfig(**paths, beam_options="--runner=x")


def test_without_beam_one_line_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.startswith("apache_beam"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"not installed: pip install -r requirements-beam\.txt"):
        prepare(tmp_path, cohort(tmp_path), engine="beam")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [LOCAL, ""])
def test_bytes_and_counts_are_those_of_the_local_engine(tmp_path, options):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    rows = cohort(tmp_path, patients=4)
    write_gaze(tmp_path / "g.csv", 0.3)
    rows[0].update(gaze="g.csv")
    settings = {"fps": 12.5, "frame_size": (24, 20), "seed": 3}
    local = prepare(tmp_path, rows, **settings, jobs=1)
    alone = digests(tmp_path / "out")
    by_beam = prepare(tmp_path, rows, **settings, engine="beam", beam_options=options, overwrite=True)
    assert digests(tmp_path / "out") == alone and by_beam.info == local.info
    assert not list(tmp_path.glob(".*")), "what the pipeline wrote is removed"


def test_of_two_broken_recordings_the_first_is_named(tmp_path):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    rows = cohort(tmp_path)
    for name in (rows[3]["video"], rows[7]["video"]):
        cut(tmp_path / name, 0.7)
    with pytest.raises(InputError, match=rows[3]["video"]):
        prepare(tmp_path, rows, engine="beam", beam_options=LOCAL)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--runner=NoSuchRunner", "NoSuchRunner"),
        ("--direct_num_workers=many", "many"),
        ("--no_such_option=3", "Beam does not know no_such_option"),
        ("--runner='", "No closing quotation"),
    ],
)
def test_options_pass_through_and_what_beam_refuses_is_one_line(tmp_path, options, said):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    write_csv(tmp_path / "manifest.csv", rows := cohort(tmp_path, patients=3))
    with pytest.raises(InputError, match=said) as caught:
        prepare(tmp_path, rows, engine="beam", beam_options=options)
    assert str(caught.value).startswith(f"beam_options {options!r}") and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def full_disk(_):
    raise OSError(errno.ENOSPC, "No space left on device")


def wrong_rate(_):
    raise InputError("too few frames", parameter="fps")


def test_a_full_disk_on_a_worker_is_one_line_and_a_parameter_is_kept(tmp_path):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    with pytest.raises(InputError, match=f"{tmp_path}.*: the disk is full"):
        list(map_by_beam(full_disk, [1], LOCAL, tmp_path))
    with pytest.raises(InputError, match="too few frames") as caught:
        list(map_by_beam(wrong_rate, [1], LOCAL, tmp_path))
    assert caught.value.parameter == "fps"


def test_results_that_were_written_on_another_disk_are_missed_in_one_line(tmp_path, monkeypatch):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    monkeypatch.setattr("pathlib.Path.replace", lambda self, target: self.unlink())
    with pytest.raises(InputError, match="workers don't write where this process reads"):
        list(map_by_beam(str, [1], LOCAL, tmp_path))
