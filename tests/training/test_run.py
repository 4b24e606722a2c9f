"""A whole run on a tiny data set: what comes out, what is reused, what goes on after a stop."""

import dataclasses
import errno
import json
import random
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import train as command
from common.errors import InputError, run_command
from common.strict_yaml import read_mapping
from evaluation.artefacts import load_keras_model, read_metadata
from models.finite import Diverged
from tests.eager import export_with_graphs
from tests.training import tiny
from training import TrainConfig, summary, train
from training import run as run_module
from training.config import STAGES
from training.flags import parse
from training.heads import HEADS, load_heads
from training.history import History
from training.run_folder import ARTEFACTS
from training.stored_config import settings_of_artefact

ALONE = {"stages": ["student"], "teacher": "none", "distil": {"epochs": 1, "batch_size": 24}}


def table(folder, *stages) -> pd.DataFrame:
    """The history, or that of some stages, without the columns they don't have."""
    history = pd.read_csv(folder / "history.csv")
    part = history[history["stage"].isin(stages)] if stages else history
    return part.dropna(axis=1, how="all").reset_index(drop=True)


def files(folder) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_whole_run_leaves_every_artefact(whole_run):
    folder = whole_run.run
    for name in (
        "metrics.json",
        "summary.md",
        "teacher/teacher.keras",
        "student/student.keras",
        "student/gaze_map.keras",
        "student/heads.npz",
        "student/saved_model/saved_model.pb",
        "student/student.tflite",
        "int8/student_int8.tflite",
        "int8/student_ptq.tflite",
        "int8/saved_model/saved_model.pb",
    ):
        assert (folder / name).is_file(), name
    assert list((folder / "logs" / "student").glob("events.*"))
    assert not list((folder / "checkpoints").iterdir()), "a finished stage leaves no checkpoint"
    report = json.loads((folder / "metrics.json").read_text())
    assert report["dataset"]["n_frames"] == 12
    assert {row["kind"] for row in report["artefacts"]} == {"keras", "saved_model", "tflite"}
    assert read_metadata(folder / "student" / "student.keras").inputs == ("frame",)
    teacher = read_metadata(folder / "teacher" / "teacher.keras")
    assert teacher.inputs == ("frame", "gaze") and teacher.teacher is None
    assert read_metadata(folder / "int8" / "student_int8.tflite").teacher.params == teacher.params


def test_artefacts_know_when_to_answer_and_what_is_unlike_their_training_frames(whole_run):
    found = {name: read_metadata(whole_run.run / name) for names in ARTEFACTS.values() for name in names}
    assert {metadata.decision.frames for metadata in found.values()} == {12}
    (rule,) = {metadata.ood for metadata in found.values()}
    assert rule is not None
    student = found["student/student.keras"].decision
    assert found["student/student.tflite"].decision == found["student/saved_model"].decision == student
    report = json.loads((whole_run.run / "metrics.json").read_text())
    for row in report["artefacts"]:
        (metadata,) = (metadata for name, metadata in found.items() if row["path"].endswith(name))
        assert row["selective"]["threshold"] == metadata.decision.still.threshold
        assert 0 <= row["flagged"] <= 1 and row["clips"]["n_clips"] > 0


def test_the_summary_gives_both_compression_ratios(whole_run):
    report = json.loads((whole_run.run / "metrics.json").read_text())
    text = (whole_run.run / "summary.md").read_text()
    assert "compression ratio to its teacher" in text and "compression ratio to vgg16" in text
    (line,) = (line for line in text.splitlines() if line.startswith("| int8/student_int8.tflite"))
    (row,) = (row for row in report["artefacts"] if row["path"].endswith("student_int8.tflite"))
    params = read_metadata(whole_run.run / "teacher" / "teacher.keras").params
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert [float(cells[n].replace(",", "")) for n in (5, 6)] == [row["latency_ms"]["median"], row["memory_bytes"]]
    assert float(cells[7]) == pytest.approx(4 * params / row["bytes"], rel=0.01)
    assert float(cells[8].replace(",", "")) == pytest.approx(
        4 * report["conventional"]["params"] / row["bytes"], rel=0.01
    )
    assert float(cells[9]) == pytest.approx(100 * (report["artefacts"][0]["accuracy"] - row["accuracy"]), abs=0.06)


