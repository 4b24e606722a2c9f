"""What the README and the pages of docs/ say is true: the worked example, the flags, paths and targets they name."""

import csv
import io
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from snakemake.cli import get_argument_parser

from tests.pages import PAGES, ROOT, block

README, ARCHITECTURE = PAGES[Path("README.md")], Path("docs/architecture.md")
COMMANDS = ("prepare", "train", "evaluate", "predict", "compress", "study", "export")


def test_worked_example_becomes_a_data_set(tmp_path):
    from data.gaze.writer import write_tobii_sdk_stream
    from data.sources import RecordingsConfig, prepare_recordings
    from tests.data.clips import write_video

    (tmp_path / "manifest.csv").write_text(block("manifest", "csv"))
    (tmp_path / "labels").mkdir()
    rng = np.random.default_rng(0)
    times = np.arange(0, 10, 1 / 90)
    for name in ("video", "gaze"):
        (tmp_path / name).mkdir()
    for row in csv.DictReader(io.StringIO(block("manifest", "csv"))):
        coarse = rng.integers(0, 255, (10, 24, 32)).astype(np.uint8)
        write_video(tmp_path / row["video"], np.kron(coarse, np.ones((1, 32, 32), np.uint8)), rate=1)
        if row["labels"]:
            (tmp_path / row["labels"]).write_text(block("labels", "csv"))
        if row["gaze"]:
            looked = np.full(len(times), 0.5), np.full(len(times), 0.5), np.ones(len(times), bool)
            write_tobii_sdk_stream(tmp_path / row["gaze"], 100 + times, *looked)
    config = RecordingsConfig(manifest=tmp_path / "manifest.csv", out=tmp_path / "out", frame_size=(56, 72))
    data = prepare_recordings(config)
    assert sum(data.info["splits"][split]["frames"] for split in ("train", "val", "test")) > 0
    assert data.gaze_frames("train") > 0


@pytest.fixture(scope="module")
def inner():
    """Paths of all files in folders of the project, "/folder/name".

    Hidden folders are left out: an environment in one holds tens of thousands.
    """
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return ["/" + path.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("*")]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_path_that_a_page_names_is_there(page, inner):
    text = PAGES[page]
    for name in re.findall(r"`((?:configs|docs|benchmarks|tests|models)/[\w/]+\.\w+|[a-z_]+\.py)`", text):
        assert (ROOT / name).exists() or any(path.endswith(f"/{name}") for path in inner), name
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text):
        assert (ROOT / page.parent / link).exists(), link


def test_the_make_targets_that_pages_name_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for page, text in PAGES.items():
        for target in re.findall(r"(?:^    |`)(?:\w+=\S+ )*make ([a-z-]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: make {target}"


def help_of(command: str, capsys, *words: str) -> str:
    """What a command prints for --help, with that of its subcommands."""
    main = runpy.run_path(str(ROOT / f"{command}.py"))["main"]
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    text = capsys.readouterr().out
    found = re.search(r"^\s*(?:usage: .*?)?\{([\w,-]+)\}", text, re.MULTILINE)
    if words or not found:
        return text
    return text + "".join(help_of(command, capsys, name) for name in found[1].split(","))


def test_every_flag_that_a_page_names_is_a_flag(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")  # so that no flag is broken over two lines
    known = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", "".join(help_of(name, capsys) for name in COMMANDS)))
    known |= {"--debug"}  # of every command
    known |= {
        flag for action in get_argument_parser()._actions for flag in action.option_strings
    }  # after `study.py run --`
    for script in (ROOT / "benchmarks").glob("*.py"):  # some import what is not installed everywhere: read, not run
        known |= set(re.findall(r'add_argument\(\s*"(--[a-z][\w-]*)"', script.read_text()))
    for page, text in PAGES.items():
        if page.name in ("CHANGELOG.md", "extending.md"):
            continue  # what is gone, and what its own examples add
        for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z_.-]*[a-z]", text)):
            assert flag in known or any(option.startswith(f"{flag}.") for option in known), f"{page}: {flag}"


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_the_page_of_training_names_models_of_the_registry(role):
    from models import names

    text = PAGES[Path("docs/training.md")]
    row = re.search(rf"^\| `--{role}`, `--{role}-options` \| (.*?)(?: or `none`)?;", text, re.MULTILINE)
    named = re.findall(r"`(\w+)`", row[1])
    assert len(named) > 5 and set(named) <= set(names(role)), "a new model need not be added to the page"


def test_the_page_of_the_architecture_names_every_preset_and_study():
    row = re.search(r"^\| `configs/` \| presets: (.*?); studies: (.*?); `cluster/`", PAGES[ARCHITECTURE], re.MULTILINE)
    named = [re.findall(r"`(\w+)`", part) for part in row.groups()]
    assert sorted([*named[0], *named[1]]) == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))


def test_compression_ratios_follow_from_the_bytes():
    """Each table of a page that has both: the ratio to VGG-16 and to the row that is called the teacher."""
    number = re.compile(r"[\d,]+(?:\.\d+)?")
    checked = 0
    for page in (Path("README.md"), Path("docs/demo.md")):
        rows = [line.strip("| ").split(" | ") for line in re.findall(r"^\|.*\|$", PAGES[page], re.MULTILINE)]
        head = next(row for row in rows if "bytes" in row)
        table = [dict(zip(head, line.split("|")[1:-1])) for line in re.findall(r"^\|.*\|$", PAGES[page], re.MULTILINE)]
        table = [{k: v.strip() for k, v in row.items()} for row in table if len(row) == len(head)]
        table = [row for row in table if number.fullmatch(row["bytes"])]
        sizes = {row["model"]: int(row["bytes"].replace(",", "")) for row in table}
        teacher = next(size for name, size in sizes.items() if "teacher" in name and "channels" not in name)
        stated = re.search(r"VGG-16 at this frame size has ([\d,]+) parameters", PAGES[page])
        vgg16 = 4 * int(stated[1].replace(",", "")) if stated else sizes["VGG-16, from scratch, float"]
        for row in table:
            for column, reference in (("own teacher", teacher), ("VGG-16", vgg16)):
                text = next((v for k, v in row.items() if column in k and "compression" in k), "")
                if text:
                    ratio = round(reference / sizes[row["model"]], len(text.partition(".")[2]))
                    assert ratio == float(text.replace(",", "")), f"{page}: {row}"
                    checked += 1
    assert checked >= 10


def test_the_readme_is_one_page():
    assert len(README.splitlines()) <= 180


def test_nothing_is_left_to_fill_in():
    assert not any(mark in text for text in PAGES.values() for mark in ("@@", "TODO", "TBD"))
