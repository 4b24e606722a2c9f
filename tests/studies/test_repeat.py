"""Rows that stand for one training a seed, and rows that are tested on another data set."""

import pytest

from common.errors import InputError
from studies.commands import evaluate_command, row_command
from studies.declare import choose, of_seed, read_study, split_name
from tests.studies.small import write_config

FEW = """
runs: runs
datasets:
  tiny: {path: data}
  fresh: {path: fresh}
tables:
  few:
    data: tiny
    test: fresh
    train: {labelled-patients: 2, distil.epochs: 3}
    seeds: [1, 0]
    baseline: big.s1
    rows:
      big: {model: VGG-16, artefact: teacher/teacher.keras, train: {stages: [teacher], teacher: vgg16}}
      small: {model: SqueezeNet, artefact: student/student.tflite,
              train: {stages: [student], teacher-path: ["{big}"]}}
      own: {model: SqueezeNet, artefact: student/student.tflite, test: tiny,
            train: {stages: [student], teacher: none, distil.epochs: 4}}
      pruned: {model: sparse, artefact: sparse.tflite, compress: prune, source: "{small:student/student.tflite}"}
      both: {model: together, ensemble: [small, own]}
"""


@pytest.fixture
def few(tmp_path, tiny, monkeypatch):
    return read_study(write_config(tmp_path, tiny, monkeypatch, FEW))


def test_each_row_stands_for_one_training_a_seed_and_names_those_of_its_own_seed(few):
    names, rows = ["big", "small", "own", "pruned", "both"], few.tables["few"].rows
    assert list(few.tables["few"].rows) == [of_seed(name, seed) for seed in (1, 0) for name in names]
    for seed in (0, 1):
        row = rows[f"small.s{seed}"]
        words = row_command(few, row).words
        assert words[words.index("--seed") + 1] == str(seed)
        assert words[words.index("--teacher-path") + 1] == f"[runs/few/big.s{seed}/run/teacher/teacher.keras]"
        words = row_command(few, rows[f"pruned.s{seed}"]).words
        assert words[1] == f"runs/few/small.s{seed}/run/student/student.tflite"
        assert words[words.index("--seed") + 1] == str(seed)
        assert rows[f"both.s{seed}"].parts() == (f"small.s{seed}", f"own.s{seed}")
        for name, epochs in (("small", "3"), ("own", "4")):  # the table's flags, unless the row has its own
            words = row_command(few, rows[f"{name}.s{seed}"]).words
            assert words[words.index("--labelled-patients") + 1] == "2"
            assert words[words.index("--distil.epochs") + 1] == epochs
        assert row.test == "fresh" and rows[f"own.s{seed}"].test == "tiny"


def test_a_row_is_evaluated_on_the_data_set_that_its_table_names_for_the_test(few):
    for name, path in (("small.s0", "fresh"), ("own.s0", "data")):
        words = evaluate_command(few, few.tables["few"].rows[name]).words
        assert words[words.index("--data") + 1] == path


def test_a_declared_name_stands_for_all_of_its_seeds(few):
    assert [row.name for row in choose(few, only=["small"])] == ["big.s1", "small.s1", "big.s0", "small.s0"]
    assert [row.name for row in choose(few, only=["own.s0"])] == ["own.s0"]


def test_names_are_split_into_row_and_seed():
    assert split_name(of_seed("whole.x", 12)) == ("whole.x", 12) and of_seed("whole", None) == "whole"


@pytest.mark.parametrize(
    ("seeds", "named"), [("[1, 1]", "names a seed twice"), ("[-1]", "seeds.0: .* found -1"), ("3", "seeds: .* list")]
)
def test_seeds_that_can_not_be_are_refused(tmp_path, tiny, monkeypatch, seeds, named):
    path = write_config(tmp_path, tiny, monkeypatch, FEW.replace("[1, 0]", seeds))
    with pytest.raises(InputError, match=named):
        read_study(path)