def test_the_history_has_the_same_columns_for_student_and_int8(whole_run):
    student, int8 = (set(table(whole_run.run, stage).columns) for stage in ("student", "int8"))
    assert student <= int8 and int8 - student == {"learning_rate"}
    assert {"hard", "soft", "gaze", "attention", "agreement", "accuracy", "regularisation", "val_loss"} <= student
    assert list(table(whole_run.run)["epoch"]) == [1, 2, 1, 2, 1, 2]


def test_the_second_run_reuses_it_and_its_config_is_a_preset(whole_run, capsys):
    before = files(whole_run.run)
    # Of folders elsewhere it holds only the names.
    words = ["--config", str(whole_run.run / "config.yaml"), "--data", str(whole_run.data), "--run", str(whole_run.run)]
    request = parse(words)
    assert request.config == dataclasses.replace(whole_run, sigma=0.03)
    train(request.config)
    assert "teacher: reused" in capsys.readouterr().out
    changed = [path.name for path, when in files(whole_run.run).items() if before.get(path) != when]
    assert set(changed) <= {"config.yaml"}


def test_a_summary_that_never_came_is_written_and_a_changed_report_is_computed_again(whole_run, monkeypatch):
    report, text = (whole_run.run / name for name in ("metrics.json", "summary.md"))
    stored, written = report.read_text(), text.read_text()

    def evaluate(*args, **kwargs):
        computed.append(args)
        return {name: value for name, value in json.loads(stored).items() if name != "of"}

    monkeypatch.setattr(summary, "evaluate", evaluate)
    computed = []
    text.unlink()
    again = dataclasses.replace(whole_run, stages=("teacher",))
    train(again)
    assert text.read_text() == written and not computed, "killed between the two files"
    edited = json.loads(stored)
    edited["artefacts"][0]["accuracy"] = 1.0
    other = json.loads(stored)
    other["of"]["artefacts"][next(iter(other["of"]["artefacts"]))] = "0" * 64
    older = json.loads(stored)
    older["of"]["version"] -= 1
    fitted = json.loads(stored)
    fitted["of"]["metadata"][next(iter(fitted["of"]["metadata"]))] = "0" * 64  # as after evaluate.py --fit
    changed = [json.dumps(each) for each in (edited, other, older, fitted)]
    for count, wrong in enumerate((*changed, "{", "[]"), 1):
        report.write_text(wrong)
        train(again)
        assert len(computed) == count and json.loads(report.read_text()) == json.loads(stored)
    earlier = json.loads(stored)
    del earlier["of"]["metadata"]
    report.write_text(json.dumps(earlier))
    train(again)
    assert len(computed) == count, "a report that does not name the metadata is still one"
    report.write_text(stored)


