"""docs/extending.md: every file it shows is written into a copy of the packages, and every example is run there."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

# What the page's loss term and student are to everything else, which was not edited.
KNOWN_EVERYWHERE = """
from losses import LossSettings
from models import names
from models.distiller import Distiller
from training.flags import build_parser

help_text = " ".join(build_parser().format_help().split())
assert "--loss.confidence" in help_text and "minus the entropy" in help_text and "plain_net" in names("student")
made = Distiller(create("plain_net", (32, 32, 1), 3, width=0.25), None, LossSettings(confidence=0.5).without_teacher())
made.compile("sgd", jit_compile=False)
features = {"frame": np.ones((2, 32, 32, 1), "float32"), "gaze": np.full((2, 4, 4), 1 / 16, "float32")}
logs = made.train_step((features | {"gaze_valid": np.array([True, False])}, np.array([0, 2]), np.ones(2, "float32")))
assert float(logs["confidence"]) >= 0 and float(logs["loss"]) > 0
"""

# And the tests that find every student and term: those of the page's.
GENERIC = """
import sys
import pytest
files = ["tests/models/test_registry.py", "tests/losses/test_terms.py"]
sys.exit(pytest.main(["-p", "no:xdist", "-p", "no:cacheprovider", *files, "-k", "plain_net or confidence"]))
"""

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def test_the_files_of_the_page_are_found_and_its_examples_hold(tmp_path):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for name in settings["packages"]["find"]["include"]:
        if "." not in name and (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc.*"))  # being written
    for place in ("pyproject.toml", "tests/__init__.py", "tests/conftest.py", "tests/eager.py", "tests/quick.py"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / place, tmp_path / place)
    for place in ("tests/models", "tests/losses"):
        shutil.copytree(ROOT / place, tmp_path / place, ignore=shutil.ignore_patterns("__pycache__"))
    files = re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    for path, text in files:
        assert not (tmp_path / path).exists(), f"{path} is there already"
        (tmp_path / path).write_text(text)
    runs = re.findall(r"<!-- run -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(runs) == len(files) == len(re.findall("^## ", PAGE, re.MULTILINE))
    # One process for all: each example starts TensorFlow, and none depends on another.
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(["import common.quiet", *runs, KNOWN_EVERYWHERE, GENERIC])],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 20 and "skipped" not in done.stdout, done.stdout
