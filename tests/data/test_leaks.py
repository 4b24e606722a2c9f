"""Recordings: patients who leak by frames or ids, labels by their spelling, and what leaves in a data set."""

import json
import os

import numpy as np
import pytest

from common.errors import InputError, run_command
from data.names import leading_zero_groups
from data.sources import RecordingsConfig, prepare_recordings
from data.sources.labels import read_intervals
from tests.data.clips import numbered_frame, numbered_video, write_csv, write_dicom, write_video
from tests.data.cohort import SIZE, cohort, frames_of, prepare, refused
from tests.private import found_in, private_words


def test_a_copied_video_under_another_patient_is_refused(tmp_path):
    rows = cohort(tmp_path)
    (tmp_path / "p1_head.mkv").write_bytes((tmp_path / "p0_head.mkv").read_bytes())
    refused(
        tmp_path,
        rows,
        "recording p1_head of patient p1 shows 8 frames of recording p0_head of patient p0",
        "p1_head.mkv",
    )


def test_the_same_frames_in_another_file_are_refused_too(tmp_path):
    rows = cohort(tmp_path)
    frames = [numbered_frame(k, shift=77) for k in range(12)]
    write_video(tmp_path / "p0_head.mkv", frames)
    write_video(tmp_path / "p3_head.avi", frames[4:9])
    rows[6]["video"] = "p3_head.avi"
    refused(tmp_path, rows, "recording p3_head of patient p3 shows 5 frames", "p3_head.avi")


def test_a_screen_that_many_recordings_show_is_noted(tmp_path):
    rows = cohort(tmp_path)
    no_signal = numbered_frame(3, shift=99)
    for patient in range(3):
        frames = [no_signal, *(numbered_frame(k, shift=110 + patient) for k in range(7))]
        write_video(tmp_path / f"p{patient}_head.mkv", frames)
    assert prepare(tmp_path, rows).info["notes"]["frames that recordings of two patients share"] == 2


def test_a_repeat_of_the_same_patient_is_noted(tmp_path):
    rows = cohort(tmp_path)
    rows.append({**rows[0], "recording_id": "again"})
    assert prepare(tmp_path, rows).info["notes"]["recordings that repeat one of the same patient"] == 1


@pytest.mark.parametrize("other", ["P0", "p0\u200b", "\uff500", "p0\u00a0 x"])
def test_patients_written_in_two_ways_are_refused(tmp_path, other):
    rows = cohort(tmp_path)
    if other.endswith("x"):
        rows[0]["patient_id"] = rows[1]["patient_id"] = "p0 x"
    rows[2]["patient_id"] = rows[3]["patient_id"] = other
    refused(tmp_path, rows, "column patient_id: patients .* differ only in case, blanks or characters")


def test_leading_zeros_are_said(tmp_path, capsys):
    rows = cohort(tmp_path)
    for row, patient in zip(rows, ("1", "1", "01", "01", "2", "2", "3", "3", "4", "4", "5", "5"), strict=True):
        row["patient_id"] = patient
    prepare(tmp_path, rows)
    assert "patients 01, 1 differ only in leading zeros" in capsys.readouterr().err


@pytest.mark.parametrize("names", [("7", "7.0"), ("P-7", "P\u20107"), ("7", "\u0667"), ("P07a", "P7a")])
def test_ids_that_may_be_one_are_grouped(names):
    assert leading_zero_groups([*names, "8", "P-8", "P7b", "7.1", "70"]) == [list(names)]


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\tb", "x" * 300])
def test_ids_that_can_not_be_shown_are_refused(tmp_path, name):
    rows = cohort(tmp_path)
    rows[0]["recording_id"] = name
    refused(tmp_path, rows, "line 2, column recording_id: (holds the control character|has 300 characters)")


def test_labels_that_differ_in_case_or_blanks_are_one_class_and_it_is_said(tmp_path, capsys):
    rows = cohort(tmp_path)
    rows[0] |= {"label": "", "labels": "labels.csv"}
    write_csv(
        tmp_path / "labels.csv",
        [
            {"start_s": 0, "end_s": 0.1, "label": "Head"},
            {"start_s": 0.1, "end_s": 0.2, "label": "HEAD "},
            {"start_s": 0.2, "end_s": 0.3, "label": "head"},
        ],
    )
    data = prepare(tmp_path, rows)
    assert data.classes == ("abdomen", "head")
    assert {int(e["label"]) for e in frames_of(data)["p0_head"]} == {1}
    said = capsys.readouterr().err
    assert "'Head' (1 times) is taken for 'head'" in said and "'HEAD' (1 times) is taken for 'head'" in said


