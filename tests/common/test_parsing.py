"""Flags and presets of a dataclass of settings: what they set, and one line that names what is wrong."""

import dataclasses
import os
import sys
from pathlib import Path
from typing import Literal

import pytest

from common.errors import InputError, run_command
from common.parsing import Parser, read_presets, settings_of, split_presets
from common.typed import StrPath, check_fields


@dataclasses.dataclass(frozen=True)
class Fit:
    """How it is fitted.

    Attributes:
        epochs: passes over the data.
        rate: its peak.
        taps: names of layers.
    """

    epochs: int = 3
    rate: float = 0.1
    taps: tuple[str, ...] = ("a",)


@dataclasses.dataclass(frozen=True)
class Settings:
    """For the tests.

    Attributes:
        data: a folder.
        paths: several files,
            the first of which counts.
        weights: one for each.
        fast: without care.
        options: of anything.
        fit: how it is fitted.
    """

    data: StrPath
    paths: tuple[Path, ...] = ()
    weights: tuple[float, ...] | None = None
    fast: bool = False
    options: dict = dataclasses.field(default_factory=dict)
    fit: Fit = dataclasses.field(default_factory=Fit)

    def __post_init__(self):
        check_fields(self)


def parse(words: list[str]) -> Settings:
    files, words = split_presets(words)
    parser = Parser(prog="train.py")
    parser.add_settings(Settings, read_presets(Settings, files))
    return settings_of(Settings, parser, parser.parse_args(words))


@pytest.fixture
def preset(tmp_path):
    """Write a preset; give its path."""

    def write(text: str | bytes, name: str = "preset.yaml") -> str:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(tmp_path / name)

    return write


def test_flags_presets_and_who_wins(preset):
    first, second = preset("fit: {epochs: 7, rate: 0.5}\nfast: true\n"), preset("fit: {epochs: 9}", "second.yaml")
    given = parse(["--config", first, "--data", "d", "--fit.rate", "0.25"])
    assert given == Settings("d", fast=True, fit=Fit(7, 0.25))
    assert parse(["--data", "d", "--fit.rate", "0.25", f"--config={first}"]) == given, "wherever it stands"
    both = parse(["--data", "d", "--config", first, "--config", second])
    assert both.fit == Fit(9, 0.5), "what the later preset leaves alone stays"