def test_no_stage_depends_on_what_went_before_or_where_it_was_killed(whole_run, run, monkeypatch, eagerly):
    """Each stage is killed in its second epoch, in a process whose random states are others each time."""
    config = dataclasses.replace(whole_run, run=run, evaluate=False)

    def kill(self, stage, epoch, logs):
        add(self, stage, epoch, logs)
        if epoch == 2 and stage not in killed:
            killed.append(stage)
            raise KeyboardInterrupt

    add, killed = History.add, []
    monkeypatch.setattr(History, "add", kill)
    export_with_graphs(monkeypatch)
    monkeypatch.setattr("quantization.saved_model.export_saved_model", lambda model, path, *_: path.mkdir())
    monkeypatch.setattr("quantization.check.dry_run", lambda *_, **__: [])  # the whole run had it
    for attempt in range(4):
        tf.random.set_seed(attempt)
        np.random.seed(attempt)
        random.seed(attempt)
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
        if attempt < 3:
            with pytest.raises(KeyboardInterrupt):
                train(dataclasses.replace(config, stages=STAGES[: attempt + 1]))
            assert not (run / killed[-1]).exists(), "nothing half-written"
        else:
            train(config)
    assert killed == ["teacher", "student", "int8"]
    for name in ("teacher/teacher.keras", "student/student.keras"):
        weights = [load_keras_model(folder / name).get_weights() for folder in (whole_run.run, run)]
        assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True)), name
    for name in ("student/student.tflite", "int8/student_int8.tflite", "int8/student_ptq.tflite"):
        assert (run / name).read_bytes() == (whole_run.run / name).read_bytes(), name
    pd.testing.assert_frame_equal(table(run), table(whole_run.run), check_exact=True)


def test_another_seed_is_another_teacher(whole_run, run, quick_exports):
    train(dataclasses.replace(whole_run, run=run, seed=4, stages=("teacher",), evaluate=False))
    assert list(table(run, "teacher")["loss"]) != list(table(whole_run.run, "teacher")["loss"])


def test_other_settings_never_mix_with_what_is_there(whole_run):
    before = files(whole_run.run)
    with pytest.raises(InputError, match=r"holds a teacher .* overwrite"):
        train(dataclasses.replace(whole_run, stages=("teacher",), augment={"zoom": 0.2}))
    with pytest.raises(InputError, match="add teacher to stages"):  # what is refused costs nothing
        train(dataclasses.replace(whole_run, stages=("student",), seed=9), overwrite=True)
    assert files(whole_run.run) == before


@pytest.mark.parametrize(
    ("stage", "kept", "other"),
    [("student", "teacher", {"distil": {"epochs": 1}}), ("int8", "student", {"quantize": {"epochs": 1}})],
)
def test_a_stage_goes_on_only_from_what_its_run_began_with(stage, kept, other, whole_run, run_copy, monkeypatch):
    """Another process replaces the teacher, or the student, while this one trains."""
    file = run_copy / kept / f"{kept}.keras.json"
    fields = json.loads(file.read_text())
    load = run_module.load_teachers

    def replaced(*args):
        file.write_text(json.dumps({**fields, "extra": {**fields["extra"], "fingerprint": "other"}}))
        return load(*args)

    monkeypatch.setattr(run_module, "load_teachers", replaced)
    with pytest.raises(InputError, match=f"{kept}: was replaced while this run went on"):
        train(dataclasses.replace(whole_run, run=run_copy, stages=(stage,), **other), overwrite=True)


@pytest.fixture
def run_copy(whole_run, tmp_path):
    """A copy of the whole run, to be changed."""
    return shutil.copytree(whole_run.run, tmp_path / "copy")


def test_each_stage_keeps_the_settings_that_it_was_trained_with(whole_run, run_copy, quick_exports):
    """Once the student of seed 3 lay beside the one config.yaml, of the new teacher's seed 4."""
    train(dataclasses.replace(whole_run, run=run_copy, seed=4, stages=("teacher",), evaluate=False), overwrite=True)
    found = {part: read_mapping(run_copy / part / "config.yaml")["seed"] for part in ("", "teacher", "student", "int8")}
    assert found == {"": 4, "teacher": 4, "student": 3, "int8": 3}
    student = run_copy / "student" / "student.keras"
    assert settings_of_artefact(student)["seed"] == 3
    (run_copy / "student" / "config.yaml").unlink()
    assert settings_of_artefact(student) == {}, "the run's are of its latest command, and may be of another student"


def test_a_teacher_that_was_deleted_is_named(whole_run, run_copy, capsys):
    """Once the student was called unfinished, which it was not."""
    shutil.rmtree(run_copy / "teacher")
    copy = dataclasses.replace(whole_run, run=run_copy, evaluate=False)
    with pytest.raises(InputError, match=r"teacher: is missing, and the student .* is there: leave teacher out of"):
        train(copy)
    train(dataclasses.replace(copy, stages=("student", "int8")))
    assert "int8: reused" in capsys.readouterr().out