def test_given_classes_decide_the_spelling(tmp_path):
    assert prepare(tmp_path, cohort(tmp_path), classes=("Head", "ABDOMEN")).classes == ("Head", "ABDOMEN")


TOOLS = {
    "cvat.xml": (
        '<?xml version="1.0"?>\n<annotations><version>1.1</version></annotations>',
        r"is an annotation file of CVAT \(XML\): .*start_s",
    ),
    "cvat.json": ('[{"version":0,"tags":[{"frame":0,"label":"head"}],"shapes":[]}]', "is CVAT JSON: .*start_s"),
    "studio.json": ('[{"id":1,"annotations":[{"result":[{"type":"timelinelabels"}]}]}]', "is Label Studio JSON"),
    "elan.eaf": ("<?xml version='1.0'?><ANNOTATION_DOCUMENT/>", r"is an annotation file of ELAN \(EAF\): .*start_s"),
    "labelme.json": ('{"version":"5.0","flags":{},"shapes":[],"imagePath":"0001.png"}', "is LabelMe JSON"),
    "coco.json": ('{"images":[],"annotations":[],"categories":[]}', "is COCO JSON"),
    "boris.csv": ("Observation id,Media file,Behavior,Start (s)\n1,a,head,0\n", "is a BORIS export"),
    "via.csv": ("# Exported using VGG Image Annotator\n# CSV_HEADER = metadata_id,x\n", "is a VIA export"),
    "page.html": ("<!DOCTYPE html><html></html>", "is HTML"),
    "hms.csv": ("start_s,end_s,label\n00:00:00.0,00:00:00.4,head\n", "line 2, column start_s: .*write seconds"),
    "frames.csv": ("start_frame,end_frame,label\n0,10,head\n", "column start_s is missing.*start_frame / "),
    "utf16.csv": ("start_s,end_s,label\n0,1,head\n".encode("utf-16"), "is no UTF-8 text"),
    "workbook.csv": (b"PK\x03\x04" + b"\0" * 30 + b"xl/workbook.xml", "is an Excel workbook"),
}


