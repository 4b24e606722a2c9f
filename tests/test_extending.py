"""docs/extending.md: every file it shows is written into a copy of the packages, and every example is run there."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def test_the_files_of_the_page_are_found_and_its_examples_hold(tmp_path):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for name in settings["packages"]["find"]["include"]:
        if "." not in name and (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    for path, text in files:
        assert not (tmp_path / path).exists(), f"{path} is there already"
        (tmp_path / path).write_text(text)
    runs = re.findall(r"<!-- run -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(runs) == len(files) == len(re.findall("^## ", PAGE, re.MULTILINE))
    # One process for all: each example starts TensorFlow, and none depends on another.
    done = subprocess.run(
        [sys.executable, "-c", "import common.quiet\n" + "\n".join(runs)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
