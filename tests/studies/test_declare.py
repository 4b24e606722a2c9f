"""A study's file: what it says is read, what is wrong in it is one line that names the field."""

import shlex

import pytest
import yaml

from common.errors import InputError
from studies.commands import prepare_command, row_command
from studies.declare import read_study
from tests.studies.conftest import STUDY


def read(folder, text):
    path = folder / "study.yaml"
    path.write_text(text)
    return read_study(path)


def test_paths_and_needs(study):
    rows = study.tables["tiny"].rows
    assert {name: row.needs() for name, row in rows.items()} == {
        "big": (), "small": ("big",), "sparse": ("small",), "same": ("small",), "both": ("small", "sparse"),
    }  # fmt: skip
    assert str(study.artefact(rows["same"])) == "runs/tiny/small/run/student/student.tflite"
    assert [row.name for row in study.in_order([rows["both"]])] == ["big", "small", "sparse", "both"]


def test_words_are_what_a_shell_gives_back(tmp_path, monkeypatch):
    """The command that is shown, typed into a shell, is the command that is run."""
    monkeypatch.setenv("WEIGHTS", "/somewhere/private folder")
    text = STUDY.replace(
        "teacher: vgg16}", 'teacher: vgg16, pretrained: "${WEIGHTS}/x.npz", teacher-options: {a: [1, b]}}'
    )
    study = read(tmp_path, text)
    command = row_command(study, study.row("tiny", "big"))
    assert "private" not in command.shown and '"${WEIGHTS}/x.npz"' in command.shown
    words = [word.replace("${WEIGHTS}", "/somewhere/private folder") for word in shlex.split(command.shown)]
    assert words == ["python", "train.py", *command.expanded]
    assert yaml.safe_load(words[words.index("--teacher-options") + 1]) == {"a": [1, "b"]}
    assert command.argv()[2:] == command.expanded


def test_several_teachers_are_several_words(tmp_path):
    text = STUDY.replace(
        'teacher-path: "{big}"', 'teacher-path: ["{big}", "{big:other.keras}"], teacher-weights: [1, 2]'
    )
    study = read(tmp_path, text)
    words = row_command(study, study.row("tiny", "small")).words
    start = words.index("--teacher-path")
    assert words[start + 1 : start + 3] == ("runs/tiny/big/run/teacher/teacher.keras", "runs/tiny/big/run/other.keras")
    assert words[start + 3 : start + 6] == ("--teacher-weights", "1", "2")


def test_a_run_folder_of_its_own_choice_is_never_overwritten(tmp_path):
    text = STUDY.replace("model: VGG-16,", "model: VGG-16, run: runs/demo,")
    study = read(tmp_path, text)
    command = row_command(study, study.row("tiny", "big"))
    assert "--run runs/demo" in command.shown and "--overwrite" not in command.argv()
    assert str(study.artefact(study.row("tiny", "big"))) == "runs/demo/teacher/teacher.keras"


def test_how_data_are_made(tmp_path):
    text = STUDY.replace("{path: data}", '{path: data, prepare: [phantom, --frame-size, 48, 64, "${SOME}"]}')
    source = read(tmp_path, text).datasets["tiny"]
    assert prepare_command(source).shown == 'python prepare.py phantom --frame-size 48 64 "${SOME}" --out data'
    assert source.variables() == ("SOME",)


BAD = [
    ("seed: 0", "seed: zero", "seed: is 'zero', expected a whole number"),
    ("seed: 0", "sede: 0", "unknown field 'sede'"),
    ("baseline: big", "baseline: huge", "tables.tiny.baseline: there is no row 'huge'"),
    ("reference: big", "", None),
    ("target: {accuracy", "target: {precision", "tables.tiny.target: has precision, bytes"),
    ("data: tiny\n", "data: large\n", "there is no data set 'large': it is none of tiny"),
    ("{model: VGG-16, ", "{", "rows.big.model: is missing"),
    ("compress: prune", "compress: prune, of: big", "has compress and of of train, compress, of, ensemble: give one"),
    ("of: small, ", "", "has none of train"),
    ("of: small", "of: both", "both has no run of its own"),
    ("[small, sparse]", "[small, large]", "rows.both: needs the row 'large', which is not declared"),
    ("[small, sparse]", "[small]", "names 1 row: name two or more"),
    ("[small, sparse]", "[small, small]", "rows.both.ensemble: small, small: names a row twice"),
    ("target: {accuracy: 0.5", "target: {accuracy: high", "target.accuracy: is 'high', expected a number"),
    ("of: small, ", "of: small, gaze: reel, ", "rows.same.gaze: 'reel' is none of real, none"),
    ("[small, sparse]", "[small, both]", "both → both is a circle"),
    ('teacher-path: "{big}"', 'teacher-path: "{sparse}"', "is a circle"),
    ("      big:", "      sparse: {}\n      big:", "'sparse' stands twice"),
    ("      big:", "      ../big:", "is no name"),
    ("datasets:", "datasets: [", "correct the file"),
    ("train: {stages: [teacher], teacher: vgg16}", "train: yes", "expected fields with names"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_bad_files(tmp_path, old, new, message):
    assert old in STUDY
    if message is None:
        assert read(tmp_path, STUDY.replace(old, new)).tables["tiny"].reference == ""
        return
    with pytest.raises(InputError) as error:
        read(tmp_path, STUDY.replace(old, new))
    assert "study.yaml" in str(error.value) and message in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_study(tmp_path / "none.yaml")
