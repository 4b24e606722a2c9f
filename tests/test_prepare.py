"""`prepare.py` as a user meets it: what it prints, its exit code, one line for what is wrong."""

import json

import pytest

import prepare
from common.errors import InputError, run_command
from data.dataset import open_dataset
from phantom import PhantomConfig
from tests.data import tiny_dataset
from tests.data.clips import numbered_video, write_csv, write_gaze
from tests.data.planes import write_planes
from tests.phantom.simulated import two_looks


def run(*words) -> int:
    return run_command(prepare.main, [str(word) for word in words])


def manifest(folder, **changes):
    """Six patients with one head and one abdomen clip each; `changes` go into the first row."""
    rows = []
    for patient in range(6):
        for plane in ("head", "abdomen"):
            video = numbered_video(folder / f"{patient}{plane}.mkv", 6, shift=2 * patient + (plane == "head"))
            rows.append(
                {"recording_id": f"{patient}{plane}", "patient_id": patient, "video": video.name, "label": plane}
                | dict.fromkeys(("labels", "gaze", "gaze_offset_s", "split"), "")
            )
    rows[0] |= changes
    return write_csv(folder / "manifest.csv", rows)


def test_recordings_end_with_what_was_kept_and_refused(tmp_path, capsys):
    write_gaze(tmp_path / "gaze.csv", 1.0)
    path = manifest(tmp_path, gaze="gaze.csv")
    assert run("recordings", path, "--out", tmp_path / "out", "--frame-size", 48, 64, "--fps", 5) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("train", "abdomen", "refused", "gaze"))
    assert open_dataset(tmp_path / "out").frame_size == (48, 64)


def test_the_phantom_of_the_command_is_that_of_the_library(tmp_path, monkeypatch):
    """Once the command made frames of 224×288 pixels, and `PhantomConfig()`, as docs/phantom.md shows it, 112×144."""
    asked = []

    def prepare_phantom(out, config, overwrite):
        asked.append(config)
        raise InputError("not simulated")

    monkeypatch.setattr("phantom.prepare_phantom", prepare_phantom)
    assert run("phantom", "--out", tmp_path / "out") == 2
    assert run("phantom", "--out", tmp_path / "out", "--patients", 9, "--clip-s", 2, "--frame-size", 48, 64) == 2
    assert asked == [PhantomConfig(), PhantomConfig(patients=9, clip_s=2.0, frame_size=(48, 64))]
    assert asked[0].frame_size == (224, 288)


def test_fetal_planes_and_phantom_take_their_flags(tmp_path, capsys, eagerly):
    planes = write_planes(tmp_path / "db")
    classes = ("--classes", "head=Fetal brain", "rest=*")
    assert run("fetal-planes", planes, "--out", tmp_path / "planes", "--frame-size", 32, 48, *classes) == 0
    assert open_dataset(tmp_path / "planes").classes == ("head", "rest")
    phantom = ("--patients", 8, "--seed", 1, "--fps", 1, "--clip-s", 3, "--frame-size", 48, 64, "--rivals", 0)
    assert run("phantom", "--out", tmp_path / "phantom", *phantom) == 0
    data = open_dataset(tmp_path / "phantom")
    assert data.info["source"]["simulated"] is True and data.gaze_frames("train") > 0
    assert (tmp_path / "phantom" / "recordings" / "manifest.csv").is_file()
    printed = " ".join(capsys.readouterr().out.split())
    assert "gaze map alone" in printed and "clinical evidence" in printed
    assert data.info["card"]["settings"]["seed"] == 1
    assert data.info["source"]["rivals"] == data.info["card"]["settings"]["difficulty_numbers"]["rivals"] == 0


