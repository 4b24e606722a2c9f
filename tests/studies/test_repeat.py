"""Rows that stand for one training a seed, and rows that are tested on another data set."""

import pytest

from common.errors import InputError
from studies.commands import row_command
from studies.declare import read_study
from studies.plan import choose, make_plan
from studies.records import Checksums, data_checksum, read_result
from studies.repeat import of_seed, repeat_rows, split_name
from studies.run import run_plan
from tests.evaluation.conftest import make_dataset

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
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(tiny.path)
    (tmp_path / "few.yaml").write_text(FEW)
    return read_study("few.yaml")


def test_each_row_stands_for_one_training_a_seed_and_names_those_of_its_own_seed(few):
    names = ["big", "small", "own", "pruned", "both"]
    assert list(few.tables["few"].rows) == [of_seed(name, seed) for seed in (1, 0) for name in names]
    for seed in (0, 1):
        row = few.row("few", f"small.s{seed}")
        words = row_command(few, row).words
        assert words[words.index("--seed") + 1] == str(seed)
        assert words[words.index("--teacher-path") + 1] == f"runs/few/big.s{seed}/run/teacher/teacher.keras"
        words = row_command(few, few.row("few", f"pruned.s{seed}")).words
        assert words[1] == f"runs/few/small.s{seed}/run/student/student.tflite"
        assert words[words.index("--seed") + 1] == str(seed)
        assert few.row("few", f"both.s{seed}").members == (f"small.s{seed}", f"own.s{seed}")
        for name, epochs in (("small", "3"), ("own", "4")):  # the table's flags, unless the row has its own
            words = row_command(few, few.row("few", f"{name}.s{seed}")).words
            assert words[words.index("--labelled-patients") + 1] == "2"
            assert words[words.index("--distil.epochs") + 1] == epochs
        assert row.tested_on == "fresh" and few.row("few", f"own.s{seed}").tested_on == "tiny"


def test_a_row_is_evaluated_on_the_data_set_that_its_table_names_for_the_test(few, stand_ins, tmp_path):
    rows = choose(few, only=["small.s0", "own.s0"])
    plan = make_plan(few, rows, Checksums(), timing=False)
    assert {step.state for step in plan} == {"absent", "run"}  # nobody has made the fresh one
    fresh = make_dataset(tmp_path / "fresh", label=1)
    plan = make_plan(few, rows, Checksums(), timing=False)
    assert run_plan(few, plan, Checksums(), latency=False) == {}
    small, own = (few.row("few", name) for name in ("small.s0", "own.s0"))
    assert read_result(few, small)["dataset_checksum"] == fresh.checksum == data_checksum(few, small, tested=True)
    assert read_result(few, own)["dataset_checksum"] == data_checksum(few, small) != fresh.checksum


def test_a_declared_name_stands_for_all_of_its_seeds(few):
    assert [row.name for row in choose(few, only=["small"])] == ["big.s1", "small.s1", "big.s0", "small.s0"]
    assert [row.name for row in choose(few, only=["own.s0"])] == ["own.s0"]


def test_names_are_split_into_row_and_seed():
    assert split_name(of_seed("whole.x", 12)) == ("whole.x", 12) and split_name("whole") is None


@pytest.mark.parametrize(("seeds", "named"), [([0, 0], "names a seed twice"), ([-1], "-1 is no whole number")])
def test_seeds_that_can_not_be_are_refused(seeds, named):
    with pytest.raises(InputError, match=named):
        repeat_rows("few.yaml: tables.few", {}, seeds)
