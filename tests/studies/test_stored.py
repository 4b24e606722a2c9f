"""Predictions that stay with the code, and the tables that are made of them alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common.errors import InputError
from studies.declare import read_study
from studies.evidence import arm_table, left_over, paragraphs
from studies.evidence_figure import draw
from studies.page import write_blocks
from studies.stored import read_stored, store_table
from studies.table import read_predictions
from tests.studies.small import finish, outline_large, write_config

RESULTS = Path(__file__).resolve().parents[2] / "studies" / "results"
FEW = """
runs: runs
latency: false
datasets:
  tiny: {path: data}
tables:
  few:
    title: Few labels
    data: tiny
    seeds: [0, 1]
    baseline: alone.s0
    claims: [[taught, alone], [taught, never]]
    rows:
      big: {model: teacher, artefact: teacher/teacher.keras, train: {stages: [teacher], labelled-patients: 2}}
      alone: {model: alone, artefact: student/student.tflite,
              train: {stages: [student], teacher: none, labelled-patients: 2}}
      taught: {model: taught, artefact: student/student.tflite,
               train: {stages: [student], teacher-path: ["{big}"], labelled-patients: 2}}
      never: {model: never run, artefact: student/student.tflite, train: {stages: [student], teacher: none}}
"""


@pytest.fixture(scope="module")
def stored_once(tmp_path_factory, tiny, shelf):
    """A folder in which all but one arm has run and is stored."""
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as monkeypatch:
        study = read_study(write_config(folder, tiny, monkeypatch, FEW))
        outline_large(monkeypatch)
        finish(study, shelf, only=["big", "alone", "taught"])
        assert len(store_table(study, study.tables["few"], folder / "few")) == 6
    return folder


@pytest.fixture
def stored(tmp_path, stored_once, monkeypatch, outlined):
    shutil.copytree(stored_once, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return read_study("study.yaml"), read_stored(tmp_path / "few")


def test_every_number_follows_from_the_tables_alone(stored):
    study, found = stored
    for name, training in found.index["trainings"].items():
        probabilities = pd.read_csv(found.folder / f"{name}.csv.bz2").to_numpy()
        frames = pd.read_csv(found.folder / "frames.csv.bz2")
        right = (probabilities.argmax(axis=1) == frames["label"])[frames["label"] >= 0]
        assert right.mean() == pytest.approx(training["accuracy"])
        predictions = read_predictions(study, study.tables["few"].rows[name])
        np.testing.assert_allclose(probabilities, predictions.filter(like="p_"), atol=5.1e-3)
        assert training["command"].startswith("python train.py --data data")
    np.testing.assert_allclose(
        found.counts("alone").accuracies(), [found.index["trainings"][f"alone.s{seed}"]["accuracy"] for seed in (0, 1)]
    )


def test_storing_again_gives_the_same_bytes_and_other_test_frames_are_refused(stored, tmp_path):
    study, found = stored
    before = {path.name: path.read_bytes() for path in found.folder.iterdir()}
    store_table(study, study.tables["few"], found.folder)
    assert before == {path.name: path.read_bytes() for path in found.folder.iterdir()}
    frames = found.frames.assign(label=0)
    frames.to_csv(found.folder / "frames.csv.bz2", index=False)
    with pytest.raises(InputError, match="holds other test frames"):
        store_table(study, study.tables["few"], found.folder)


def test_a_tie_after_rounding_is_no_other_answer(stored):
    """Two classes that agree in two decimals, and two that agree in seven: the table gives the same accuracy."""
    study, found = stored
    folder = study.folder(study.tables["few"].rows["alone.s0"])
    predictions, result = pd.read_csv(folder / "predictions.csv"), json.loads((folder / "result.json").read_text())
    columns = [f"p_{name}" for name in found.index["classes"]]
    probabilities = np.full((len(predictions), len(columns)), 0.1)
    probabilities[:, :2] = [[0.30001, 0.30004] if row % 2 else [0.300000001, 0.300000004] for row in predictions.index]
    predictions[columns] = probabilities
    predictions.to_csv(folder / "predictions.csv", index=False)
    labelled = predictions["label"] >= 0
    result["artefacts"][-1]["accuracy"] = float((predictions["label"] == 1)[labelled].mean())
    (folder / "result.json").write_text(json.dumps(result))
    store_table(study, study.tables["few"], found.folder)
    again = read_stored(found.folder)
    assert again.counts("alone").accuracies()[0] == again.index["trainings"]["alone.s0"]["accuracy"] > 0


def test_an_arm_is_one_recipe(stored):
    study, found = stored
    index = json.loads((found.folder / "study.json").read_text())
    index["trainings"]["alone.s1"]["command"] += " --distil.epochs 3"
    (found.folder / "study.json").write_text(json.dumps(index))
    store_table(study, study.tables["few"], found.folder)  # both are here, and stored again
    assert "epochs" not in (found.folder / "study.json").read_text()
    before = {path.name: path.read_bytes() for path in found.folder.iterdir()}
    (study.folder(study.tables["few"].rows["alone.s1"]) / "evaluated.txt").unlink()
    store_table(study, study.tables["few"], found.folder)  # the other seed stays, of the same recipe
    assert before == {path.name: path.read_bytes() for path in found.folder.iterdir()}
    (found.folder / "study.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"alone\.s1 was trained by another command than alone\.s0"):
        store_table(study, study.tables["few"], found.folder)


def test_a_training_keeps_its_minutes_when_its_command_is_started_again(stored):
    study, found = stored
    time = study.folder(study.tables["few"].rows["alone.s0"]) / "time.tsv"
    minutes = []
    for seconds in (120, 6):
        time.write_text(f"s\tcpu_time\n{seconds}\t1\n")
        store_table(study, study.tables["few"], found.folder)
        minutes.append(read_stored(found.folder).index["trainings"]["alone.s0"]["minutes"])
    assert minutes == [2.0, 2.0]


def test_the_page_says_what_has_run_and_what_has_not(stored, tmp_path):
    _, found = stored
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- results: few -->\n<!-- end of results -->\n\nafter\n")
    for _ in range(2):  # written twice it stands there once
        write_blocks(page, {"few": paragraphs(found)})
        text = page.read_text()
        assert text.startswith("before\n") and text.endswith("\nafter\n") and text.count("never (seeds 0, 1)") == 1
    rows = [line.split("|") for line in arm_table(found).splitlines()[2:]]
    assert [(row[1].strip(), row[2].strip()) for row in rows] == [
        ("teacher", "2"), ("alone", "2"), ("taught", "2"), ("never run", "0"),
    ]  # fmt: skip
    first, second = paragraphs(found)[1].splitlines()[2:]
    assert "| taught | alone | 2 | +0.0 |" in first and "not run" in second
    assert left_over(found) == "2 of 8 planned trainings have not run: never (seeds 0, 1)."
    found.index["planned"].remove("never.s1")
    assert left_over(found) == "1 of 7 planned trainings have not run: never (seed 0)."
    with pytest.raises(InputError, match="has no line <!-- results: few -->"):
        (tmp_path / "empty.md").write_text("")
        write_blocks(tmp_path / "empty.md", {"few": paragraphs(found)})


def test_the_figure_is_drawn_of_what_has_run(stored, tmp_path):
    draw(tmp_path / "figure.png", [stored[1]])
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    for name in ("one.svg", "two.svg"):
        draw(tmp_path / name, [stored[1]])
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text() and "never run" not in text and ">taught" in text
    with pytest.raises(InputError, match="is no name of a picture"):
        draw(tmp_path / "figure.txt", [stored[1]])


def test_real_images_are_not_called_simulated_and_one_budget_makes_no_line(tmp_path):
    """Of the committed results: two tables of the same real images, one with a tenth of the labels, one with all."""
    draw(tmp_path / "real.svg", [read_stored(RESULTS / name) for name in ("simulated_gaze_10", "students")])
    text = (tmp_path / "real.svg").read_text()
    assert "accuracy, real images, official test" in text
    assert "simulated patients" not in text and "labelled patients" not in text


def test_an_arm_of_one_budget_has_no_line_among_those_of_several(tmp_path):
    """Of arms that 16 labelled patients alone have, the figure shows the line of their interval, and no other mark."""
    draw(tmp_path / "both.svg", [read_stored(RESULTS / name) for name in ("patients_8", "patients_16")])
    text = (tmp_path / "both.svg").read_text()
    assert "labelled patients" in text
    assert [text.count(f"({arm}) ") for arm in "af"] == [3, 3] and [text.count(f"({arm}) ") for arm in "bc"] == [1, 1]


def test_an_arm_far_below_all_others_does_not_squeeze_them(tmp_path):
    """It stands at the edge with its number; the others keep the width of their own."""
    stored = read_stored(RESULTS / "patients_16")
    mean = stored.counts("gaze_alone").accuracies().mean()
    draw(tmp_path / "far.svg", [stored])
    assert f">← {mean:.3f}<" in (tmp_path / "far.svg").read_text()
    assert ">16 of 156 training patients labelled,<" in (tmp_path / "far.svg").read_text(), (
        "a label wider than its axes would be cut at the edge"
    )
    draw(tmp_path / "near.svg", [read_stored(RESULTS / "patients_156")])
    assert "←" not in (tmp_path / "near.svg").read_text()


def test_results_that_are_not_there_are_refused(stored, tmp_path):
    with pytest.raises(InputError, match="holds no stored results"):
        read_stored(tmp_path / "nowhere")
    (stored[1].folder / "alone.s1.csv.bz2").unlink()
    with pytest.raises(InputError, match=r"alone.s1.csv.bz2: is missing"):
        stored[1].counts("alone")
    changed = pd.read_csv(file := stored[1].folder / "alone.s0.csv.bz2")
    changed.iloc[:, ::-1].set_axis(changed.columns, axis=1).to_csv(file, index=False)
    with pytest.raises(InputError, match=r"alone.s0.csv.bz2: has an accuracy of .*, and study.json .*: store the"):
        stored[1].probabilities("alone", 0)


def test_a_share_of_a_gain_is_a_sentence_once_its_arms_have_run(stored):
    _, found = stored
    found.index["shares"] = [["big", "alone", "taught"], ["taught", "alone", "never"]]
    assert not any(part.startswith("Of what") for part in paragraphs(found)), "all three are right in the same frames"
    right = np.eye(len(found.index["classes"]))[found.frames["label"]]
    for seed in (0, 1):
        pd.DataFrame(right).to_csv(found.folder / f"big.s{seed}.csv.bz2", index=False)
        found.index["trainings"][f"big.s{seed}"]["accuracy"] = 1
    sentences = [part for part in paragraphs(found) if part.startswith("Of what")]
    assert len(sentences) == 1 and sentences[0].startswith("Of what teacher gains over taught, alone loses 100 %")
    for seed in (0, 1):
        pd.DataFrame(np.roll(right, 1, axis=1)).to_csv(found.folder / f"alone.s{seed}.csv.bz2", index=False)
        found.index["trainings"][f"alone.s{seed}"]["accuracy"] = 0
    (sentence,) = [part for part in paragraphs(found) if part.startswith("Of what")]
    assert "alone loses all, as it is less accurate than the latter:" in sentence


def test_what_is_described_has_no_p(stored):
    _, found = stored
    found.index["described"] = [["big", "alone"], ["big", "never"]]
    place = paragraphs(found).index("Described, not claimed:")
    table = paragraphs(found)[place + 1]
    assert "| teacher | alone | 2 | +0.0 |" in table and "never" not in table and " p " not in table


def test_single_trainings_are_stored_with_the_seed_of_the_study(tmp_path, tiny, shelf, monkeypatch, outlined):
    lines = [line for line in FEW.splitlines() if "seeds:" not in line and "claims:" not in line]
    text = "\n".join(lines).replace("alone.s0", "alone").replace("runs: runs", "runs: runs\nseed: 1")
    study = read_study(write_config(tmp_path, tiny, monkeypatch, text))
    with pytest.raises(InputError, match="no row has a result to be stored"):
        store_table(study, study.tables["few"], tmp_path / "few")
    assert not (tmp_path / "few").exists()
    finish(study, shelf, only=["alone"])
    assert store_table(study, study.tables["few"], tmp_path / "few") == ["alone.s1"]
    found = read_stored(tmp_path / "few")
    table, left = paragraphs(found)
    assert "| alone, labels alone | 1 | " in table and "(one training)" in table and "teacher" not in table
    assert "All 1 " in left
