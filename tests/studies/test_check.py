"""Before anything is trained: what can't be trained is refused, and files are written where something has changed."""

import os
import shutil
from pathlib import Path

import pytest

import models
from common.errors import InputError
from models import registry
from studies.check import check, current_rows, records
from studies.commands import absence, row_command
from studies.declare import choose, read_study
from studies.files import prepare_record, training_inputs
from study import main as study_command
from tests.evaluation.small import make_dataset
from tests.studies.small import change, current, finish


def times(folder):
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*.json")}


def test_files_are_written_only_where_they_change(config, study):
    check(study, choose(study))
    names = {f"tiny/{row.name}/evaluation.json" for row in study.rows()}
    names |= {f"tiny/{name}/settings.json" for name in ("big", "small", "sparse")} | {"data/tiny.json"}
    before = times(study.runs)
    assert set(before) == names
    check(study, choose(study))
    assert times(study.runs) == before
    study = change(config, "{sparsity: [0.5]}", "{sparsity: [0.8]}")
    check(study, choose(study))
    after = times(study.runs)
    assert {name for name in names if after[name] != before[name]} == {"tiny/sparse/settings.json"}


def test_a_preset_and_other_data_change_what_depends_on_them(config, tmp_path):
    (tmp_path / "preset.yaml").write_text("distil: {batch_size: 16}\n")
    study = change(config, "{path: data}", "{path: data, config: preset.yaml}")
    check(study, choose(study))
    before = times(study.runs)
    (tmp_path / "preset.yaml").write_text("distil: {batch_size: 8}\n")
    check(study, choose(study))
    after = times(study.runs)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"tiny/big/settings.json", "tiny/small/settings.json"}
    os.unlink(tmp_path / "data")
    make_dataset(tmp_path / "data", label=1)
    check(study, choose(study))
    assert {name for name, time in times(study.runs).items() if time != after[name]} == {"data/tiny.json"}


def test_a_result_counts_as_long_as_all_that_it_is_of_stays(finished, config, shelf):
    names = ["big", "small", "sparse", "same", "both"]
    assert current(finished) == names
    assert current(change(config, "{sparsity: [0.5]}", "{sparsity: [0.8]}")) == ["big", "small", "same"]
    study = change(config, "{sparsity: [0.8]}", "{sparsity: [0.5]}")
    assert current(study) == names
    shutil.copy(shelf / "model0.tflite", study.artefacts(study.tables["tiny"].rows["small"])[0])
    assert current(study) == ["big"]  # what was made from it does not count either
    study = change(config, "model: SqueezeNet again,", "model: SqueezeNet again, gaze: none,")
    shutil.copy(shelf / "model1.tflite", study.artefacts(study.tables["tiny"].rows["small"])[0])
    assert current(study) == ["big", "small", "sparse", "both"]
    shutil.copytree("data", "copy")
    make_dataset("other", label=1)
    os.unlink("data")
    os.rename("other", "data")
    assert current(study) == []
    os.rename("data", "other")
    os.rename("copy", "data")
    finish(study, shelf, only=["same"])
    assert current(study) == names


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("distil.epochs: 3", "distil.eras: 3", "distil.eras"),
        ("distil.epochs: 3", "student: mobilenet_v9", "mobilenet_v9"),
        ("distil.epochs: 3", "loss.alpha: 2", "alpha"),
        ("{width: 0.2}", "{width: -1}", "width"),
        ("compress: prune", "compress: prnue", "'prnue' is none of"),
        ("{sparsity: [0.5]}", "{sparsity: [1.5]}", "sparsity"),
        ('"{big}"', "no/such.keras", "teacher-path: no/such.keras is not there"),
    ],
)
def test_what_can_not_be_trained_is_refused(config, monkeypatch, capsys, old, new, reason):
    monkeypatch.setattr(models, "outline", registry.outline)
    change(config, "[teacher], teacher: vgg16", "[teacher], teacher: sononet_16")  # 16×24 frames are enough for it
    study = change(config, old, new)
    with pytest.raises(InputError, match="1 rows are refused, so nothing is trained") as error:
        check(study, choose(study))
    assert reason in str(error.value) and not study.runs.exists()


def test_a_missing_variable_or_data_set_makes_a_row_absent(config, monkeypatch, capsys):
    monkeypatch.delenv("SOME_WEIGHTS", raising=False)
    study = change(config, "teacher: vgg16}", 'teacher: vgg16, pretrained: "${SOME_WEIGHTS}/x.npz"}')
    assert absence(study, study.tables["tiny"].rows["big"]) == "the environment variable SOME_WEIGHTS is not set"
    check(study, choose(study))
    assert capsys.readouterr().err.count("note: absent:") == 5 and not study.runs.exists()
    study = change(config, ', pretrained: "${SOME_WEIGHTS}/x.npz"}', "}")
    study = change(config, "datasets:\n", "datasets:\n  gone: {path: no/such/folder}\n")
    study = change(config, "same: {", "same: {test: gone, ")
    assert [row.name for row in study.rows() if absence(study, row)] == ["same"]