def test_an_evaluation_never_outlives_what_it_is_of(whole_run, run_copy, monkeypatch, quick_exports):
    def evaluate(config):
        row = {"accuracy": 0.5, "accuracy_ci95": None, "macro_f1": 0.5, "params": 9, "bytes": 9, "stage": "student"}
        row |= {"latency_ms": {"median": None}, "memory_bytes": None}
        row["compression"] = {"to_teacher": None, "teacher": None, "to_conventional": 4.0}
        rows = [{**row, "path": str(path)} for path in config.artefacts]
        dataset = {"n_frames": 12, "n_patients": 2, "simulated": True}
        return {"dataset": dataset, "conventional": {"name": "vgg16", "params": 9}, "artefacts": rows}

    monkeypatch.setattr(summary, "evaluate", evaluate)
    monkeypatch.setattr(summary, "print_table", lambda report: None)
    other = dataclasses.replace(whole_run, run=run_copy, **ALONE)
    train(other, overwrite=True)
    report = json.loads((run_copy / "metrics.json").read_text())
    assert {row["path"].split("/")[-2] for row in report["artefacts"]} == {"student"}, "int8 is of the student before"
    train(dataclasses.replace(other, loss={"gaze": 0.1}, evaluate=False), overwrite=True)
    assert not (run_copy / "metrics.json").exists() and not (run_copy / "summary.md").exists()


def test_heads_have_names_and_fit_one_loss_alone(whole_run):
    from models.distiller import build_objective

    file = whole_run.run / "student" / HEADS
    with np.load(file) as heads:
        assert {name: heads[name].shape for name in heads.files} == {
            "saliency_head/kernel": (1, 1, 8, 1),
            "saliency_head/bias": (1,),
        }
        kernel = heads["saliency_head/kernel"]
    student = load_keras_model(whole_run.run / "student" / "student.keras")
    objective = build_objective(student, None, whole_run.loss)
    load_heads(objective, file)
    np.testing.assert_array_equal(objective.saliency_head.kernel, kernel)
    gaze_map = whole_run.run / "student" / "gaze_map.keras"
    frames = np.random.default_rng(0).random((5, *tiny.FRAME_SIZE, 1), np.float32)
    features = keras.Model(student.input, student.get_layer("stride8").output)(frames).numpy()
    logits = (features @ kernel[0, 0]).reshape(5, -1)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    maps = load_keras_model(gaze_map)(frames).numpy()
    np.testing.assert_allclose(maps, shares.reshape(5, *tiny.MAP_SIZE), atol=1e-6)
    metadata = read_metadata(gaze_map)
    assert (metadata.stage, metadata.output, metadata.gaze_map_size) == ("gaze_map", "gaze_map", tiny.MAP_SIZE)
    other = build_objective(student, None, dataclasses.replace(whole_run.loss, gaze=0.0))
    with pytest.raises(InputError, match="holds saliency_head/kernel, saliency_head/bias, and this loss has none"):
        load_heads(other, file)


def test_a_loss_that_is_no_number_stops_the_run_with_stage_step_and_part(shapes, run, quick_exports):
    with pytest.raises(Diverged, match=r"student, step .*: .*hard is (nan|inf).*: lower the learning rate or"):
        train(tiny.config(shapes, run, **{**ALONE, "distil": {"learning_rate": 1e30, "warmup_epochs": 0}}))
    with pytest.raises(Diverged, match=r"teacher, step .* is (nan|inf)"):
        train(tiny.config(shapes, run, stages=["teacher"], teach={"learning_rate": 1e30, "warmup_epochs": 0}))
    # The last step's own loss is of the weights before it.
    last = {"learning_rate": 1e30, "warmup_epochs": 0, "epochs": 1, "steps_per_epoch": 1}
    with pytest.raises(Diverged, match=r"student, after epoch 1: .* is (nan|inf)"):
        train(tiny.config(shapes, run, **{**ALONE, "distil": last}))
    assert not (run / "student").exists() and not (run / "teacher").exists()


