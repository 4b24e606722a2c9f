"""study.py as a user runs it: the reduced study for real, the whole one as a plan, one line for what is wrong."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from studies.commands import row_command
from studies.declare import read_study
from studies.estimate import parse_compress, parse_train
from tests.models.sononet_file import made_up, write

ROOT = Path(__file__).resolve().parents[1]


def run(folder, *words):
    command = [sys.executable, str(ROOT / "study.py"), *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ)


def test_the_reduced_study(tmp_path):
    """Phantom, teacher, student, 8 bits, compression, ensemble, table, page; the second time nothing is done."""
    config = ROOT / "configs" / "lineage_ci.yaml"
    words = ("--config", config, "--timing", "false", "--latency", "false")
    done = run(tmp_path, "table", *words, "--markdown", "page.md")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prepare.py phantom" in done.stdout and "3 of 4 rows to train" in done.stdout
    page = (tmp_path / "page.md").read_text()
    rows = read_study(config).tables["phantom"].rows
    for row in rows.values():
        assert f"| {row.model} |" in page
        stored = json.loads((tmp_path / "runs" / "lineage_ci" / "phantom" / row.name / "result.json").read_text())
        assert f"{stored['row']['accuracy']:.3f} (" in page
    assert "simulated frames, simulated gaze" in page and str(tmp_path) not in page

    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    again = run(tmp_path, "table", *words)
    assert again.returncode == 0 and "nothing is left to train" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == files


@pytest.mark.parametrize("name", ["lineage", "lineage_ci"])
def test_every_row_is_a_command_that_its_script_takes(name, monkeypatch, tmp_path):
    """Flags, model names and loss weights of every row are read by the parsers of train.py and compress.py."""
    monkeypatch.chdir(ROOT)
    write(tmp_path / "SonoNet16.npz", made_up())
    monkeypatch.setenv("SONONET_DIR", str(tmp_path))
    study = read_study(f"configs/{name}.yaml")
    for row in study.rows():
        if row.how == "train":
            config = parse_train(study, row)
            assert config.run == study.run_folder(row) and config.data == study.datasets[row.data].path
        elif row.how == "compress":
            assert parse_compress(study, row).out == study.run_folder(row)
        else:
            assert row_command(study, row) is None


def test_the_lineage_has_the_rows_that_were_asked_for():
    """By what each row trains, not by its name."""
    tables = yaml.safe_load((ROOT / "configs" / "lineage.yaml").read_text())["tables"]
    real = tables["fetal_planes"]["rows"].values()
    flags = [row.get("train", row.get("flags", {})) for row in real]
    teachers = {"resnet50", "densenet121", "sononet_16", "sononet_32", "sononet_64"}
    assert teachers <= {one.get("teacher") for one in flags}
    students = {"mobilenet_v1", "mobilenet_v2", "squeezenet_1_0", "sononet_4", "sononet_8"}
    assert students <= {one.get("student") for one in flags if one.get("teacher") == "none"}
    assert students <= {one.get("student") for one in flags if "teacher-path" in one}
    assert {"vgg16", "sononet_16"} <= {one.get("teacher") for one in flags}
    assert any("pretrained" in one and one["teacher"] == "sononet_16" for one in flags if "teacher" in one)
    default = [one for one in flags if "student" in one.get("stages", ()) and "student" not in one]
    assert any(one.get("teacher") == "none" for one in default)
    assert any("teacher-path" in one and not any(word.startswith("loss.") for word in one) for one in default)
    assert {0.5, 0.8, 0.9} <= {share for one in flags for share in one.get("sparsity", [])}
    assert any(one.get("loss.attention") == 0 and "loss.alpha" not in one for one in flags)  # soft targets alone
    assert any(one.get("loss.alpha") == 0 and "loss.attention" not in one for one in flags)  # attention alone
    for part in ("logit", "decoupled", "hint", "similarity"):
        assert any(f"loss.{part}" in one for one in flags)
    assert any(isinstance(one.get("teacher-path"), list) and len(one["teacher-path"]) == 3 for one in flags)
    assert {"prune", "cluster", "channels", "ptq"} <= {row.get("compress") for row in real}
    # Real images have no gaze: no row of theirs asks for any.
    assert not any(one.get("gaze", "none") != "none" or "pretrain.epochs" in one for one in flags)
    simulated = [row.get("train", {}) for row in tables["phantom"]["rows"].values()]
    assert {"sonoeyenet", "multitask_sonoeyenet"} <= {one.get("teacher") for one in simulated}
    fusions = {one.get("teacher-options", {}).get("fusion") for one in simulated}
    assert {"none", "concat", "early"} <= fusions and any("pretrain.epochs" in one for one in simulated)
    modes = {one.get("gaze") for one in (row.get("train", {}) for row in tables["phantom"]["rows"].values())}
    assert {"none", "shuffled", "centre"} <= modes


BAD = [
    (("table",), "config"),
    (("table", "--config", "none.yaml"), "no such file"),
    (("table", "--config", "{ci}", "--data", "real"), "table real: the study has no such one; it has phantom"),
    (("table", "--config", "{ci}", "--only", "vgg19"), "row vgg19: the study has no such one"),
    (("table", "--config", "{ci}", "--max-hours", "0"), "--max-hours 0.0: must be above 0"),
    (("table", "--config", "{ci}", "--jobs", "0"), "--jobs 0: must be from 1 to 1024"),
    (
        ("table", "--config", "{ci}", "--markdown", "gone/page.md"),
        "--markdown gone/page.md: lies in no folder",
    ),
    (("table", "--config", "{ci}", "--retime", "--latency", "false"), "--retime: times what is finished again"),
    (("results", "--config", "{ci}", "--only", "vgg16"), "--only"),
    (("tabel",), "tabel"),
    ((), "--help"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_one_line(words, message, tmp_path, monkeypatch, capfd):
    command = load_command()
    monkeypatch.chdir(tmp_path)
    code = command.run_command(command.main, [word.format(ci=ROOT / "configs" / "lineage_ci.yaml") for word in words])
    out, err = capfd.readouterr()
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1
    assert message in err and "Traceback" not in out + err
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_does_nothing(tmp_path, monkeypatch, capfd):
    command = load_command()
    monkeypatch.chdir(tmp_path)
    config = str(ROOT / "configs" / "lineage_ci.yaml")
    assert command.run_command(command.main, ["table", "--config", config, "--dry-run", "--only", "both"]) == 0
    out = capfd.readouterr().out
    assert "datasets/phantom_ci is made first" in out and "3 of 4 rows to train" in out
    assert list(tmp_path.iterdir()) == []


def load_command():
    return importlib.import_module("study")
