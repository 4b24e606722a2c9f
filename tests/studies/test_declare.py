"""A study's file: what it says is read, what is wrong in it is one line that names the field."""

import subprocess

import pytest
import yaml

from common.errors import InputError
from studies.commands import absence, prepare_command, row_command
from studies.declare import choose, read_study
from tests.studies.small import STUDY


def read(folder, text):
    path = folder / "study.yaml"
    path.write_text(text)
    return read_study(path)


def test_paths_and_needs(study):
    rows = study.tables["tiny"].rows
    assert {name: row.needs() for name, row in rows.items()} == {
        "big": (), "small": ("big",), "sparse": ("small",), "same": ("small",), "both": ("small", "sparse"),
    }  # fmt: skip
    assert str(study.artefacts(rows["same"])[0]) == "runs/tiny/small/run/student/student.tflite"
    assert [row.name for row in choose(study, only=["both"])] == ["big", "small", "sparse", "both"]


def test_a_preset_is_found_from_any_folder(tmp_path, monkeypatch):
    """What a command line names comes first, then what lies in the clone."""
    (tmp_path / "clone" / "configs").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = STUDY.replace("path: data}", "path: data, config: configs/own.yaml}")
    study = read(tmp_path / "clone" / "configs", text)
    row = next(row for row in study.rows() if row.train is not None)
    assert "configs/own.yaml" in row_command(study, row).words
    own = tmp_path / "clone" / "configs" / "own.yaml"
    own.write_text("seed: 0\n")
    assert str(own) in row_command(study, row).words
    (tmp_path / "elsewhere" / "configs").mkdir()
    (tmp_path / "elsewhere" / "configs" / "own.yaml").write_text("seed: 0\n")
    assert "configs/own.yaml" in row_command(study, row).words


def test_words_are_what_a_shell_gives_back(tmp_path, monkeypatch):
    """The command that is shown, typed into a shell, is the command that is run."""
    monkeypatch.setenv("WEIGHTS", "/somewhere/private folder")
    text = STUDY.replace(
        "teacher: vgg16}", 'teacher: vgg16, pretrained: "${WEIGHTS}/x.npz", teacher-options: {a: [1, b]}}'
    )
    study = read(tmp_path, text)
    command = row_command(study, study.tables["tiny"].rows["big"])
    assert "private" not in command.line and '"${WEIGHTS}"/x.npz' in command.line
    shell = subprocess.run(["bash", "-c", f"printf '%s\\0' {command.line}"], capture_output=True, text=True)
    assert shell.stdout.split("\0")[:-1] == command.expanded
    words = command.expanded
    assert yaml.safe_load(words[words.index("--teacher-options") + 1]) == {"a": [1, "b"]}


@pytest.mark.parametrize(("value", "expected"), [(None, "1.0"), ("", "1.0"), ("1.45", "1.45")])
def test_a_variable_may_have_a_default(tmp_path, monkeypatch, value, expected):
    monkeypatch.delenv("ASPECT", raising=False)
    if value is not None:
        monkeypatch.setenv("ASPECT", value)
    text = STUDY.replace("{path: data}", '{path: new, prepare: [planes, "--aspect=${ASPECT:-1.0}"]}')
    study = read(tmp_path, text)
    command = prepare_command(study.datasets["tiny"])
    assert command.expanded[1] == f"--aspect={expected}" and "--aspect=" in command.stored
    shell = subprocess.run(["bash", "-c", f"printf '%s\\0' {command.line}"], capture_output=True, text=True)
    assert shell.stdout.split("\0")[:-1] == command.expanded
    assert command.variables == (["ASPECT"] if value else []) and not absence(study, study.tables["tiny"].rows["big"])


def test_a_shell_runs_nothing_that_stands_in_a_value(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHTS", "w")
    text = STUDY.replace("teacher: vgg16}", 'teacher: "${WEIGHTS}$(touch made)`touch made`;touch made\'"}')
    study = read(tmp_path, text)
    command = row_command(study, study.tables["tiny"].rows["big"])
    shell = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command.line}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert shell.stdout.split("\0")[:-1] == command.expanded and not (tmp_path / "made").exists()