@pytest.mark.parametrize("name", TOOLS)
def test_exports_of_annotation_tools_are_named_with_the_cure(tmp_path, name):
    content, words = TOOLS[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=words) as caught:
        read_intervals(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_milliseconds_are_suspected(tmp_path):
    rows = cohort(tmp_path)
    rows[0] |= {"label": "", "labels": "labels.csv"}
    write_csv(tmp_path / "labels.csv", [{"start_s": 0, "end_s": 300, "label": "head"}])
    refused(tmp_path, rows, "line 2, column end_s: 300 s is outside .*milliseconds", file="labels.csv")


def test_transitions_and_unlabelled_recordings_are_two_choices(tmp_path):
    rows = cohort(tmp_path)
    rows[0] |= {"label": "", "labels": "labels.csv"}
    rows[2]["label"] = ""
    write_csv(tmp_path / "labels.csv", [{"start_s": 0, "end_s": 0.1, "label": "head"}])
    data = prepare(tmp_path, rows, unlabelled=True)
    assert len(frames_of(data)["p0_head"]) == 3 and len(frames_of(data)["p1_head"]) == 8
    rows[2]["label"] = "head"
    data = prepare(tmp_path, rows, transitions=True, overwrite=True)
    assert [int(e["label"]) for e in frames_of(data)["p0_head"]].count(-1) == 5
    assert [int(e["label"]) for e in frames_of(data)["p1_head"]].count(-1) == 0


def everything(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_private_leaves_with_a_data_set(tmp_path):
    folder = tmp_path / "hospital-share"
    folder.mkdir()
    rows = cohort(folder)
    frames = np.stack([numbered_frame(k, shift=88) for k in range(8)])
    private = {"PatientName": "Doe^Jane", "PatientID": "4711-X", "InstitutionName": "Saint Elsewhere"}
    write_dicom(folder / "scan.dcm", frames, FrameTime=40.0, **private)
    rows[0] |= {"video": "scan.dcm", "scanner": "Voluson E6"}
    data = prepare(folder, rows)
    found = everything(data.path)
    words = [word.encode() for word in (*private.values(), "hospital-share")]
    assert found_in(data.path, [*words, *private_words(folder)]) == []
    assert b"Voluson E6" in found and sum(data.scanners(s).get("Voluson E6", 0) for s in ("train", "val", "test")) == 8


def test_pseudonyms_replace_every_id_and_change_nothing_else(tmp_path):
    rows = cohort(tmp_path)
    for row in rows:
        row["recording_id"] = "REC-" + row["recording_id"]
        row["patient_id"] = "MRN-" + row["patient_id"]
    open_ids = prepare(tmp_path, rows)
    frames = sum(open_ids.info["splits"][s]["frames"] for s in ("train", "val", "test"))
    hidden = prepare(tmp_path, rows, overwrite=True, pseudonymise=tmp_path / "map.json")
    found = everything(hidden.path)
    assert b"REC-" not in found and b"MRN-" not in found and b"manifest" not in found
    kept = json.loads((tmp_path / "map.json").read_text())
    assert set(kept["patients"]) == {f"MRN-p{k}" for k in range(6)} and len(kept["recordings"]) == 12
    assert sum(hidden.info["splits"][s]["frames"] for s in ("train", "val", "test")) == frames
    assert {kept["patients"][p] for p in open_ids.info["splits"]["test"]["frames_per_patient"]} == set(
        hidden.info["splits"]["test"]["frames_per_patient"]
    )


def manifest_with(folder, **changes):
    numbered_video(folder / "a.mkv", 4)
    row = {"recording_id": "a", "patient_id": "p", "video": "a.mkv", "label": "head", **changes}
    return write_csv(folder / "manifest.csv", [row])


@pytest.mark.parametrize(
    "changes",
    [
        {"video": "x" * 300},
        {"video": "/".join("d" * 200 for _ in range(30))},
        {"labels": "x" * 300, "label": ""},
        {"video": "fifo"},
        {"gaze": "fifo"},
        {"labels": "fifo", "label": ""},
        {"video": "folder"},
        {"fps": "1e-300"},
        {"fps": "5e-324"},
        {"fps": "1e300"},
        {"screen_width_px": "1e308", "screen_height_px": "1e308"},
        {"screen_width_px": "1e18", "screen_height_px": "1e18"},
        {"crop_px": "0,0," + "9" * 400 + ",5"},
        {"crop_px": "\uff10,0,5,5"},
    ],
    ids=lambda changes: "-".join(f"{k}={v[:12]}" for k, v in changes.items()),
)
def test_hostile_rows_end_at_once_in_one_line(tmp_path, capsys, changes):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "1.png")
    path = manifest_with(tmp_path, **changes)

    def command(argv):
        prepare_recordings(
            RecordingsConfig(manifest=path, out=tmp_path / "out", frame_size=SIZE, val_fraction=0, test_fraction=0)
        )

    assert run_command(command, []) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert "manifest.csv" in said or changes == {"video": "folder"}  # there the video itself is at fault
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", [b"\0", b"recording_id,patient_id,video,label\na,p\0,a.mkv,head\n", b"a," * 100_000 + b"b\n1\n"]
)
def test_hostile_tables_end_at_once_in_one_line(tmp_path, content):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.csv: .*(NUL byte|200,000|100,001 columns)"):
        prepare_recordings(RecordingsConfig(manifest=tmp_path / "manifest.csv", out=tmp_path / "out"))


@pytest.mark.parametrize("out", ["x" * 300, "a\0b"])
def test_an_output_that_can_not_be_is_one_line(tmp_path, capsys, out):
    import prepare as command

    words = ["recordings", str(manifest_with(tmp_path)), "--out", str(tmp_path / out), "--val-fraction", "0"]
    assert run_command(command.main, [*words, "--test-fraction", "0"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ("too long" in said or "NUL" in said)
