"""Engines that end their process: one line, and this process lives on."""

import numpy as np
import pytest

from deployment.bundle.engines import answers_of, run_process

STAND_IN = """
import os
class Interpreter:
    @classmethod
    def from_bytes(cls, content, arena_size):
        if content == b"loading":
            os.abort()
        return cls()
    def set_input(self, frame, number):
        os.abort()
"""


def test_a_module_of_the_working_directory_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('the json.py of the working directory')")
    monkeypatch.chdir(tmp_path)
    assert run_process("common.documents", "no word that it reads") == ""


@pytest.mark.parametrize(
    ("aborts", "message"),
    [
        ("loading", "ends its process by SIGABRT on the model, with an arena of 268,435,456 bytes too"),
        ("answering", "^deployment.bundle.engine_process micro was ended by SIGABRT$"),
    ],
)
def test_tensorflow_lite_micro_that_aborts_is_one_line(aborts, message, tmp_path, monkeypatch):
    (tmp_path / "tflite_micro").mkdir()
    (tmp_path / "tflite_micro" / "__init__.py").touch()
    (tmp_path / "tflite_micro" / "runtime.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=message) as error:
        answers_of("micro", aborts.encode(), np.zeros((1, 2, 2, 1), np.uint8))
    assert "\n" not in str(error.value)
