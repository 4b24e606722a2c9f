"""Recordings read by several processes: the same bytes, the same errors."""

import pytest

from common.errors import InputError
from data.sources import RecordingsConfig
from data.sources.manifest import read_manifest
from data.sources.recordings import job_count
from tests.data.clips import cut, write_csv, write_gaze
from tests.data.cohort import cohort, digests, prepare


def test_bytes_do_not_depend_on_the_number_of_processes(tmp_path):
    rows = cohort(tmp_path, patients=4)
    write_gaze(tmp_path / "g.csv", 0.3)
    rows[0].update(gaze="g.csv")
    options = {"fps": 12.5, "frame_size": (24, 20), "seed": 3}
    prepare(tmp_path, rows, **options, jobs=1)
    alone = digests(tmp_path / "out")
    data = prepare(tmp_path, rows, **options, jobs=3, overwrite=True)
    assert digests(tmp_path / "out") == alone
    assert data.info["notes"]["warning: recordings with gaze whose gaze_offset_s is empty (taken as 0)"] == 1


def test_of_two_broken_recordings_the_first_is_named_as_one_process_names_it(tmp_path):
    rows = cohort(tmp_path)
    for name in (rows[3]["video"], rows[7]["video"]):
        cut(tmp_path / name, 0.7)
    messages = []
    for jobs in (1, 2):
        with pytest.raises(InputError, match=rows[3]["video"]) as caught:
            prepare(tmp_path, rows, jobs=jobs)
        messages.append(str(caught.value))
        assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))
    assert messages[0] == messages[1]


def test_processes_are_started_where_they_are_worth_it(tmp_path):
    rows = cohort(tmp_path, patients=2)
    manifest = write_csv(tmp_path / "manifest.csv", rows)
    recordings = read_manifest(manifest)
    assert job_count(RecordingsConfig(manifest=manifest, out=tmp_path / "o"), recordings) == 1
    assert job_count(RecordingsConfig(manifest=manifest, out=tmp_path / "o", jobs=9), recordings) == 4
    with pytest.raises(InputError, match="jobs must be from 1 to 1024 processes, not 0"):
        RecordingsConfig(manifest=manifest, out=tmp_path / "o", jobs=0)


def test_recordings_of_one_scanner_are_left_out(tmp_path):
    rows = cohort(tmp_path)
    for row in rows:
        row["scanner"] = "Aloka" if row["patient_id"] in ("p1", "p4") else "Voluson"
    rows[2]["scanner"] = "Voluson"  # one of two recordings of p1
    data = prepare(tmp_path, rows, leave_out_scanner="Aloka", val_fraction=0.25)
    assert data.info["splits"]["test"]["frames_per_patient"] == {"p1": 8, "p4": 16}
    assert data.patients("train") == 3 and data.patients("val") == 1
    assert data.scanners("test") == {"Aloka": 24} and set(data.scanners("train")) == {"Voluson"}


def test_spellings_of_a_scanner_are_read_as_one(tmp_path, capsys):
    """Else metrics per scanner would part it, and leaving it out would train on the rest."""
    rows = cohort(tmp_path)
    for row, name in zip(rows, ["Aplio", "aplio ", "Aplio", "APLIO", "", "E6"]):
        row["scanner"] = name
    data = prepare(tmp_path, rows, val_fraction=0, test_fraction=0)
    assert set(data.scanners("train")) >= {"Aplio", "E6"} and not {"aplio", "APLIO"} & set(data.scanners("train"))
    assert "column scanner: machines 'Aplio', 'aplio', 'APLIO' differ only in spelling: read as 'Aplio'" in (
        " ".join(capsys.readouterr().err.split())
    )
