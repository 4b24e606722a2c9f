"""The snippets by which README and docs/ load what a run leaves are run on a run."""

import pytest

from tests.pages import block
from tests.training.tiny import CLASSES


@pytest.mark.parametrize("name", ["saved_model", "tflite"])
def test_loading_snippet_runs_and_names_the_classes(name, whole_run, tmp_path, monkeypatch, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(whole_run.run)
    monkeypatch.chdir(tmp_path)
    code = block(name, "python")
    # The size of the demo's frames is all that is its own.
    assert code.count("96, 128") == 1
    exec(compile(code.replace("96, 128", "48, 64"), name, "exec"), {})
    printed = capsys.readouterr().out
    assert all(name in printed for name in CLASSES)
