"""Presets, studies and flags: refused in one line, or settings that can be written and read again."""

import dataclasses
import itertools
import string

import pytest
import yaml
from hypothesis import strategies as st

import compress
import evaluate
import export
import predict
import prepare
import study
import train
from baselines.registry import all_baselines
from common import strict_yaml
from common.typed import field_types
from studies.declare import choose, read_study
from tests.fuzz.drive import accepted, fuzz, run
from tests.fuzz.strategies import any_json, changed, damaged, odd_numbers, odd_texts
from tests.studies.small import STUDY
from training.config import TrainConfig
from training.flags import parse

PRESET = {
    "data": "no-data",
    "run": "no-run",
    "stages": ["teacher", "student"],
    "teacher_options": {"width": 0.5},
    "student": "mobilenet_v1",
    "student_options": {"width": 0.2},
    "sigma": 0.03,
    "seed": 1,
    "class_weights": True,
    "teach": {"epochs": 2, "learning_rate": 0.001},
    "distil": {"epochs": 2, "batch_size": 4, "warmup_epochs": 0.5},
    "loss": {"temperature": 4, "attention_taps": ["stride16"]},
    "augment": {"zoom": 0.1},
    "evaluate": False,
}


def preset_files():
    """Presets as text: of other values, or with broken syntax."""
    names = st.sampled_from(sorted(field_types(TrainConfig)))
    added = st.dictionaries(names, any_json, max_size=2).map(lambda more: {**PRESET, **more})
    values = st.one_of(changed(PRESET), added)
    texts = values.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode(errors="surrogatepass"))
    syntax = st.text(alphabet="abc:-[]{}&*!|>'\"#%@,? \n\t0", max_size=60).map(str.encode)
    return st.one_of(texts, texts, texts.flatmap(damaged), syntax)


def test_a_preset(place, tmp_path):
    def check(data):
        path = place("preset.yaml", data)
        request = accepted(lambda: parse(["--config", str(path), "--data", "no-data", "--run", "no-run"]))
        if request is None:
            return
        again = tmp_path / "again.yaml"
        again.write_text(strict_yaml.dump(request.config))
        assert parse(["--config", str(again)]).config == request.config
        assert run(train.main, ["--config", str(again)]) == 2, "there is no such data set"

    fuzz(check, examples=7, data=preset_files())


def test_a_study(place):
    whole = yaml.safe_load(STUDY)

    @st.composite
    def files(draw):
        if draw(st.booleans()):
            return yaml.safe_dump(draw(changed(whole)), allow_unicode=True).encode(errors="surrogatepass")
        return draw(damaged(STUDY.encode()))

    def check(data):
        path = place("study.yaml", data)
        declared = accepted(lambda: read_study(path))
        if declared is not None:
            accepted(lambda: choose(declared))

    fuzz(check, examples=24, data=files())


# Of the commands that take what was trained: as `command_lines` gives them.
DEPLOYED = {
    "predict": (
        predict.main,
        [["no.tflite"], ["no.keras", "no.mp4"], []],
        [
            "--out",
            "--manifest",
            "--crop",
            "--fps",
            "--pixel-aspect",
            "--threshold",
            "--smoothing",
            "--frames",
            "--video",
            "--stream",
            "--stream-options",
            "--timeout-s",
            "--duration-s",
            "--overwrite",
        ],
    ),
    "export": (
        export.main,
        [["no-run"], []],
        ["--out", "--data", "--split", "--licence", "--contact", "--latency", "--overwrite"],
    ),
}


def command_lines():
    """{name: (main, strategy of words that come first, names of flags)}."""
    settings = [f"--{name.replace('_', '-')}" for name in field_types(TrainConfig)]
    parts = [
        f"--{name}.{part}"
        for name, of in field_types(TrainConfig).items()
        if dataclasses.is_dataclass(of)
        for part in field_types(of)
    ]
    outputs = ["--json", "--predictions", "--plots", "--run", "--split", "--gaze", "--batch-size", "--latency"]
    sources = ["recordings", "fetal-planes", "gaze", "check", "verify", "nothing"]
    common = [
        "--out",
        "--frame-size",
        "--val-fraction",
        "--seed",
        "--overwrite",
        "--fps",
        "--classes",
        "--pseudonymise",
    ]
    return {
        "train": (train.main, [[]], [*settings, *parts, "--config", "--overwrite", "--dry-run", "--verify"]),
        "evaluate": (
            evaluate.main,
            [["no.keras"], []],
            [*outputs, "--data", "--ensemble", "--conventional", "--verify"],
        ),
        "prepare": (
            prepare.main,
            [["phantom", "--patients", "0"], *([word] for word in sources)],
            [*common, "--json", "--screen-px", "--overlay"],
        ),
        "compress": (
            compress.main,
            [[word, "no.keras"] for word in (*all_baselines(), "nothing")],
            ["--data", "--out", "--seed", "--sparsity", "--clusters", "--keep", "--epochs", "--loss.gaze", "--verify"],
        ),
        **DEPLOYED,
        "study": (
            study.main,
            [["table"], ["run"], ["check"], []],
            ["--config", "--data", "--runs", "--only", "--cores", "--threads", "--page", "--picture", "--"],
        ),
    }


@pytest.mark.parametrize("name", ["train", "evaluate", "prepare", "compress", "predict", "export", "study"])
def test_flags(name, tmp_path, monkeypatch):
    """Nothing that is named is there, so nothing can be right but a call for help."""
    monkeypatch.chdir(tmp_path)
    main, first, flags = command_lines()[name]
    values = st.one_of(odd_numbers, odd_texts, st.text(alphabet=string.printable, max_size=8))
    values = values.filter(lambda word: not word.startswith("/") and ".." not in word and "\ud800" not in word)
    pair = st.tuples(st.sampled_from(flags), st.lists(values, max_size=2)).map(lambda p: [p[0], *p[1]])

    def check(start, words):
        words = [*start, *itertools.chain(*words)]
        code = run(main, words)
        assert code == 2 or {"--help", "-h"} & set(words), words
        assert not list(tmp_path.rglob("*.keras"))

    fuzz(check, examples=6, start=st.sampled_from(first), words=st.lists(pair, max_size=3))
