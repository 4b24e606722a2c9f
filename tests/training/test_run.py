"""A whole run on a tiny data set: what comes out, what is reused, what goes on after a stop."""

import errno
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

import losses.hard
import train
from common.errors import InputError, run_command
from data.dataset import FrameRecord, write_dataset
from evaluation.artefacts import read_metadata
from tests.training.conftest import CLASSES, write_shapes
from training import fitting
from training.history import Diverged


def test_whole_run_leaves_every_artefact_and_the_second_run_reuses_them(whole_run, capsys):
    config, run = whole_run
    for name in (
        "config.yaml",
        "history.csv",
        "metrics.json",
        "summary.md",
        "teacher/teacher.keras",
        "student/student.keras",
        "student/saved_model/saved_model.pb",
        "student/student.tflite",
        "int8/student_int8.tflite",
        "int8/student_ptq.tflite",
        "int8/saved_model/saved_model.pb",
    ):
        assert (run / name).is_file(), name
    assert list((run / "logs" / "student").glob("events.*"))
    assert not list((run / "checkpoints").iterdir()), "a finished stage leaves no checkpoint"
    assert set(pd.read_csv(run / "history.csv")["stage"]) == {"teacher", "student", "int8"}
    assert yaml.safe_load((run / "config.yaml").read_text())["distil"]["epochs"] == 3

    report = json.loads((run / "metrics.json").read_text())
    assert report["dataset"]["n_frames"] == 24
    assert {row["kind"] for row in report["artefacts"]} == {"keras", "saved_model", "tflite"}
    assert read_metadata(run / "student" / "student.keras").inputs == ("frame",)
    assert read_metadata(run / "teacher" / "teacher.keras").inputs == ("frame", "gaze")

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    capsys.readouterr()
    train.main(["--config", str(config), "--evaluate", "true"])
    assert "teacher: reused" in capsys.readouterr().out
    changed = [str(p) for p, when in before.items() if p.stat().st_mtime_ns != when and p.name != "config.yaml"]
    assert not changed


def test_other_settings_never_mix_with_what_is_there(whole_run):
    config, run = whole_run
    before = (run / "config.yaml").read_text()
    with pytest.raises(InputError, match=r"holds a teacher .* overwrite"):
        train.main(["--config", str(config), "--stages", "[teacher]", "--teach.epochs", "1"])
    assert (run / "config.yaml").read_text() == before


def test_a_student_learns_from_a_teacher_given_by_path_and_alone(whole_run, config, tmp_path):
    teacher = whole_run[1] / "teacher" / "teacher.keras"
    other = ["--config", str(config), "--stages", "[student]", "--distil.epochs", "1"]
    train.main([*other, "--run", str(tmp_path / "given"), "--teacher-path", str(teacher)])
    train.main([*other, "--run", str(tmp_path / "alone"), "--teacher", "none"])
    given, alone = _history(tmp_path / "given"), _history(tmp_path / "alone")
    assert {"soft", "gaze", "attention", "agreement"} <= set(given.columns)
    assert "gaze" in alone.columns and not {"soft", "agreement"} & set(alone.columns)


def _history(run) -> pd.DataFrame:
    return pd.read_csv(run / "history.csv")


def _of(history, *stages) -> pd.DataFrame:
    part = history[history["stage"].isin(stages)].dropna(axis=1, how="all")
    return part.reset_index(drop=True)


def test_the_same_seed_gives_the_same_history_and_another_seed_another(whole_run, config, tmp_path):
    flags = ["--config", str(config), "--stages"]
    train.main([*flags, "[teacher, student]", "--run", str(tmp_path / "again")])
    train.main([*flags, "[teacher]", "--run", str(tmp_path / "other"), "--seed", "4"])
    first, again = (_of(_history(run), "teacher", "student") for run in (whole_run[1], tmp_path / "again"))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert _of(first, "teacher")["loss"].tolist() != _of(_history(tmp_path / "other"), "teacher")["loss"].tolist()


