import re

import numpy as np
import pytest

from common.errors import InputError
from data.sources.labels import class_names, frame_labels, read_intervals
from data.sources.manifest import fixed_splits, read_manifest
from tests.data.clips import write_csv

HEADER = "recording_id,patient_id,video,label"


@pytest.fixture
def folder(tmp_path):
    for name in ("a.mkv", "b.mkv", "c.mkv", "labels.csv", "gaze.tsv"):
        (tmp_path / name).write_bytes(b"only its presence is checked here")
    return tmp_path


def row(name="a", **changes):
    return {
        "recording_id": name,
        "patient_id": f"p{name}",
        "video": f"{name}.mkv",
        "label": "head",
        **changes,
    }


def refused(folder, rows, words):
    write_csv(folder / "m.csv", rows)
    with pytest.raises(InputError, match=words) as caught:
        read_manifest(folder / "m.csv")
    assert str(folder / "m.csv") in str(caught.value) and "\n" not in str(caught.value)


def test_every_column_arrives(folder):
    write_csv(
        folder / "m.csv",
        [
            {
                "recording_id": "a",
                "patient_id": "p1",
                "video": "a.mkv",
                "label": "",
                "labels": "labels.csv",
                "gaze": "gaze.tsv",
                "gaze_offset_s": "-3.25",
                "screen_width_px": "1920",
                "screen_height_px": "1080",
                "image_box_px": "10,20.5,1008,784",
                "crop_px": " 0, 1 ,60,40",
                "split": "val",
                "fps": "",
            },
            {"recording_id": "b", "patient_id": "p2", "video": "b.mkv", "label": "head"},
        ],
    )
    first, second = read_manifest(folder / "m.csv")
    assert (first.recording_id, first.patient_id, first.split) == ("a", "p1", "val")
    assert (first.video, first.labels, first.gaze) == tuple(folder / n for n in ("a.mkv", "labels.csv", "gaze.tsv"))
    assert (first.label, first.gaze_offset_s, first.fps) == (None, -3.25, None)
    assert (first.screen_px, first.image_box_px) == ((1920, 1080), (10, 20.5, 1008, 784))
    assert first.crop_px == (0, 1, 60, 40)
    assert (second.label, second.labels, second.gaze, second.gaze_offset_s) == ("head", None, None, None)
    assert (second.screen_px, second.image_box_px, second.crop_px, second.split) == (None,) * 4
    assert fixed_splits([first, second]) == {"p1": "val"}