def test_merge_takes_two_data_sets(tmp_path, capsys):
    source = {"kind": "phantom", "simulated": True, "checksum": "1"}
    main = tiny_dataset.write(tmp_path / "main", tiny_dataset.splits(gaze=False))
    extra = tiny_dataset.write(tmp_path / "extra", {"train": tiny_dataset.records(3, seed=9)}, source=source)
    words = ("merge", main.path, extra.path, "--out", tmp_path / "out")
    assert run(*words, "--labels", "withhold") == 0
    data = open_dataset(tmp_path / "out")
    assert (data.labelled_frames("train"), data.frames("train")) == (main.frames("train"), main.frames("train") + 15)
    assert "partly simulated" in capsys.readouterr().out
    assert run(*words) == 2 and "overwrite" in capsys.readouterr().err
    assert run(*words, "--labels", "keep", "--overwrite") == 0


def test_a_preview_alone(tmp_path, capsys):
    words = ("phantom", "--preview", tmp_path / "look", "--frame-size", 48, 64, "--difficulty", "easy")
    with two_looks():
        assert run(*words) == 0
    assert "planes.jpg" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["look"]
    assert {path.name for path in (tmp_path / "look").iterdir()} == {"planes.jpg", "head.gif", "femur.gif"}
    assert run(*words) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_preview_alone_refuses_the_settings_of_a_data_set(tmp_path, capsys):
    assert run("phantom", "--preview", tmp_path / "look", "--patients", 5) == 2
    assert "--patients 5: a preview alone has no use for it" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_gaze_in_json(tmp_path, capsys):
    write_gaze(tmp_path / "gaze.csv", 2.0)
    assert run("gaze", tmp_path / "gaze.csv", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["format"] == "Tobii Pro SDK stream" and found["rows"] == found["samples_with_gaze"] > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"video": "gone.mkv"}, "gone.mkv"),
        ({"label": ""}, "label"),
        ({"recording_id": "1head"}, "1head"),
        ({"gaze_offset_s": "soon"}, "soon"),
        ({"gaze_offset_s": "nan"}, "nan"),
        ({"split": "exam"}, "exam"),
        ({"gaze": "manifest.csv"}, "format"),
    ],
)
def test_a_bad_row_is_one_line_with_file_row_and_column(tmp_path, capsys, changes, words):
    path = manifest(tmp_path, **changes)
    assert run("recordings", path, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and words in error and "manifest.csv" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("recordings", "MANIFEST", "--out", "OUT", "--framesize", "48", "64"),
        ("recordings", "MANIFEST", "--out", "OUT", "--fps", "fast"),
        ("recordings", "MANIFEST"),
        ("recordings", "MANIFEST", "--out", "OUT", "--val-fraction", "0.7", "--test-fraction", "0.5"),
        ("phantom", "--out", "OUT", "--difficulty", "brutal"),
        ("phantom", "--out", "OUT", "--patients", "2"),
        ("phantom", "--patients", "8"),
        ("phantom", "--out", "OUT", "--reference", "FOLDER"),
        ("phantom", "--preview", "OUT", "--reference", "FOLDER"),
        ("fetal-planes", "FOLDER", "--out", "OUT"),
        ("merge", "FOLDER", "FOLDER", "--out", "OUT"),
        ("merge", "FOLDER", "--out", "OUT"),
        ("recordings", "MANIFEST", "--out", "OUT", "--leave-out-scanner", "A", "--test-fraction", "0.3"),
        ("check", "MANIFEST", "--clips", "5"),
        ("check", "MANIFEST", "--overwrite"),
        ("check", "MANIFEST", "--overlay", "OUT", "--clips", "-1"),
        ("check", "MANIFEST", "--fan", "OUT", "--clips", "5"),
        ("gaze", "MANIFEST"),
        ("gaze", "missing.tsv"),
        ("import", "MANIFEST"),
        (),
    ],
)
def test_a_wrong_command_line_is_one_line(tmp_path, capsys, words):
    names = {"MANIFEST": manifest(tmp_path), "OUT": tmp_path / "out", "FOLDER": tmp_path}
    assert run(*[names.get(word, word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_debug_shows_where_it_went_wrong(tmp_path, capsys):
    assert run("recordings", tmp_path / "none.csv", "--out", tmp_path / "out", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err
