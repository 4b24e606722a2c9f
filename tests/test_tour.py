"""docs/tour.ipynb runs from its first cell to its last, and what is stored of it is small."""

import json
import traceback
import types
from pathlib import Path

import keras
import matplotlib
import pytest
import tensorflow as tf

from tests.eager import export_with_graphs

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "tour.ipynb"
interactiveshell = pytest.importorskip("IPython.core.interactiveshell", reason="ipython is a development requirement")
traitlets_config = pytest.importorskip("traitlets.config")


class Shell(interactiveshell.InteractiveShell):
    """What runs a kernel's cells, without a window."""

    failed = None

    def enable_gui(self, gui=None):
        """`%matplotlib inline` asks for none."""

    def showtraceback(self, *args, **kwargs):
        """A cell's error, also one within a magic, is kept for the test."""
        self.failed = traceback.format_exc()


def code_cells() -> list[dict]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_the_notebook_runs(tmp_path, monkeypatch, capsys):
    """By IPython, in this process, which has TensorFlow already.

    As in other tests no graph is built for a few steps. One step of each epoch shows that a training runs; of what is
    learned no figure is looked at.
    """
    fit, level = keras.Model.fit, tf.get_logger().level
    monkeypatch.setattr(
        "keras.Model.fit",
        lambda model, *data, **options: fit(
            model, *data, **options | ({"steps_per_epoch": 1} if "steps_per_epoch" in options else {})
        ),
    )
    export_with_graphs(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    kept_nowhere = traitlets_config.Config({"HistoryManager": {"enabled": False}})
    shell = Shell(config=kept_nowhere, user_module=types.ModuleType("tour"))
    with matplotlib.rc_context():
        for cell in code_cells():
            shell.run_cell("".join(cell["source"]))
            assert shell.failed is None, shell.failed
    tf.get_logger().setLevel(level)
    printed = capsys.readouterr().out
    assert "float and 8-bit student agree" in printed and "each map sums to [1. 1. 1. 1.]" in printed
    assert (tmp_path / "student_int8.tflite").stat().st_size < 100_000


def test_what_is_stored_is_small_and_whole():
    assert NOTEBOOK.stat().st_size < 200_000
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(output["output_type"] == "error" for cell in cells for output in cell["outputs"])