def test_several_teachers_are_several_words(tmp_path):
    text = STUDY.replace(
        'teacher-path: "{big}"', 'teacher-path: ["{big}", "{big:other.keras}"], teacher-weights: [1, 2]'
    )
    study = read(tmp_path, text)
    words = row_command(study, study.tables["tiny"].rows["small"]).words
    word = yaml.safe_load(words[words.index("--teacher-path") + 1])
    assert word == ["runs/tiny/big/run/teacher/teacher.keras", "runs/tiny/big/run/other.keras"]
    assert words[words.index("--teacher-weights") + 1] == "[1, 2]"


def test_a_run_folder_of_its_own_choice(tmp_path):
    text = STUDY.replace("model: VGG-16,", "model: VGG-16, run: runs/demo,")
    study = read(tmp_path, text)
    command = row_command(study, study.tables["tiny"].rows["big"])
    assert "--run runs/demo" in command.line
    assert str(study.artefacts(study.tables["tiny"].rows["big"])[0]) == "runs/demo/teacher/teacher.keras"


def test_how_data_are_made(tmp_path):
    text = STUDY.replace("{path: data}", '{path: data, prepare: [phantom, --frame-size, 48, 64, "${SOME}"]}')
    source = read(tmp_path, text).datasets["tiny"]
    assert prepare_command(source).stored == 'python prepare.py phantom --frame-size 48 64 "${SOME}" --out data'
    assert prepare_command(source).variables == ["SOME"]


BAD = [
    ("seed: 0", "seed: zero", "seed: Input should be a valid integer, found 'zero'"),
    ("seed: 0", "sede: 0", "sede: Extra inputs are not permitted"),
    ("baseline: big", "baseline: huge", "baseline: names the row 'huge', which is not declared"),
    ("reference: big", "", None),
    ("target: {accuracy", "target: {precision", "target.accuracy is missing"),
    ("data: tiny\n", "data: large\n", "there is no data set 'large', only tiny"),
    ("{model: VGG-16, ", "{", "rows.big.model is missing"),
    ("compress: prune", "compress: prune, of: big", "has compress and of of train, compress, of, ensemble: give one"),
    ("of: small, ", "", "has none of train"),
    ("of: small", "of: both", "both has no run of its own"),
    ("[small, sparse]", "[small, large]", "rows.both: names the row 'large', which is not declared"),
    ("[small, sparse]", "[small]", "ensemble names small: name two or more different rows"),
    ("[small, sparse]", "[small, small]", "ensemble names small, small: name two or more different rows"),
    (
        "target: {accuracy: 0.5",
        "target: {accuracy: high",
        "target.accuracy: Input should be a valid number, found 'high'",
    ),
    ("of: small, ", "of: small, gaze: reel, ", "rows.same.gaze: Input should be 'real', 'none'"),
    ("[small, sparse]", "[small, both]", "tiny/both → tiny/both is a circle"),
    ('teacher-path: "{big}"', 'teacher-path: "{sparse}"', "is a circle"),
    ("      big:", "      sparse: {}\n      big:", "'sparse' stands twice"),
    ("      big:", "      ../big:", "should match pattern"),
    ("datasets:", "datasets: [", "correct the file"),
    ("train: {stages: [teacher], teacher: vgg16}", "train: yes", "rows.big.train: Input should be a valid dictionary"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_bad_files(tmp_path, old, new, message):
    assert old in STUDY
    if message is None:
        assert read(tmp_path, STUDY.replace(old, new)).tables["tiny"].reference == ""
        return
    with pytest.raises(InputError) as error:
        choose(read(tmp_path, STUDY.replace(old, new)))
    assert "study.yaml" in str(error.value) and message in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_study(tmp_path / "none.yaml")
