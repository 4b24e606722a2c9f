"""A wrong flag is one line that names it, whatever kind of wrong it is."""

import pytest

from common.errors import InputError, run_command
from common.parsing import Parser


def parser() -> Parser:
    made = Parser(prog="train.py", description="For the test.")
    made.add_argument("--config", action="config")
    made.add_argument("--data", required=True, help="folder")
    made.add_argument("--epochs", type=int, default=3)
    made.add_argument("--rate", type=float, default=0.1)
    made.add_argument("--gaze", choices=["real", "none"], default="real")
    return made


def test_flags_presets_and_who_wins(tmp_path):
    preset = tmp_path / "demo.yaml"
    preset.write_text("epochs: 7\nrate: 0.5\n")
    given = parser().parse_args(["--config", str(preset), "--data", "d", "--rate", "0.25"])
    assert (given.epochs, given.rate, given.data, given.gaze) == (7, 0.25, "d", "real")

    reversed_order = parser().parse_args(["--data", "d", "--rate", "0.25", f"--config={preset}"])
    assert (reversed_order.epochs, reversed_order.rate) == (7, 0.25), "the command line wins wherever it stands"


def test_a_preset_that_is_no_text_is_named(tmp_path):
    preset = tmp_path / "demo.yaml"
    preset.write_bytes(b"\xff\xfe\x00epochs")
    with pytest.raises(InputError, match="--config"):
        parser().parse_args(["--data", "d", "--config", str(preset)])


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--data", "d", "--epoch_s", "3"], "epoch_s"),
        (["--data", "d", "--epochs", "many"], "epochs"),
        (["--data", "d", "--epochs", "2.5"], "epochs"),
        (["--data", "d", "--rate", "fast"], "rate"),
        (["--data", "d", "--gaze", "sideways"], "gaze"),
        (["--epochs", "3"], "data"),
        (["--data", "d", "--config", "missing.yaml"], "missing.yaml"),
        (["--data"], "data"),
        (["stray", "--data", "d"], "stray"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_is_named_in_one_line(capsys, flags, named):
    with pytest.raises(InputError) as caught:
        parser().parse_args(flags)
    assert named in str(caught.value) and "\n" not in str(caught.value)
    assert run_command(lambda argv: parser().parse_args(argv) and None, flags) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1 and "Traceback" not in line


@pytest.mark.parametrize("text, named", [("epoch: 7\n", "epoch"), ("epochs: many\n", "epochs"), ("epochs: [\n", "")])
def test_a_wrong_preset_is_named_in_one_line(tmp_path, capsys, text, named):
    preset = tmp_path / "wrong.yaml"
    preset.write_text(text)
    flags = ["--config", str(preset), "--data", "d"]
    assert run_command(lambda argv: parser().parse_args(argv) and None, flags) == 2
    line = capsys.readouterr().err
    assert named in line and line.count("\n") == 1 and "Traceback" not in line


def test_help_is_printed_and_exits_with_0(capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(lambda argv: parser().parse_args(argv) and None, ["--help"])
    assert caught.value.code == 0 and "--epochs" in capsys.readouterr().out
