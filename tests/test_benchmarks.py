"""`make bench` installs what its parts compare with, and a part that lacks it is no result."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import every

ROOT = Path(__file__).resolve().parent.parent
OPTIONAL = {
    path: re.findall(r"^([\w.-]+)", path.read_text(), re.MULTILINE)
    for path in (ROOT / "requirements-dev.txt", ROOT / "requirements-bench.txt")
}


def imported(script: Path) -> set[str]:
    """Top-level modules that a script imports anywhere, and those of other benchmarks that it imports."""
    found = set()
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package, _, module = node.module.partition(".")
            found.add(package)
            if package == "benchmarks":
                others = [module] if module else [alias.name for alias in node.names]
                found |= set().union(*(imported(script.with_name(f"{name}.py")) for name in others))
    return found


@pytest.mark.parametrize("name", every.PARTS)
def test_a_part_needs_what_its_script_imports_beyond_the_requirements(name):
    part = every.PARTS[name]
    optional = {package.replace("-", "_") for packages in OPTIONAL.values() for package in packages}
    assert imported(every.HERE / part.words[0]) & optional <= set(part.needs) <= optional


def test_make_bench_installs_what_the_parts_need(tmp_path):
    for path in [ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("requirements*.txt")]:
        shutil.copy(path, tmp_path)
    printed = subprocess.run(["make", "-n", "bench"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    for path in OPTIONAL:
        assert f"-r {path.name}" in printed


def test_the_list_of_requirement_files_is_whole():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^\| `(requirements\S*\.txt)`", text, re.MULTILINE)) == {
        path.name for path in ROOT.glob("requirements*.txt")
    }
