"""study.py as a user runs it: a reduced study by Snakemake, the whole one as settings, one line for what is wrong."""

import importlib
import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

import study
from data.dataset import FrameRecord, write_dataset
from studies.check import records
from studies.commands import prepare_command, row_command
from studies.declare import read_study
from tests.models.sononet_file import made_up, write
from tests.studies.small import keep_parsers
from tests.workflow import calls, finish, make_study, start, wait_for

ROOT = Path(__file__).resolve().parents[1]
STUDIES = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml") if "\ntables:" in path.read_text())


@pytest.fixture
def place(tmp_path, monkeypatch, eagerly):
    make_study(tmp_path)
    keep_parsers(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EPOCHS", "2")
    return tmp_path


def test_a_study_by_snakemake(place, monkeypatch):
    """Dry run; killed while a row trains; finished, but for a row that fails; settings changed; nothing left."""
    snakemake = []  # study.py becomes Snakemake
    monkeypatch.setattr("os.execv", lambda program, given: snakemake.extend(given))
    study.main(["run", "--config", "study.yaml", "--cores", "2", "--", "--dry-run"])
    process = start(place, snakemake, answered=True)
    assert finish(place, process) == 0, (place / "output.txt").read_text()
    assert "train_tiny_small" in (place / "output.txt").read_text() and calls(place) == ["study check"]
    assert not list(place.glob("runs/tiny/*/run"))

    snakemake.remove("--dry-run")
    process = start(place, snakemake, answered=True)
    wait_for(place, "train slow")
    wait_for(place, "evaluate small")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    first = calls(place)
    kept = {path.parent.name: path.stat().st_mtime_ns for path in place.glob("runs/tiny/*/trained.txt")}
    assert {"big", "small"} <= set(kept) and "slow" not in kept

    (place / "commands" / "go").touch()
    process = start(place, snakemake, answered=True)
    assert finish(place, process) == 1, (place / "output.txt").read_text()
    second = calls(place)
    assert "train slow" in second and not {f"train {name}" for name in kept} & set(second)
    names = {"big", "small", "sparse", "same", "both", "slow", "fresh", "real"}
    assert {path.parent.name for path in place.glob("runs/tiny/*/evaluated.txt")} == names
    assert {name: (place / f"runs/tiny/{name}/trained.txt").stat().st_mtime_ns for name in kept} == kept
    assert sorted({*first, *second} - {"train failing"}) == sorted(
        [*(f"train {name}" for name in ("big", "small", "slow", "fresh", "real")), "compress sparse", "prepare made"]
        + ["study check", "prepare part"]
        + [f"evaluate {name}" for name in names]
    )
    assert "error: the disk is full" in (place / "output.txt").read_text()  # the failing row's log
    assert "epoch 1/1 by …/" in (place / "runs/tiny/failing/log.txt").read_text()
    result = json.loads((place / "runs/tiny/real/result.json").read_text())
    assert 0 <= result["artefacts"][0]["accuracy"] <= 1
    assert float((place / "runs/tiny/real/time.tsv").read_text().splitlines()[1].split("\t")[0]) > 0

    words = (place / "runs/data/made.prepare.txt").read_text()
    assert words == 'python prepare.py merge part --classes "${EPOCHS}" --out made\n'

    text = (place / "study.yaml").read_text()
    (place / "study.yaml").write_text(
        text.replace("distil.epochs: 3", "distil.epochs: 4").replace("seed: 13", "seed: 1")
    )
    process = start(place, snakemake, answered=True)
    assert finish(place, process) == 0, (place / "output.txt").read_text()
    assert sorted(calls(place)) == sorted(
        ["study check", "train small", "compress sparse", "train failing", "compress lost"]
        + [f"evaluate {name}" for name in ("small", "sparse", "same", "both", "failing", "lost")]
    )


def stand_in(folder, frame_size):
    """A data set of noise in frames of this size."""
    about = {"classes": list("abcd"), "frame_size": frame_size, "source": {"kind": "noise"}, "seed": 0}
    with write_dataset(folder, **about, require_all_classes=False) as writer:
        for split in ("train", "val", "test"):
            frame = np.random.default_rng(0).integers(0, 255, frame_size).astype(np.uint8)
            writer.add(split, FrameRecord(frame, 0, split, split, 0, 0.0))


@pytest.mark.parametrize("name", STUDIES)
def test_every_row_is_a_command_that_its_script_takes(name, monkeypatch, tmp_path):
    """The parsers of train.py and compress.py read every row's flags and loss weights; its models can be built.

    Models are built for the frames of the data set, so that the answer does not depend on what lies in `datasets/`.
    Rows whose commands differ in names of folders alone, as those of folds do, are read once.
    """
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "SonoNet16.npz", made_up())
    monkeypatch.setenv("SONONET_DIR", str(tmp_path))
    study = read_study(f"configs/{name}.yaml")
    sizes = {}
    for source in study.datasets.values():
        words = list(map(str, source.prepare))
        if "--frame-size" in words:
            at = words.index("--frame-size")
            sizes[str(source.path)] = tuple(map(int, words[at + 1 : at + 3]))
        elif words[:1] == ["merge"]:  # the frames of the first of both
            sizes[str(source.path)] = sizes[words[1]]
    for path, size in sizes.items():
        stand_in(Path(path), size)
    assert all(source.path.exists() for source in study.datasets.values() if source.prepare)
    keep_parsers(monkeypatch)
    first = {None, *(table.seeds[0] for table in study.tables.values() if table.seeds)}
    read = set()
    for row in (row for row in study.rows() if row.seed in first):  # other seeds have its words, but for the number
        data = str(study.datasets[row.data].path)
        if command := row_command(study, row):  # folds have the same words, but for the names of folders
            names = {data: sizes.get(data, data)}
            words = tuple(names.get(word, word.replace(f"/{row.table}/", "/table/")) for word in command.words)
            if words in read:
                continue
            read.add(words)
        made = {file.name: json.loads(text) for file, text in records(study, row).items()}
        assert ("settings.json" in made) == row.trains
        if row.trains:
            assert made["settings.json"]["command"] == row_command(study, row).stored