def test_a_row_whose_variable_is_not_set_has_no_result_and_says_so(config, monkeypatch):
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    study = read_study(config)
    row = study.tables["tiny"].rows["big"]
    named = row.model_copy(update={"train": {**row.train, "pretrained": "${NOT_SET_HERE}/weights.npz"}})
    with pytest.raises(InputError, match="the environment variable NOT_SET_HERE is not set"):
        records(study, named)


def test_data_that_can_be_made_are_no_reason(config, tmp_path):
    study = change(config, "{path: data}", "{path: new, prepare: [phantom, --frame-size, 48, 64]}")
    assert not any(absence(study, row) for row in study.rows())
    check(study, choose(study))
    assert not (study.runs / "data").exists()  # the workflow makes it first


def test_rows_and_all_that_they_are_made_from(study):
    assert [row.name for row in choose(study, only=["tiny/sparse"])] == ["big", "small", "sparse"]
    for tables, only, message in ((["x"], None, "table x"), (None, ["vgg19"], "row vgg19")):
        with pytest.raises(InputError, match=f"{message}: the study has no such one"):
            choose(study, tables, only)


def test_seeds_are_read_from_the_file_alone(config):
    study = read_study(config, "elsewhere")
    assert str(study.runs) == "elsewhere"


def test_a_row_of_another_table_is_made_first_and_counts(config, shelf):
    """One teacher for all seeds of another table: its students are trained after it, and do not outlive it."""
    more = """  seeds:
    data: tiny
    baseline: taught.s0
    seeds: [0, 1]
    rows:
      taught: {model: student, artefact: student/student.tflite, train: {stages: [student], teacher-path: "{tiny/big}"}}
"""
    config.write_text(config.read_text() + more)
    study = read_study(config)
    assert [row.key for row in choose(study, ["seeds"])] == ["tiny/big", "seeds/taught.s0", "seeds/taught.s1"]
    taught, big = study.tables["seeds"].rows["taught.s1"], study.tables["tiny"].rows["big"]
    assert str(study.artefacts(big)[0]) in row_command(study, taught).line
    assert study.folder(big) / "trained.txt" in training_inputs(study, taught)
    finish(study, shelf, only=["taught"])
    names = [row.name for row in current_rows(study, study.tables["seeds"])]
    assert study_command(["store", "--config", str(config), "--data", "seeds", "--out", "stored"]) == 0
    assert [folder.name for folder in Path("stored").iterdir()] == ["seeds"]
    assert names == ["taught.s0", "taught.s1"] and not any("files" in text for text in records(study, taught).values())
    study = change(config, "teacher: vgg16", "teacher: vgg16, teach.epochs: 2")
    assert current_rows(study, study.tables["seeds"]) == []
    with pytest.raises(InputError, match="names the row 'tiny/bug', which is not declared"):
        change(config, "tiny/big", "tiny/bug")


def test_a_file_that_no_row_makes_counts_by_its_content(config, tmp_path):
    """A teacher of another study that was trained again left the rows that it taught as they were."""
    before = {row.key: records(read_study(config), row) for row in read_study(config).rows()}
    (tmp_path / "other.keras").write_bytes(b"a teacher")
    study = change(config, 'teacher-path: "{big}"', "teacher-path: other.keras")
    check(study, choose(study))
    times_before, first = times(study.runs), records(study, study.tables["tiny"].rows["small"])
    assert all(before[row.key] == records(study, row) for row in study.rows() if row.name != "small")
    (tmp_path / "other.keras").write_bytes(b"trained again")
    assert records(study, study.tables["tiny"].rows["small"]) != first
    check(study, choose(study))
    assert {name for name, time in times(study.runs).items() if time != times_before[name]} == {
        "tiny/small/settings.json"
    }
    # One that a row makes stands for itself in trained.txt.
    study = change(config, "teacher-path: other.keras", 'teacher-path: "{big}"')
    (big,) = study.artefacts(study.tables["tiny"].rows["big"])
    big.parent.mkdir(parents=True)
    big.write_bytes(b"made")
    assert all(before[row.key] == records(study, row) for row in study.rows())


def test_a_data_set_that_was_made_by_other_words_is_refused(config):
    """The study's file was edited, and the data set stayed as it was."""
    study = change(config, "{path: data}", "{path: data, prepare: [phantom, --seed, 1]}")
    check(study, choose(study))  # nobody knows who made it
    prepare_record(study, "tiny").write_text("python prepare.py phantom --seed 1 --out data\n")
    check(study, choose(study))
    study = change(config, "--seed, 1]", "--seed, 2]")
    with pytest.raises(
        InputError, match=r"datasets\.tiny\.prepare: data was made by other arguments .*--seed 1.*: delete it"
    ):
        check(study, choose(study))
    os.unlink("data")
    check(study, choose(study))
    assert not prepare_record(study, "tiny").exists()