def test_a_byte_order_mark_blank_lines_and_crlf_do_no_harm(folder):
    text = f"{HEADER}\r\n\r\na,p1,a.mkv,head\r\n,,,\r\nb,p2,b.mkv,head\r\n"
    (folder / "m.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert [(r.recording_id, r.row.line) for r in read_manifest(folder / "m.csv")] == [("a", 3), ("b", 5)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (HEADER.encode(), "no row"),
        (b"recording_id,video,label\na,a.mkv,head\n", "column patient_id is missing"),
        (
            b"recording_id;patient_id;video;label\na;p;a.mkv;head\n",
            "m.csv: its header is the one column .* separate the columns by commas$",
        ),
        (f"{HEADER},gase\na,p,a.mkv,head,x\n".encode(), r"unknown column 'gase' \(did you mean 'gaze'\?\)"),
        (f"{HEADER},label\na,p,a.mkv,head,head\n".encode(), "column 'label' comes twice"),
        (
            f"{HEADER},crop_px\na,p,a.mkv,head,0,0,4,4\n".encode(),
            "line 2 has 8 cells, the header has 5.*quotes",
        ),
        (f"{HEADER}\na,p,a.mkv,h\xe9ad\n".encode("latin-1"), "no UTF-8"),
        (f'{HEADER}\na,p,"a.mkv,head\n'.encode(), "line 2: can.t be read"),
    ],
)
def test_a_bad_table_is_refused(folder, content, words):
    (folder / "m.csv").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_manifest(folder / "m.csv")
    assert str(folder / "m.csv") in str(caught.value)


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv: there is no such file \(the recording manifest\)"):
        read_manifest(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recording_id": ""}, "line 3, column recording_id: is empty"),
        ({"patient_id": ""}, "line 3, column patient_id: is empty"),
        ({"video": ""}, "line 3, column video: is empty"),
        ({"recording_id": "a"}, "line 3, column recording_id: 'a' was in line 2 too"),
        ({"video": "gone.mkv"}, r"line 3, column video: there is no .*gone\.mkv"),
        ({"video": "a.mkv"}, r"line 3, column video: .*a\.mkv is of patient pb, in line 2 of patient pa"),
        ({"gaze": "gone.tsv"}, "line 3, column gaze: there is no"),
        ({"gaze": "."}, "line 3, column gaze: .* is a folder"),
        ({"label": "", "labels": "gone.csv"}, "line 3, column labels: there is no"),
        ({"label": ""}, "line 3, column label: neither"),
        ({"labels": "labels.csv"}, "line 3, column label: 'head' is given and labels too"),
        ({"split": "tset"}, r"line 3, column split: 'tset' is no split \(did you mean 'test'\?\)"),
        (
            {"split": "val", "patient_id": "pa"},
            "line 3, column split: 'val', but patient pa is in 'train' in line 2",
        ),
        ({"gaze_offset_s": "nan"}, "line 3, column gaze_offset_s: 'nan' is no finite number"),
        ({"gaze_offset_s": "soon"}, "line 3, column gaze_offset_s: 'soon' is no number"),
        ({"gaze_offset_s": "1,5"}, "line 3, column gaze_offset_s: '1,5' is no number.*decimal point"),
        ({"screen_width_px": "1920"}, "line 3, column screen_height_px: is empty while"),
        ({"screen_width_px": "0", "screen_height_px": "1080"}, "line 3, column screen_width_px: 0"),
        ({"screen_width_px": "19.5", "screen_height_px": "1080"}, "line 3, column screen_width_px: 19.5"),
        ({"fps": "-1"}, "line 3, column fps: -1 is not above 0"),
        ({"crop_px": "1,2,3"}, "line 3, column crop_px: '1,2,3' is no box"),
        ({"crop_px": "-1,0,5,5"}, "line 3, column crop_px: '-1,0,5,5' is no box"),
        ({"crop_px": "0,0,nan,5"}, "line 3, column crop_px: '0,0,nan,5' is no box"),
        ({"crop_px": "0,0,0,5"}, "line 3, column crop_px: '0,0,0,5' has no area"),
        ({"crop_px": "0,0,5.5,5"}, "line 3, column crop_px: '0,0,5.5,5' has parts of pixels"),
        (
            {"image_box_px": "1000,0,1000,500", "screen_width_px": "1920", "screen_height_px": "1080"},
            "line 3, column image_box_px: the box 1000,0,1000,500 is partly outside the screen of 1920x1080",
        ),
    ],
)
def test_a_bad_row_is_refused(folder, changes, words):
    refused(folder, [row("a", split="train"), row("b", **changes)], words)


def test_a_name_that_only_looks_the_same_is_named(folder):
    (folder / "Mu\u0308ller.mkv").write_bytes(b"letters with their accents apart")
    refused(folder, [row("b", video="M\u00fcller.mkv")], "there is no .*; a file there has a name that looks the same")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, True), ({"gaze_offset_s": "7"}, False), ({"gaze_recording": "second"}, False), ({"video": "a.mkv"}, False)],
)
def test_looks_that_go_with_two_videos_give_a_notice(folder, capsys, changes, said):
    shared = {"patient_id": "p", "gaze": "gaze.tsv", "gaze_offset_s": "2"}
    write_csv(folder / "m.csv", [row("a", **shared), row("b", **{**shared, **changes})])
    assert len(read_manifest(folder / "m.csv")) == 2
    words = r"line 3, column gaze: .*gaze\.tsv from the same moment on goes with another video in line 2"
    assert bool(re.search(words, capsys.readouterr().err.replace("\n", " "))) == said


