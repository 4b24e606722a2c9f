"""An ensemble is the mean of its members' probabilities, and costs what they cost together."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import evaluate
from common.errors import InputError, run_command
from evaluation.classification import labelled
from evaluation.config import EvaluateConfig
from evaluation.ensemble import ensemble_cost, ensemble_table, require_members
from evaluation.report import run_evaluation, write_predictions
from evaluation.table import print_table
from tests.evaluation.small import CLASSES, make_dataset, make_student, save_keras, save_tflite

COLUMNS = [f"p_{name}" for name in CLASSES]


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    paths = [save_keras(folder / f"student{seed}.keras", make_student(seed)) for seed in (3, 4)]
    return [*paths, save_tflite(folder / "student5.tflite", make_student(5))]


@pytest.fixture(scope="module")
def evaluation(members, dataset):
    return run_evaluation(EvaluateConfig(members, dataset.path, latency=False, ensemble=True))


def test_it_is_the_mean_of_its_members(evaluation):
    *tables, together = evaluation.tables
    expected = np.mean([table[COLUMNS].to_numpy() for table in tables], axis=0)
    np.testing.assert_allclose(together[COLUMNS].to_numpy(), expected, atol=1e-12)
    frames = labelled(together)
    right = frames[COLUMNS].to_numpy().argmax(axis=1) == frames["label"]
    row = evaluation.report["artefacts"][-1]
    assert (row["kind"], row["accuracy"]) == ("ensemble", pytest.approx(right.mean()))
    assert row["accuracy_minus_first"]["difference"] == pytest.approx(
        row["accuracy"] - evaluation.report["artefacts"][0]["accuracy"]
    )


def test_order_does_not_matter_and_one_model_thrice_is_itself(evaluation):
    *tables, together = evaluation.tables
    pd.testing.assert_frame_equal(ensemble_table(tables[::-1]), together)
    pd.testing.assert_frame_equal(ensemble_table([tables[0]] * 3), tables[0])


def test_it_costs_what_its_members_cost(evaluation):
    *rows, together = evaluation.report["artefacts"]
    assert together["bytes"] == sum(row["bytes"] for row in rows)
    assert together["members"] == [row["path"] for row in rows]
    # The .tflite file's metadata holds no count: the sum is not known either, rather than too small.
    assert (together["params"], together["netscore"]) == (None, None)
    one = {"params": 2, "macs": 3, "bytes": 5, "memory_bytes": 7, "latency_ms": {"median": 0.5, "p95": 1.0}}
    three = {"params": 6, "macs": 9, "bytes": 15, "memory_bytes": 21, "latency_ms": {"median": 1.5, "p95": 3.0}}
    assert ensemble_cost([one] * 3) == three
    assert ensemble_cost([one, {**one, "memory_bytes": None}])["memory_bytes"] is None


def test_tables_about_other_frames_are_refused(evaluation):
    table = evaluation.tables[0]
    with pytest.raises(ValueError, match="same frames"):
        ensemble_table([table, table.iloc[::-1]])
    with pytest.raises(ValueError, match="same frames"):
        ensemble_table([table, table.iloc[1:]])
    with pytest.raises(ValueError, match="columns"):
        ensemble_table([table, table.rename(columns={"p_head": "p_foot"})])


def test_no_ensemble(members):
    with pytest.raises(InputError, match="two or more"):
        require_members(members[:1])
    with pytest.raises(InputError, match="named twice"):
        require_members([members[0], f"{members[0].parent}/./{members[0].name}"])


def test_shown_and_written(evaluation, tmp_path, capsys):
    print_table(evaluation.report)
    assert "ensemble" in capsys.readouterr().out
    write_predictions(tmp_path / "p.csv", evaluation)
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["artefact"].nunique() == 4 and (table["artefact"] == "ensemble").sum() == 32


def test_the_command(members, dataset, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("evaluation.plots.FORMATS", ("png",))
    monkeypatch.setattr("evaluation.plots.Figure", lambda **_: Figure())  # places of axes and words are not looked at
    words = [*map(str, members), "--data", str(dataset.path), "--latency", "false", "--ensemble"]
    assert run_command(evaluate.main, [*words, "--json", str(tmp_path / "m.json"), "--plots", str(tmp_path / "p")]) == 0
    assert json.loads((tmp_path / "m.json").read_text())["artefacts"][-1]["kind"] == "ensemble"
    assert (tmp_path / "p" / "confusion.png").is_file()
    capfd.readouterr()
    other = save_keras(tmp_path / "other.keras", make_student(classes=("a", "b")), classes=("a", "b"))
    assert run_command(evaluate.main, [str(other), *words]) == 2
    assert "its classes are a, b" in capfd.readouterr().err
    large = make_dataset(tmp_path / "large", size=(24, 32)).path
    assert run_command(evaluate.main, [*map(str, members), "--data", str(large), "--ensemble"]) == 2
    assert "takes frames of 16×24" in capfd.readouterr().err
    assert run_command(evaluate.main, [str(members[0]), *words[3:]]) == 2
    assert "two or more" in capfd.readouterr().err
