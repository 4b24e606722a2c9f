"""export.py: a bundle whole or not at all, and one line for whatever is wrong."""

import shutil

import pytest

import export
from common.errors import InputError, run_command
from tests.deployment.bundle import tiny_run


@pytest.fixture
def quick(monkeypatch):
    """Other engines are not asked."""
    monkeypatch.setattr("deployment.bundle.engines.missing", lambda *modules: modules[0])


def test_a_bundle_is_replaced_only_when_asked(run, tmp_path, quick, capsys):
    out = tmp_path / "bundle"
    words = [str(run), "--out", str(out), "--latency", "false", "--licence", "MIT"]
    assert run_command(export.main, words) == 0
    printed = capsys.readouterr()
    assert "student_int8_rgb.tflite" in printed.out and "model_card.md" in printed.out
    first = (out / "student_int8.tflite").read_bytes()
    assert run_command(export.main, words) == 2
    assert "set overwrite" in capsys.readouterr().err
    assert run_command(export.main, [*words, "--overwrite"]) == 0
    assert (out / "student_int8.tflite").read_bytes() == first  # equal runs, equal bytes
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


BAD = [
    (["{tmp}/none"], "there is no such run folder"),
    (["{data}"], "there is no 8-bit student"),
    (["{broken}"], "its SHA-256 is"),
    (["{moved}"], "name it in data"),
    (["{bare}"], "no config.yaml of this stage"),
    (["{run}", "--data", "{tmp}"], "dataset.json"),
    (["{run}", "--data", "{smaller}"], "takes frames of 48×64"),
    (["{run}", "--split", "holdout"], "split must be one of"),
    (["{run}", "--licence", "a\nb"], "licence must be one line"),
    (["{run}", "--licence", ""], "licence must be one line"),
    (["{run}", "--colour", "red"], "--colour"),
]


@pytest.fixture(scope="module")
def places(run, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    tiny_run.write_data(folder / "smaller", size=(40, 64))
    shutil.copytree(run, folder / "broken")
    with (folder / "broken" / "int8" / "student_int8.tflite").open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"damage")
    shutil.copytree(run, folder / "bare")
    (folder / "bare" / "int8" / "config.yaml").unlink()
    shutil.copytree(run, folder / "moved")
    (folder / "moved" / "config.yaml").write_text("data: gone\nseed: 0\n")
    return {"run": run, "data": data, **{name: folder / name for name in ("smaller", "broken", "bare", "moved")}}


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_one_line_and_leaves_nothing(places, tmp_path, quick, capsys, words, message):
    words = [word.format(tmp=tmp_path, **places) for word in words]
    assert run_command(export.main, [*words, "--out", str(tmp_path / "out"), "--latency", "false"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert not list(tmp_path.iterdir())


def test_a_failure_on_the_way_leaves_nothing(run, tmp_path, quick, monkeypatch):
    def fail(*_):
        raise OSError("no more")

    monkeypatch.setattr("deployment.bundle.card_text.markdown", fail)
    with pytest.raises(OSError, match="no more"):
        export.main([str(run), "--out", str(tmp_path / "out"), "--latency", "false"])
    assert not list(tmp_path.iterdir())


def test_a_float_model_in_the_place_of_the_8_bit_one_is_refused(run, tmp_path, quick):
    from evaluation.artefacts import load_keras_model, read_metadata
    from quantization.tflite import export_float_tflite

    copy = shutil.copytree(run, tmp_path / "run")
    student = copy / "student" / "student.keras"
    export_float_tflite(load_keras_model(student), copy / "int8" / "student_int8.tflite", read_metadata(student))
    with pytest.raises(InputError, match=r"float32 \[1, 48, 64, 1\] where uint8"):
        export.main([str(copy), "--out", str(tmp_path / "out")])