def test_values_become_what_their_annotation_says(preset):
    given = parse(["--config", preset("data: d\npaths: one.keras\nweights: [1, 2]\nfit: {rate: 1e-3, taps: b}")])
    assert given == Settings(Path("d"), (Path("one.keras"),), (1.0, 2.0), fit=Fit(rate=0.001, taps=("b",)))
    words = ["--data", "d", "--paths", "a b.keras", "1", "--weights", "2", "1", "--fit.taps", "[x, y]"]
    given = parse([*words, "--options", "{width: 0.5, taps: [1, 2]}"])
    assert given.paths == (Path("a b.keras"), Path("1")) and given.weights == (2.0, 1.0)
    assert given.options == {"width": 0.5, "taps": [1, 2]} and given.fit.taps == ("x", "y")
    assert Settings("d", fit={"epochs": 5}).fit == Fit(5), "a notebook may give a mapping"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("epoch: 7", "'epoch' is no setting"),
        ("dta: 7", "did you mean data"),
        ("fit: {epoch: 7}", "fit: 'epoch' is no setting; did you mean epochs"),
        ("fit: {epochs: many}", "fit.epochs must be a whole number, not 'many'"),
        ("fit: {epochs: '7'}", "fit.epochs must be a whole number, not '7'"),
        ("fit: {epochs: 7.5}", "fit.epochs must be a whole number"),
        ("fit: {epochs: true}", "fit.epochs must be a whole number, not True"),
        ("fit: {epochs:}", "fit.epochs must be a whole number, not None"),
        ("fit:", "fit must be a mapping"),
        ("fast: 'no'", "fast must be true or false, not 'no'"),
        ("fast: 1", "fast must be true or false, not 1"),
        ("data: ''", "data must be a path"),
        ("data: {a: b}", "data must be a path"),
        ("weights: {a: 1}", "weights must be a list"),
        ("fast: true\nfast: false", "line 2: the key 'fast' stands twice"),
        ("fit: {rate: 1, rate: 2}", "the key 'rate' stands twice"),
        ("options: {a: 1, a: 2}", "the key 'a' stands twice"),
        ("fit: {class_path: this.s}", "names code"),
        ("options: {deep: [{class_path: this.s}]}", "names code"),
        ("options: {init_args: {}}", "names code"),
        ("fit: this.s", "fit must be a mapping of its settings, not 'this.s'"),
        ("options: !!python/name:os.system {}", "could not determine a constructor"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "a reference"),
        ("options: {<<: {a: 1}}", "a merge"),
        ("options: " + "[" * 5000, "levels of nesting"),
        ("7: 3", "the key '7' is no text"),
        ("fit: [", "line 1"),
        ("- 3", "must be a mapping"),
        (b"\xff\xfe\x00fit", "no UTF-8 text"),
        (b"\x00", "correct the file"),
        ("#" * (2 << 20), "bytes"),
    ],
)
def test_a_wrong_preset_is_one_line_that_names_file_and_setting(preset, text, named, capsys):
    file = preset(text)
    before = set(sys.modules)
    assert run_command(lambda argv: parse(argv) and None, ["--data", "d", "--config", file]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: {file}") and named in line and line.count("\n") == 1
    assert "this" not in set(sys.modules) - before, "nothing that a preset names is imported"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("missing.yaml", "there is no such file"),
        ("/dev/zero", "is a device"),
        (".", "is a folder"),
        ("pipe", "is a pipe"),
    ],
)
def test_what_is_no_file_is_no_preset(tmp_path, file, words):
    if file == "pipe":
        file = tmp_path / file
        os.mkfifo(file)
    with pytest.raises(InputError, match=f"{file}: {words}"):
        parse(["--data", "d", "--config", str(file)])


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--data", "d", "--epoch_s", "3"], "epoch_s"),
        (["--data", "d", "--fit.epochs", "many"], "fit.epochs"),
        (["--data", "d", "--fit.epochs", "2.5"], "fit.epochs"),
        (["--data", "d", "--fit.rate", "fast"], "fit.rate"),
        (["--data", "d", "--fast", "sideways"], "fast"),
        (["--data", "d", "--fit", "this.s"], "'this.s' is not allowed"),
        (["--data", "d", "--fit.class_path", "this.s"], "class_path"),
        (["--data", "d", "--options", "{class_path: this.s}"], "options"),
        (["--data", "d", "--options", "{a: 1, a: 2}"], "options"),
        (["--fit.epochs", "3"], "data"),
        (["--data", "d", "--config"], "--config: no file"),
        (["--data"], "data"),
        (["--data", "d", "--paths"], "paths"),
        (["stray", "--data", "d"], "stray"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_is_named_in_one_line(capsys, flags, named):
    before = set(sys.modules)
    assert run_command(lambda argv: parse(argv) and None, flags) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and named in line and line.count("\n") == 1 and "Traceback" not in line
    assert "this" not in set(sys.modules) - before


def test_help_has_the_text_of_every_field(capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(lambda argv: parse(argv) and None, ["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0 and "--fit.epochs" in said
    for text in ("a folder", "several files, the first of which counts", "passes over the data", "names of layers"):
        assert text in said


@dataclasses.dataclass(frozen=True)
class Choice:
    """Of a few words.

    Attributes:
        split: which patients.
        gaze: what is seen.
    """

    split: Literal["train", "test"] = "test"
    gaze: Literal["real", "none"] | None = None

    def __post_init__(self):
        check_fields(self)


def test_a_word_that_is_none_of_a_few_is_refused_with_those_there_are():
    parser = Parser(prog="evaluate.py")
    parser.add_settings(Choice)
    assert settings_of(Choice, parser, parser.parse_args(["--gaze", "none"])) == Choice(gaze="none")
    for words, said in (
        (["--split", "holdout"], "split must be one of train, test, not 'holdout'"),
        (["--gaze", "left"], "gaze must be one of real, none, not 'left'"),
    ):
        with pytest.raises(InputError, match=f"^{said}$") as refused:
            settings_of(Choice, parser, parser.parse_args(words))
        assert refused.value.parameter == said.split()[0], "a command adds the flag"
    assert "--split {train,test}" in parser.format_help() and "--gaze {real,none}" in parser.format_help()


@dataclasses.dataclass(frozen=True)
class Rate:
    """A number or nothing.

    Attributes:
        fps: frames per second.
        count: how many.
    """

    fps: float | None = None
    count: int | None = None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fps", "nan"], "fps must be a finite number, not nan"),
        (["--fps", "many"], "fps must be a finite number, not many"),
        (["--count", "2.5"], "count must be a whole number, not 2.5"),
    ],
)
def test_a_word_that_is_no_number_is_refused_without_the_parsers_own_words(words, said):
    parser = Parser(prog="predict.py")
    parser.add_settings(Rate)
    assert settings_of(Rate, parser, parser.parse_args(["--fps", "25", "--count", "2"])) == Rate(25.0, 2)
    with pytest.raises(InputError, match=f"^{said}$") as refused:
        parser.parse_args(words)
    assert refused.value.parameter == said.split()[0]


@dataclasses.dataclass(frozen=True)
class Ranged:
    """Values that can be of the right kind and wrong.

    Attributes:
        top_speed: at least 1.
        fit: how it is fitted.
    """

    top_speed: int = 1
    fit: Fit = dataclasses.field(default_factory=Fit)

    def __post_init__(self):
        if self.top_speed < 1:
            raise InputError(f"top_speed must be at least 1, not {self.top_speed}")
        if self.fit.epochs < 1:
            raise InputError(f"fit.epochs must be at least 1, not {self.fit.epochs}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one.yaml: fit.epochs must be at least 1, not 0"),
        (["--fit.epochs", "-1"], "fit.epochs must be at least 1, not -1"),
        (["--fit.epochs=1", "--top-speed=0"], "top_speed must be at least 1, not 0"),
        (["--fit", "{epochs: -2}"], "fit.epochs must be at least 1, not -2"),
        (["--fit.epochs", "1"], "two.yaml: top_speed must be at least 1, not -3"),
    ],
)
def test_a_value_out_of_range_names_the_file_that_has_set_it(preset, words, said):
    one = preset("top_speed: 5\nfit: {epochs: 0}\n", "one.yaml")
    two = preset(f"top_speed: {-3 if 'two' in said else 2}\nfit: {{rate: 0.2}}\n", "two.yaml")
    parser = Parser(prog="train.py")
    parser.add_settings(Ranged, read_presets(Ranged, [Path(one), Path(two)]))
    with pytest.raises(InputError) as refused:
        settings_of(Ranged, parser, parser.parse_args(words))
    assert str(refused.value).removeprefix(f"{Path(one).parent}/") == said
    assert refused.value.parameter == said.split(": ")[-1].split()[0]
