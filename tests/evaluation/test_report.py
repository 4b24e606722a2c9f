"""The report has the agreed shape, its numbers hang together, and it is written whole."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from common.console import console
from common.errors import InputError
from data.dataset import UNLABELLED
from data.pipeline import evaluation_batches
from evaluation.complexity import netscore
from evaluation.compression import compare, compression_row, ratio_text, registered_params, teacher_of
from evaluation.config import EvaluateConfig
from evaluation.report import evaluate, run_evaluation, write_predictions, write_report
from evaluation.table import print_table, scaled, short_name
from tests.evaluation.small import (
    CLASSES,
    SIZE,
    artefact_paths,
    make_dataset,
    make_student,
    make_teacher,
    save_keras,
)

AGREED = {
    "path", "kind", "n_frames", "n_patients", "accuracy", "accuracy_ci95", "macro_f1", "per_class",
    "confusion", "params", "macs", "bytes", "compression",
    "latency_ms", "memory_bytes", "netscore",
}  # fmt: skip


def test_shape(evaluation):
    report = json.loads(json.dumps(evaluation.report, allow_nan=False))
    assert {"dataset", "artefacts"} <= set(report)
    for row in report["artefacts"]:
        assert set(row) >= AGREED
        assert set(row["per_class"]) == set(CLASSES)
        wanted = {"precision", "recall", "f1", "support", "precision_ci95", "recall_ci95"}
        assert all(set(one) == wanted for one in row["per_class"].values())
        assert row["per_scanner"] == {}  # nobody said of what scanner the frames are
        assert np.shape(row["confusion"]) == (3, 3)
        assert set(row["latency_ms"]) >= {"median", "p95"}
        low, high = row["accuracy_ci95"]
        assert 0 <= low <= row["accuracy"] <= high <= 1
        assert (row["n_frames"], row["n_unlabelled"], row["n_patients"]) == (24, 8, 4)
    assert [row["kind"] for row in report["artefacts"]] == [
        "keras",
        "keras",
        "saved_model",
        "tflite",
        "tflite",
    ]
    assert [row["gaze"] for row in report["artefacts"]] == ["real", None, None, None, None]


def test_numbers_hang_together(evaluation, run_folder):
    teacher, student, saved_model, tflite, _ = evaluation.report["artefacts"]
    for row in (saved_model, tflite):
        assert row["confusion"] == student["confusion"]
    # 3×3 kernels, 8 filters, on 2×3 positions; then 48 → 3.
    assert student["macs"] == 9 * 8 * 6 + 48 * 3
    assert student["params"] == 9 * 8 + 8 + 48 * 3 + 3
    assert (saved_model["params"], saved_model["macs"]) == (1234, 5678)
    assert (tflite["params"], tflite["macs"], tflite["netscore"]) == (None, None, None)
    expected = netscore(100 * student["accuracy"], student["params"] / 1e6, student["macs"] / 1e9)
    assert student["netscore"] == pytest.approx(expected)
    assert tflite["bytes"] == (run_folder / "student" / "student.tflite").stat().st_size
    assert "accuracy_minus_first" not in teacher
    assert student["accuracy_minus_first"]["difference"] == pytest.approx(student["accuracy"] - teacher["accuracy"])


def test_saliency_has_baselines_and_the_models_that_show_maps(evaluation):
    saliency = evaluation.report["saliency"]
    assert saliency["n_frames"] == 24
    assert [(row["map"], row["name"].split("/")[-1]) for row in saliency["rows"]] == [
        ("gaze head", "gaze_map.keras"),
        ("attention", "teacher.keras"),
        ("attention", "student.keras"),
        ("static prior", "static prior"),
        ("head × prior", "gaze_map.keras × static prior"),
        ("uniform", "uniform"),
    ]
    by_map = {row["map"]: row for row in saliency["rows"]}
    # Every frame of this data set was looked at in the same two places.
    assert by_map["static prior"]["cc"] == pytest.approx(1)
    for name in ("static prior", "uniform"):
        assert by_map[name]["sauc"] == pytest.approx(0.5, abs=1e-12)
    # Two samples a frame, far apart, are no fixation, and the report says what was counted instead.
    assert saliency["fixations"]["rule"] == "samples" and "I-DT" in saliency["fixations"]["reason"]


def test_artefacts_of_different_sigmas_see_maps_of_their_own(run_folder, dataset, tmp_path):
    """Each is fed, and compared with, gaze maps of the sigma that it was trained with."""
    narrow = run_folder / "teacher" / "teacher.keras"
    wide = save_keras(tmp_path / "teacher.keras", make_teacher(), stage="teacher", sigma=0.2)
    both = run_evaluation(EvaluateConfig([narrow, wide], dataset.path, latency=False, saliency=True))
    alone = run_evaluation(EvaluateConfig([wide], dataset.path, latency=False, saliency=True))
    pd.testing.assert_frame_equal(both.tables[1], alone.tables[0])
    # The same weights: only the maps that they are given differ.
    columns = [f"p_{name}" for name in CLASSES]
    assert np.abs(both.tables[0][columns] - both.tables[1][columns]).to_numpy().max() > 1e-4
    rows = both.report["saliency"]["rows"]
    assert [row["sigma"] for row in both.report["artefacts"]] == [0.03, 0.2]
    assert [(row["map"], row["sigma"]) for row in rows if row["map"] != "gaze head" and "×" not in row["map"]] == [
        (name, sigma) for sigma in (0.03, 0.2) for name in ("attention", "static prior", "uniform")
    ]
    wide_rows = [{**row, "name": row["name"].rpartition("/")[2]} for row in rows if row["sigma"] == 0.2]
    assert wide_rows == [{**row, "name": row["name"].rpartition("/")[2]} for row in alone.report["saliency"]["rows"]]


def test_compression_is_to_the_own_teacher_and_to_a_conventional_model(evaluation, run_folder):
    report = evaluation.report
    teacher, student, *_ = report["artefacts"]
    params = registered_params("sononet_16", SIZE, len(CLASSES))
    assert report["conventional"] == {"name": "sononet_16", "params": params}
    assert teacher["compression"]["to_teacher"] is None and compare(teacher, report).accuracy_loss_pp is None
    size = (run_folder / "student" / "student.keras").stat().st_size
    assert student["compression"] == {
        "to_teacher": pytest.approx(4 * 227 / size),
        "teacher": {"name": "tiny_teacher", "params": 227},
        "to_conventional": pytest.approx(4 * params / size),
    }
    below = compare(student, report).accuracy_loss_pp
    assert below == pytest.approx(100 * (teacher["accuracy"] - student["accuracy"]))


def test_published_sizes_give_the_published_ratios():
    """VGG-16 with 224×288 frames and four classes has 163.6 M parameters (float32: 654 MB)."""
    params = registered_params("vgg16", (224, 288), 4)
    assert params == pytest.approx(163.6e6, rel=1e-3)
    assert compression_row(654_000, None, params)["to_conventional"] == pytest.approx(1000, rel=0.01)
    assert compression_row(654_000, teacher_of(make_teacher()), params)["to_teacher"] < 0.01
    assert [ratio_text(r) for r in (None, 0.9801, 16.21, 977.4, 1154.3)] == ["", "0.98", "16.2", "977", "1,154"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"artefacts": []}, "no artefact is given"),
        ({"split": "holdout"}, "split must be one of train, val, test, not 'holdout'"),
        ({"gaze": "imagined"}, "gaze must be one of .*, not 'imagined'"),
        ({"fixations": "ivt"}, "fixations must be one of idt, samples, not 'ivt'"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 .*, not 0"),
        ({"draws": 2.5}, "draws must be a whole number"),
        ({"conventional": "vgg61"}, "there is no model 'vgg61'.*vgg16"),
    ],
)
def test_a_configuration_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        EvaluateConfig(**{"artefacts": ["a.keras"], "data": "set", **changes})


def test_the_package_gives_what_a_notebook_needs(run_folder, dataset):
    import evaluation as package

    config = package.EvaluateConfig(run_folder / "student" / "student.keras", dataset.path, latency=False)
    assert [row["kind"] for row in package.evaluate(config)["artefacts"]] == ["keras"]
    assert all(hasattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = package.nothing


def test_markup_in_a_path_is_only_text(evaluation, capsys):
    report = json.loads(json.dumps(evaluation.report))
    report["dataset"]["path"] = "sets/[/bold] [red]x"
    report["artefacts"][0]["path"] = "runs/[/]/[bold]teacher[red].keras"
    print_table(report)
    out = capsys.readouterr().out
    assert "[bold]teacher[red]" in out and "[/bold] [red]x" in out


def test_clips_leave_out_the_frames_that_the_artefacts_rule_flags(run_folder, dataset, monkeypatch):
    """Once they were counted as a stream would answer that has no such rule."""
    config = EvaluateConfig((run_folder / "student" / "student.keras",), dataset.path, latency=False)
    (before,) = evaluate(config)["artefacts"]
    assert before["flagged"] is None and before["clips"]["frames_to_decision"]["never"] == 0
    every = np.ones(dataset.frames("test"), bool)
    monkeypatch.setattr("evaluation.report._flagged", lambda artefacts, data, split: [every] * len(artefacts))
    (after,) = evaluate(config)["artefacts"]
    assert after["flagged"] == 1.0 and after["accuracy"] == before["accuracy"]
    assert after["clips"]["frames_to_decision"]["never"] == after["clips"]["n_clips"]


def test_fixations_without_saliency_are_refused():
    with pytest.raises(InputError, match="fixations samples: is of the agreement with gaze"):
        EvaluateConfig(("student.keras",), "data", fixations="samples")


def test_saliency_without_gaze_is_refused(run_folder, dataset, tmp_path):
    data = make_dataset(tmp_path / "set")
    info = json.loads((data.path / "dataset.json").read_text())
    found = info["splits"]["test"]
    found |= {"gaze_frames": 0, "gaze_frames_per_class": dict.fromkeys(found["gaze_frames_per_class"], 0)}
    (data.path / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="split 'test' has no gaze"):
        evaluate(EvaluateConfig(artefact_paths(run_folder)[:1], data.path, latency=False, saliency=True))


def test_a_model_that_is_right_everywhere(tmp_path, dataset):
    """A perfect model scores 1 with an interval of [1, 1]: trained on the test frames themselves."""
    batches = list(evaluation_batches(dataset, "test").as_numpy_iterator())
    frame = np.concatenate([features["frame"] for features, _, _ in batches])
    label = np.concatenate([labels for _, labels, _ in batches])
    model = make_student()
    hidden = keras.Model(model.input, model.layers[-2].output)(frame).numpy()
    with_bias = np.hstack([hidden, np.ones((len(hidden), 1))])[label >= 0]
    solution = np.linalg.lstsq(with_bias, 100 * np.eye(3)[label[label >= 0]], rcond=None)[0]
    model.get_layer("logits").set_weights([solution[:-1].astype(np.float32), solution[-1].astype(np.float32)])
    path = save_keras(tmp_path / "perfect.keras", model)
    report = evaluate(EvaluateConfig([path], dataset.path, latency=False))
    (row,) = report["artefacts"]
    # VGG-16 can't be built for frames as small as these: what is not known is null.
    assert report["conventional"] == {"name": "vgg16", "params": None}
    assert row["compression"]["to_conventional"] is None
    assert (row["accuracy"], row["macro_f1"], row["accuracy_ci95"]) == (1, 1, [1, 1])
    assert row["votes"] == {"accuracy": 1, "n_groups": 24}


def test_report_is_written_whole_and_read_back(tmp_path, evaluation):
    write_report(tmp_path / "deep" / "metrics.json", evaluation.report)
    assert json.loads((tmp_path / "deep" / "metrics.json").read_text()) == evaluation.report
    with pytest.raises(ValueError, match="JSON"):
        write_report(tmp_path / "bad.json", {"x": float("nan")})
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_predictions_file(tmp_path, evaluation):
    write_predictions(tmp_path / "p.csv", evaluation)
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table.columns[:2]) == ["artefact", "recording_id"]
    assert len(table) == 5 * 32
    accuracy = [
        (part.filter(regex="^p_").to_numpy().argmax(axis=1) == part["label"])[part["label"] >= 0].mean()
        for _, part in table.groupby("artefact", sort=False)
    ]
    assert accuracy == pytest.approx([row["accuracy"] for row in evaluation.report["artefacts"]])


@pytest.mark.parametrize("width", [80, 140])
def test_table_shows_every_artefact(evaluation, capsys, monkeypatch, width):
    monkeypatch.setattr(console, "width", width)
    print_table(evaluation.report)
    out = capsys.readouterr().out
    for name in ("teacher.keras", "student.keras", "saved_model", "student.tflite", "student_int8.tflite"):
        assert name in out
    assert "simulated" in out
    for row in evaluation.report["artefacts"]:
        low, high = row["accuracy_ci95"]
        assert f"[{100 * low:.1f}, {100 * high:.1f}]" in out
    # The title holds a path and the legend is prose: both may wrap, figures may not.
    long = [line for line in out.splitlines() if len(line) > width]
    prose = ("patients", "NetScore:", "frames with gaze", "every gaze sample")
    assert [line for line in long if line.strip() and not any(words in line for words in prose)] == []


def test_no_labels_is_refused(run_folder, tmp_path):
    data = make_dataset(tmp_path / "set", label=UNLABELLED)
    with pytest.raises(InputError, match="no frame of split 'test' has a label"):
        evaluate(EvaluateConfig(artefact_paths(run_folder)[1:2], data.path, latency=False))


def test_one_patient_has_no_interval(run_folder, dataset):
    (row,) = evaluate(EvaluateConfig(artefact_paths(run_folder)[1:2], dataset.path, "val", latency=False))["artefacts"]
    assert row["accuracy_ci95"] is None


def test_everything_is_checked_before_anything_runs(run_folder, tmp_path, monkeypatch):
    data = make_dataset(tmp_path / "large", size=(24, 32))
    monkeypatch.setattr("evaluation.report.predict_split", lambda *_: pytest.fail("ran"))
    with pytest.raises(InputError, match="24×32"):
        evaluate(EvaluateConfig(artefact_paths(run_folder), data.path))


def test_every_metric_is_given_for_each_scanner(run_folder, dataset, monkeypatch):
    from evaluation.predictions import split_rows

    def some_known(data, split):
        rows = split_rows(data, split)
        return rows.assign(scanner=np.where(rows["patient_id"].isin(["p3", "p4"]), "Aloka", "unknown"))

    monkeypatch.setattr("evaluation.predictions.split_rows", some_known)
    config = EvaluateConfig([run_folder / "student" / "student.keras"], dataset.path, latency=False)
    evaluation = run_evaluation(config)
    (row,), (table,) = evaluation.report["artefacts"], evaluation.tables
    assert list(row["per_scanner"]) == ["Aloka", "unknown"]
    assert sum(part["n_frames"] for part in row["per_scanner"].values()) == row["n_frames"]
    mine = table[(table["scanner"] == "Aloka") & (table["label"] >= 0)]
    right = mine[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(1) == mine["label"]
    part = row["per_scanner"]["Aloka"]
    assert (part["accuracy"], part["n_patients"]) == (right.mean(), 2)
    assert {"macro_f1_ci95", "per_class", "ece", "confusion", "votes"} <= set(part)


def test_names_and_sizes():
    assert short_name("a/b/x.keras", ["a/b/x.keras", "a/c/y.keras"]) == "x.keras"
    assert short_name("a/b/x.keras", ["a/b/x.keras", "a/c/x.keras"]) == "b/x.keras"
    units = (" B", " kB", " MB")
    assert [scaled(n, 1000, units) for n in (0, 999, 1000, 1_234_567, 5_000_000_000)] == [
        "0 B", "999 B", "1.00 kB", "1.23 MB", "5000.00 MB",
    ]  # fmt: skip
    assert scaled(None, 1000, units) == "—"