def prepared(words):
    """(folder, what is written there) of the words after prepare.py: {flag: values}."""
    flags, name = {}, "what"
    for word in words:
        name = word if word.startswith("--") else name
        flags.setdefault(name, []).append(word)
    return flags.pop("--out")[1], {name: flags[name] for name in flags if name != "--overwrite"}


@pytest.mark.parametrize("aspect", [None, "1.45"])
def test_one_folder_is_one_data_set(monkeypatch, aspect):
    """Whatever makes it first, make or a study: each would make the same."""
    monkeypatch.setenv("FETAL_PLANES_DIR", "planes")
    monkeypatch.delenv("PIXEL_ASPECT", raising=False)
    if aspect:
        monkeypatch.setenv("PIXEL_ASPECT", aspect)
    targets = ["datasets/phantom", "datasets/fetal_planes"]
    printed = subprocess.run(["make", "-nB", *targets], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commands = [shlex.split(line)[2:] for line in printed.splitlines() if "python prepare.py" in line]
    studies = [path for path in (ROOT / "configs").glob("*.yaml") if "datasets" in yaml.safe_load(path.read_text())]
    sources = [source for path in studies for source in read_study(path).datasets.values()]
    commands += [prepare_command(source).expanded for source in sources if source.prepare]
    made = {}
    for folder, flags in map(prepared, commands):
        assert made.setdefault(folder, flags) == flags, folder
    assert set(targets) < set(made) and len(commands) > len(made)
    assert made["datasets/fetal_planes"]["--pixel-aspect"] == ["--pixel-aspect", aspect or "1"]


def test_conventional_models_have_a_schedule_that_is_worth_a_baseline():
    rows = read_study(ROOT / "configs" / "lineage.yaml").tables["fetal_planes"].rows.values()
    shared = yaml.safe_load((ROOT / "configs" / "lineage_real.yaml").read_text())["teach"]["epochs"]
    scratch = [row.train for row in rows if row.train and row.train["stages"] == ["teacher"]]
    scratch = [flags for flags in scratch if "pretrained" not in flags]
    assert len(scratch) == 6 and min(flags.get("teach.epochs", shared) for flags in scratch) >= 24


def test_rows_without_a_result_stand_on_the_page_with_their_commands():
    study = read_study(ROOT / "configs" / "lineage.yaml")
    rows = study.tables["fetal_planes"].rows
    block = (ROOT / "docs" / "results.md").read_text().split("Without a result:")[1].split("<!-- end of results -->")[0]
    listed = re.findall(r"^\| (\w+) \| [^|]+ \|(?: `(.*)`)? \|$", block, re.MULTILINE)
    assert len(listed) >= 10
    for name, command in listed:
        expected = row_command(study, rows[name])
        assert command == (expected.stored if expected else "")


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
    (("run",), "config"),
    (("run", "--config", "none.yaml"), "no such file"),
    (("run", "--config", "{ci}", "--data", "real"), "table real: the study has no such one; it has phantom"),
    (("run", "--config", "{ci}", "--only", "vgg19"), "row vgg19: the study has no such one"),
    (("run", "--config", "{ci}", "--cores", "0"), "cores"),
    (("table", "--config", "{ci}", "--data", "real"), "table real: the study has no such one"),
    (("table", "--config", "{ci}", "--only", "vgg16"), "--only"),
    (("table", "--config", "{ci}", "--", "--dry-run"), "only `run` passes words on"),
    (("store", "--config", "{ci}"), "no row has a result to be stored"),
    (("tabel",), "tabel"),
    ((), "--help"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_one_line(words, message, tmp_path, monkeypatch, capfd):
    command = importlib.import_module("study")
    monkeypatch.chdir(tmp_path)
    code = command.run_command(command.main, [word.format(ci=ROOT / "configs" / "lineage_ci.yaml") for word in words])
    out, err = capfd.readouterr()
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1
    assert message in err and "Traceback" not in out + err
    assert list(tmp_path.iterdir()) == []
