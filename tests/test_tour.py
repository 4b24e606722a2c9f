"""docs/tour.ipynb runs from its first cell to its last, and what is stored of it is small."""

import os
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "tour.ipynb"
nbclient = pytest.importorskip("nbclient", reason="nbclient is a development requirement")
nbformat = pytest.importorskip("nbformat")

# As in other tests: graphs are not optimized, and for the few steps of a test none is built. Two steps of each training
# show that it runs; of what is learned no figure is looked at.
QUICKLY = """
import keras
import pytest
import tensorflow
from tests.eager import export_with_graphs

tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
tensorflow.config.run_functions_eagerly(True)
export_with_graphs(pytest.MonkeyPatch())
fit = keras.Model.fit
keras.Model.fit = lambda model, *data, **options: fit(
    model, *data, **options | ({"steps_per_epoch": 1} if "steps_per_epoch" in options else {})
)
"""


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NOTEBOOK.parent.parent), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(NOTEBOOK, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    notebook.cells.insert(0, nbformat.v4.new_code_cell(QUICKLY))
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        output.text for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "stream"
    )
    assert "float and 8-bit student agree" in printed and "each map sums to [1. 1. 1. 1.]" in printed
    assert (tmp_path / "student_int8.tflite").stat().st_size < 100_000


def test_what_is_stored_is_small_and_whole():
    assert NOTEBOOK.stat().st_size < 200_000
    cells = [cell for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