def test_a_history_that_is_none_is_refused_before_it_is_written_again(run):
    """Once text in a column of numbers ended in a traceback, or was copied on."""
    run.mkdir()
    (run / "history.csv").write_text("stage,epoch,loss\nstudent,1,high\n")
    with pytest.raises(InputError, match=r"history\.csv: column 'loss' holds text .*: move it away"):
        History(run)


def test_a_full_disk_is_one_line_and_the_training_is_kept(shapes, run, monkeypatch, capsys, quick_exports):
    words = ["--config", str(run.parent / "preset.yaml")]
    (run.parent / "preset.yaml").write_text(
        f"data: {shapes}\nrun: {run}\nstages: student\nteacher: none\nstudent: tiny\nevaluate: false\n"
        "gaze: none\ndistil: {epochs: 1, batch_size: 24}\n"
    )

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "no", "student.keras")

    with monkeypatch.context() as patch:
        patch.setattr("training.student.save_keras", full)
        assert run_command(command.main, words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "student.keras: the disk is full" in error
    assert not (run / "student").exists()
    (file,) = (run / "checkpoints").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    assert run_command(command.main, words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and file.name in error and "delete it" in error
    file.write_bytes(whole)
    others = [file.with_name(f"{stage}-0123456789abcdef.npz") for stage in ("student", "pretrain", "pretrain_teacher")]
    for other in others:
        other.write_bytes(b"of other settings")
    assert run_command(command.main, words) == 0
    assert list(file.parent.iterdir()) == others[2:], "what is left is of a stage that is not finished"
    assert (run / "student" / "student.keras").is_file() and (run / "student" / HEADS).is_file()
    assert not (run / "student" / "gaze_map.keras").exists(), "no gaze has trained that head"
    logged = table(run)
    assert len(logged) == 1
    assert logged["gaze"].tolist() == [0.0] and logged["val_gaze"].tolist() == [0.0], "without gaze it is exactly 0"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"data": "no/such/folder"}, "no/such/folder: is not a data set"),
        ({"student_options": {"widht": 0.2}}, "no option 'widht'"),
        ({"teacher_path": "no/such.keras"}, "no/such.keras: there is no such artefact"),
        ({"stages": ["student"]}, "add teacher to stages"),
        ({"stages": ["int8"], "teacher": "none"}, "add student to stages"),
        ({"student_init": "gone.keras"}, "student_init gone.keras: there is no such file"),
        ({"student_init": "imagenet"}, "there are no ImageNet weights for tiny"),
        ({"student_init": "teacher"}, "conv8, and teacher plain has none of that name"),
        ({"teacher": "none", "loss": {"gaze": 0, "hard": 0}}, "every weight is 0"),
        ({"teacher": "none", "gaze": "none", "loss": {"hard": 0}}, "gaze is all that is left to learn from"),
        ({"teacher": "multitask_sonoeyenet", "gaze": "none"}, "learns to predict gaze"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_can_not_work_is_known_before_any_training(settings, named, shapes, run):
    with pytest.raises(InputError) as caught:
        train(dataclasses.replace(tiny.config(shapes, run), **settings))
    assert named in str(caught.value) and "\n" not in str(caught.value)
    assert not run.exists()


def test_a_dry_run_trains_and_writes_nothing(shapes, run, capsys):
    train(TrainConfig(shapes, run, student="tiny", teacher="none"), dry_run=True)
    assert "TF-MOT takes all" in capsys.readouterr().out and not run.exists()
    with pytest.raises(InputError, match="add student to stages"):  # as the training itself
        train(TrainConfig(shapes, run, student="tiny", teacher="none", stages=["int8"]), dry_run=True)