def test_a_box_may_fill_its_screen(folder):
    box = {"image_box_px": "0,0,1920,1080", "screen_width_px": "1920", "screen_height_px": "1080"}
    write_csv(folder / "m.csv", [row("a", **box)])
    assert read_manifest(folder / "m.csv")[0].image_box_px == (0, 0, 1920, 1080)


def test_unlabelled_rows_need_a_flag(folder):
    refused(folder, [row("a", label="")], "neither label nor labels")
    assert read_manifest(folder / "m.csv", unlabelled=True)[0].label is None


def test_a_row_is_named_by_the_line_it_starts_on(folder):
    (folder / "m.csv").write_text(f'{HEADER}\n"a\n",p,a.mkv,head\nb,p,gone.mkv,head\n')
    with pytest.raises(InputError, match="line 4, column video"):
        read_manifest(folder / "m.csv")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("0,1,head\n0.5,2,abdomen", "line 3, column start_s: 0.5 lies in 0 to 1 s, line 2"),
        ("1,1,head", "line 2, column end_s: 1 is not after start_s 1"),
        ("2,1,head", "line 2, column end_s: 1 is not after start_s 2"),
        ("0,nan,head", "line 2, column end_s: 'nan' is no finite number"),
        ("zero,1,head", "line 2, column start_s: 'zero' is no number"),
        (",1,head", "line 2, column start_s: is empty"),
        ("0,1,", "line 2, column label: is empty"),
    ],
)
def test_bad_intervals_are_refused(tmp_path, lines, words):
    (tmp_path / "l.csv").write_text(f"start_s,end_s,label\n{lines}\n")
    with pytest.raises(InputError, match=words) as caught:
        read_intervals(tmp_path / "l.csv")
    assert str(tmp_path / "l.csv") in str(caught.value)


def test_frame_labels_agree_with_a_search_interval_by_interval(folder):
    (folder / "labels.csv").write_text("start_s,end_s,label\n2,3,b\n0.5,1,a\n3,3.5,a\n")
    intervals = read_intervals(folder / "labels.csv")
    write_csv(folder / "m.csv", [row("a", label="", labels="labels.csv")])
    (recording,) = read_manifest(folder / "m.csv")
    times_s = [k / 8 for k in range(40)]
    brute = [next((i.label for i in intervals if i.start_s <= t < i.end_s), None) for t in times_s]
    assert frame_labels(recording, intervals, times_s) == brute
    assert {None, "a", "b"} == set(brute)


@pytest.mark.parametrize(("fps", "clock"), [(25, 1 / 12800), (30, 1 / 15360), (30, 1e-3)])
def test_borders_of_three_decimals_are_those_of_frames(folder, fps, clock):
    """Ten frames of each label, written as docs/data-video says: start = frame / fps, end = (last + 1) / fps."""
    rows = [f"{k / fps:.3f},{(k + 10) / fps:.3f},{'ab'[k // 10 % 2]}\n" for k in range(10, 90, 10)]
    (folder / "labels.csv").write_text("start_s,end_s,label\n" + "".join(rows))
    write_csv(folder / "m.csv", [row("a", label="", labels="labels.csv")])
    (recording,) = read_manifest(folder / "m.csv")
    times_s = np.rint(np.arange(100) / fps / clock) * clock
    labels = frame_labels(recording, read_intervals(folder / "labels.csv"), times_s)
    assert labels == [None] * 10 + (["b"] * 10 + ["a"] * 10) * 4 + [None] * 10


def test_classes_come_in_canonical_order():
    assert class_names(["other", "head", "background", "femur", "abdomen", "head"]) == [
        "abdomen",
        "femur",
        "head",
        "background",
        "other",
    ]
