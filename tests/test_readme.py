"""What the README shows is run: the loading snippets, the worked example, the flags it names."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.dataset import FrameRecord, write_dataset

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLASSES = ("abdomen", "femur", "head", "background")


def block(name: str, language: str) -> str:
    """The fenced block behind `<!-- snippet: name -->`."""
    found = re.search(rf"<!-- snippet: {name} -->\n```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"README has no snippet {name}"
    return found.group(1)


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    """A folder with `runs/demo` as the snippets expect it, from a training of seconds."""
    import train

    folder = tmp_path_factory.mktemp("readme")
    rng = np.random.default_rng(0)
    source = {"kind": "noise", "simulated": True}
    with write_dataset(folder / "data", classes=CLASSES, frame_size=(96, 128), source=source, seed=0) as writer:
        for split in ("train", "val"):
            for index in range(8):
                frame = rng.integers(0, 255, (96, 128)).astype(np.uint8)
                writer.add(split, FrameRecord(frame, index % 4, f"{split}{index}", f"{split}{index}", 0, 0.0))
    flags = ["--config", "configs/demo.yaml", "--data", str(folder / "data"), "--run", str(folder / "runs/demo")]
    flags += ["--teacher", "none", "--distil.epochs", "1", "--quantize.epochs", "1", "--evaluate", "false"]
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        train.main([*flags, "--distil.batch_size", "8", "--quantize.batch_size", "8"])
    finally:
        os.chdir(before)
    return folder


@pytest.mark.parametrize("name", ["saved_model", "tflite"])
def test_loading_snippet_runs_and_names_the_classes(name, demo_run):
    done = subprocess.run(
        [sys.executable, "-c", block(name, "python")], cwd=demo_run, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in CLASSES)


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
        frames = [rng.integers(0, 255, (768, 1024)).astype(np.uint8) for _ in range(20)]
        write_video(tmp_path / row["video"], frames, rate=2)
        if row["labels"]:
            (tmp_path / row["labels"]).write_text(block("labels", "csv"))
        if row["gaze"]:
            looked = np.full(len(times), 0.5), np.full(len(times), 0.5), np.ones(len(times), bool)
            write_tobii_sdk_stream(tmp_path / row["gaze"], 100 + times, *looked)
    config = RecordingsConfig(manifest=tmp_path / "manifest.csv", out=tmp_path / "out", frame_size=(56, 72))
    data = prepare_recordings(config)
    assert sum(data.info["splits"][split]["frames"] for split in ("train", "val", "test")) > 0
    assert data.gaze_frames("train") > 0


def test_every_path_the_readme_names_is_there():
    for name in re.findall(r"`([a-z_]+/|[a-z_]+\.py|configs/[a-z_]+\.yaml|models/[a-z_]+\.py)`", README):
        if name not in ("student/", "logs/"):
            assert (ROOT / name).exists(), name


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_commands_the_readme_names_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^    |`)(?:\w+=\S+ )?make ([a-z-]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_flag_the_readme_names_is_a_flag():
    import evaluate
    import prepare
    import study
    from baselines import flags
    from data.sources import image_sources
    from training.flags import build_parser

    parsers = [build_parser(), evaluate._parser()]
    parsers += [prepare._recordings_flags(), prepare._phantom_flags()]
    parsers += [prepare.image_set_flags(source) for source in image_sources().values()]
    parsers += [flags.prune_flags(), flags.cluster_flags(), flags.channels_flags(), flags.ptq_flags()]
    parsers += [study._table_flags(), study._results_flags()]
    known = {option for parser in parsers for action in parser._actions for option in action.option_strings}
    for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z_-]*[a-z]", README)):
        assert flag in known or any(option.startswith(f"{flag}.") for option in known), flag


def test_nothing_is_left_to_fill_in():
    assert "@@" not in README