def test_a_killed_run_goes_on_where_it_stopped(whole_run, config, tmp_path, monkeypatch):
    flags = ["--config", str(config), "--stages", "[teacher, student]"]

    class Killed(Exception):
        pass

    def kill_after_first_epoch(self, epoch, logs=None):
        original(self, epoch, logs)
        if self._stage == "student" and epoch == 1:
            raise Killed

    original = fitting.Reporter.on_epoch_end
    with monkeypatch.context() as patch:
        patch.setattr(fitting.Reporter, "on_epoch_end", kill_after_first_epoch)
        with pytest.raises(Killed):
            train.main([*flags, "--run", str(tmp_path / "cut")])
    assert not (tmp_path / "cut" / "student").exists(), "nothing half-written"
    train.main([*flags, "--run", str(tmp_path / "cut")])
    whole, cut = (_of(_history(run), "teacher", "student") for run in (whole_run[1], tmp_path / "cut"))
    assert list(whole["epoch"]) == list(cut["epoch"])
    np.testing.assert_allclose(cut["loss"], whole["loss"], rtol=1e-4)


def test_a_loss_that_is_no_number_stops_the_run_with_step_and_part(config, tmp_path, monkeypatch):
    original = losses.hard.hard_label_loss
    monkeypatch.setattr(losses.hard, "hard_label_loss", lambda *given: original(*given) * float("nan"))
    flags = ["--config", str(config), "--stages", "[student]", "--teacher", "none"]
    with pytest.raises(Diverged, match="student, step 1: hard is not a finite number"):
        train.main(flags)
    assert not (tmp_path / "run" / "student").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--student", "squeezenet"], "did you mean squeezenet_1_1"),
        (["--teacher", "vgg17"], "did you mean vgg16"),
        (["--student-options", "{widht: 0.2}"], "no option 'widht'"),
        (["--student-options", "{width: -1}"], "width -1: must be above 0"),
        (["--gaze", "left"], "gaze must be one of"),
        (["--sigma", "0"], "sigma must be above 0"),
        (["--stages", "[pupil]"], "stages must be one of"),
        (["--stages", "[student]"], "add teacher to stages"),
        (["--stages", "[int8]", "--teacher", "none"], "add student to stages"),
        (["--stages", "[]"], "stages must name at least one"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--augment.zoom", "1"], "augment.zoom"),
        (["--distil.learning_rate", ".nan"], "learning_rate must be above 0, not nan"),
        (["--loss.attention_taps", "[stride5]"], "no tap 'stride5'"),
        (["--loss.temperature", "0"], "temperature"),
        (["--teach.epochs", "none"], "teach"),
        (["--data", "no/such/folder"], "no/such/folder: is not a data set"),
        (["--teacher-path", "no/such.keras"], "no/such.keras"),
        (["--epocs", "3"], "--epocs"),
    ],
)
def test_bad_flags_get_one_line_before_any_training(flags, words, config, tmp_path, capsys):
    assert run_command(train.main, ["--config", str(config), *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error
    assert not (tmp_path / "run").exists()


def test_a_teacher_whose_loss_is_no_number_stops_too(config, tmp_path):
    with pytest.raises(Diverged, match=r"teacher, step .*: hard is not a finite number"):
        train.main(["--config", str(config), "--stages", "[teacher]", "--teach.learning_rate", "1e30"])
    assert not (tmp_path / "run" / "teacher").exists()


def test_without_gaze_its_loss_is_exactly_0(config, tmp_path):
    flags = ["--config", str(config), "--stages", "[student]", "--teacher", "none", "--distil.epochs", "1"]
    train.main([*flags, "--gaze", "none"])
    history = _history(tmp_path / "run")
    assert history["gaze"].tolist() == [0.0] and history["val_gaze"].tolist() == [0.0]


def test_a_full_disk_is_one_line_and_the_training_is_kept(config, tmp_path, monkeypatch, capsys):
    flags = ["--config", str(config), "--stages", "[student]", "--teacher", "none", "--distil.epochs", "1"]

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "no", "student.keras")

    with monkeypatch.context() as patch:
        patch.setattr("training.student.save_keras", full)
        assert run_command(train.main, flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "student.keras: the disk is full" in error
    assert not (tmp_path / "run" / "student").exists()
    assert list((tmp_path / "run" / "checkpoints").iterdir()), "the trained weights are still there"
    train.main(flags)
    assert (tmp_path / "run" / "student" / "student.keras").is_file()
    assert len(_history(tmp_path / "run")) == 1


def test_an_evaluation_never_outlives_what_it_is_of(whole_run, tmp_path):
    config, finished = whole_run
    shutil.copytree(finished, tmp_path / "run")
    other = ["--config", str(config), "--run", str(tmp_path / "run"), "--teacher", "none", "--overwrite"]
    train.main([*other, "--stages", "[student]", "--distil.epochs", "1", "--evaluate", "true"])
    report = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {row["stage"] for row in report["artefacts"]} == {"student"}, "int8 belongs to the student before"
    train.main([*other, "--stages", "[student]", "--distil.epochs", "2", "--evaluate", "false"])
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_damaged_checkpoint_is_named(config, tmp_path, monkeypatch, capsys):
    flags = ["--config", str(config), "--stages", "[student]", "--teacher", "none", "--distil.epochs", "1"]
    with monkeypatch.context() as patch:
        patch.setattr("training.student.save_keras", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run_command(train.main, flags) == 130
    (file,) = (tmp_path / "run" / "checkpoints").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    capsys.readouterr()
    assert run_command(train.main, flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and file.name in error and "delete it" in error


def test_refused_flags_cost_nothing_even_with_overwrite(whole_run, tmp_path, capsys):
    config, finished = whole_run
    shutil.copytree(finished, tmp_path / "run")
    flags = ["--config", str(config), "--run", str(tmp_path / "run"), "--stages", "[student]", "--overwrite"]
    assert run_command(train.main, [*flags, "--teach.epochs", "9"]) == 2
    assert (tmp_path / "run" / "student" / "student.keras").is_file()


def test_an_unknown_key_in_a_preset_is_an_error(config, tmp_path, capsys):
    config.write_text(config.read_text() + "studnet: mobilenet_v1\n")
    assert run_command(train.main, ["--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "studnet" in error
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_other_classes_is_refused(whole_run, config, tmp_path):
    write_shapes(tmp_path / "others", classes=("a", "b", "c"))
    teacher = str(whole_run[1] / "teacher" / "teacher.keras")
    with pytest.raises(InputError, match=r"teacher.keras.*ring, disc, bar.*a, b, c"):
        train.main(
            [
                "--config",
                str(config),
                "--data",
                str(tmp_path / "others"),
                "--run",
                str(tmp_path / "other"),
                "--teacher-path",
                teacher,
            ]
        )
    assert not (tmp_path / "other").exists()


def test_a_teacher_of_another_frame_size_is_refused(whole_run, tmp_path):
    source = {"kind": "noise"}
    rng = np.random.default_rng(0)
    with write_dataset(tmp_path / "small", classes=CLASSES, frame_size=(40, 56), source=source, seed=0) as writer:
        for split in ("train", "val"):
            for label in range(3):
                frame = rng.integers(0, 255, (40, 56)).astype(np.uint8)
                writer.add(split, FrameRecord(frame, label, f"{split}{label}", f"{split}{label}", 0, 0.0))
    flags = ["--config", str(whole_run[0]), "--data", str(tmp_path / "small"), "--run", str(tmp_path / "other")]
    with pytest.raises(InputError, match=r"teacher.keras: takes frames of \(48, 64\).*\(40, 56\)"):
        train.main([*flags, "--teacher-path", str(whole_run[1] / "teacher" / "teacher.keras")])
    assert not (tmp_path / "other").exists()


def test_dry_run_trains_nothing(config, tmp_path, capsys):
    train.main(["--config", str(config), "--dry-run"])
    assert "TF-MOT takes all" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
