"""evaluate.py as a user runs it: files written, or one line on standard error and code 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import evaluate
from common.errors import InputError, run_command
from evaluation import outputs
from evaluation.artefacts import write_metadata
from tests.evaluation.small import describe, make_dataset
from tests.private import found_in, private_words

ROOT = Path(__file__).resolve().parents[2]


def run(*words, cwd=None):
    env = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, str(ROOT / "evaluate.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd)


def test_a_good_run(run_folder, dataset, tmp_path):
    (tmp_path / "json.py").write_text("raise RuntimeError('the json.py of the working directory')")
    done = run(
        run_folder / "student" / "student.keras",
        run_folder / "int8" / "student_int8.tflite",
        *("--data", dataset.path, "--json", tmp_path / "m.json", "--predictions", tmp_path / "p.csv"),
        *("--html", tmp_path / "p.html", "--saliency", "--batch-size", 8),  # --plots: test_ensemble.py
        cwd=tmp_path,  # nothing depends on the folder that it is called from, the timing process neither
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "m.json").read_text())
    assert [row["kind"] for row in report["artefacts"]] == ["keras", "tflite"]
    timings = [row["latency_ms"] for row in report["artefacts"]]
    assert all(0 < timing["median"] <= timing["p95"] for timing in timings)
    # LiteRT's own structures alone take some of it; it is measured of .tflite files.
    student, int8 = (row["memory_bytes"] for row in report["artefacts"])
    assert student is None and int8 > 100_000 and "memory" in done.stdout
    assert (tmp_path / "p.csv").is_file()
    assert "evaluate.py" in (tmp_path / "p.html").read_text(encoding="utf-8")
    words = private_words(tmp_path, run_folder.parent, dataset.path.parent)
    assert found_in(tmp_path, words) == [], "paths were absolute, the command's too, which the page names"


def test_fit_writes_into_the_metadata_and_refuses_other_data(run_folder, dataset, tmp_path, capsys):
    for name in ("student.tflite", "student.tflite.json"):
        (tmp_path / name).write_bytes((run_folder / "student" / name).read_bytes())
    words = [str(tmp_path / "student.tflite"), "--data", str(dataset.path), "--latency", "false"]
    assert run_command(evaluate.main, [*words, "--fit", "0.6"]) == 0
    fields = json.loads((tmp_path / "student.tflite.json").read_text())
    assert (
        fields["decision"]["target"] == 0.6
        and f"{fields['decision']['still']['coverage']:.1%}" in capsys.readouterr().out
    )
    assert run_command(evaluate.main, [*words, "--fit", "1.5"]) == 2
    other = make_dataset(tmp_path / "other", size=(24, 32)).path
    assert run_command(evaluate.main, [words[0], "--data", str(other), "--fit", "0.6"]) == 2
    assert json.loads((tmp_path / "student.tflite.json").read_text()) == fields
    unlabelled = make_dataset(tmp_path / "unlabelled", label=-1).path
    assert run_command(evaluate.main, [words[0], "--data", str(unlabelled), "--fit", "0.6"]) == 2
    assert "no labelled frame in its validation split" in capsys.readouterr().err
    assert json.loads((tmp_path / "student.tflite.json").read_text()) == fields, "a refused fit left the metadata"


def test_help(capsys):
    with pytest.raises(SystemExit) as ended:
        evaluate.main(["--help"])
    assert not ended.value.code
    printed = capsys.readouterr().out
    for word in (
        "ARTEFACT",
        "--data",
        "--split",
        "--json",
        "--plots",
        "--predictions",
        "--gaze",
        "bootstrap",
    ):
        assert word in printed


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("large") / "set", size=(24, 32)).path


@pytest.fixture(scope="module")
def corrupt(run_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corrupt")
    (folder / "model.tflite").write_bytes(b"no model")
    (folder / "model").mkdir()
    (folder / "model" / "saved_model.pb").write_bytes(b"no model")
    (folder / "text.yaml").write_text("no model")
    (folder / "model.tflite.json").write_text((run_folder / "student" / "student.tflite.json").read_text())
    write_metadata(folder / "model", describe(output="probabilities"))
    return folder


BAD = [
    ("{student}", ("--data", "{large}"), "frame_size (16, 24)"),
    ("{student}", ("--data", "{folder}"), "dataset.json"),
    ("{student}", (), "data"),
    ("{corrupt}/text.yaml", ("--data", "{data}"), "not an artefact"),
    ("{corrupt}/model.tflite", ("--data", "{data}"), "model.tflite: its SHA-256 is"),
    ("{corrupt}/model", ("--data", "{data}"), "model: can't be loaded"),
    ("{student}", ("--data", "{data}", "--gaze", "imagined"), "imagined"),
    ("{student}", ("--data", "{data}", "--split", "holdout"), "holdout"),
    ("{student}", ("--data", "{data}", "--batch-size", "0"), "batch_size"),
    ("{student}", ("--data", "{data}", "--colour", "red"), "--colour"),
    ("{student}", ("--data", "{data}", "--json", "{folder}/file/m.json"), "file: is a file"),
    ("{student}", ("--data", "{data}", "--json", "{folder}"), "is a folder"),
    ("{student}", ("--data", "{data}", "--json", "/dev/null"), "/dev/null: is a device"),
    ("{student}", ("--data", "{data}", "--predictions", "/dev/full"), "/dev/full: is a device"),
    ("{student}", ("--data", "{data}", "--plots", "{folder}/file"), "file: is a file"),
    ("{student}", ("--data", "{data}", "--html", "{folder}"), "is a folder"),
    ("{student}", ("--data", "{data}", "--plots", "{folder}/p", "--run", "{folder}"), "history.csv"),
    ("{student}", ("--data", "{data}", "--run", "{folder}"), "run is of the curves, which plots and html draw"),
]


def test_a_folder_that_may_not_be_written_to_is_refused_before_the_evaluation(tmp_path, monkeypatch):
    """By what the system says of it: the superuser, as whom tests may run, may write everywhere."""
    monkeypatch.setattr(outputs.os, "access", lambda folder, mode: Path(folder) != tmp_path)
    for name, path in (("json", tmp_path / "m.json"), ("plots", tmp_path / "new" / "plots")):
        with pytest.raises(InputError, match=f"{path}: {tmp_path} may not be written to") as error:
            outputs.Outputs(**{name: path})
        assert error.value.parameter == name


@pytest.mark.parametrize(("artefact", "words", "message"), BAD)
def test_bad_input_is_one_line(run_folder, dataset, large, corrupt, tmp_path, capfd, artefact, words, message):
    words = prepare(run_folder, dataset, large, corrupt, tmp_path, (artefact, *words))
    code = run_command(evaluate.main, words)
    captured = capfd.readouterr()
    check(code, captured.out, captured.err, message, tmp_path)


@pytest.mark.parametrize(("artefact", "words", "message"), [case for case in BAD if "--colour" in case[1]])
def test_bad_input_in_a_new_process(run_folder, dataset, large, corrupt, tmp_path, artefact, words, message):
    done = run(*prepare(run_folder, dataset, large, corrupt, tmp_path, (artefact, *words)))
    check(done.returncode, done.stdout, done.stderr, message, tmp_path)


def prepare(run_folder, dataset, large, corrupt, folder, words):
    (folder / "file").write_text("in the way")
    student = run_folder / "student" / "student.keras"
    places = {"student": student, "data": dataset.path, "large": large, "corrupt": corrupt, "folder": folder}
    return [word.format(**places) for word in words]


def check(code, out, err, message, folder):
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1
    assert message in err
    assert "Traceback" not in out + err
    assert [path.name for path in folder.iterdir()] == ["file"]
