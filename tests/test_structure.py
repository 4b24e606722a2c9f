"""The shape of the repository: which way imports point, how long files and functions are, which words are used."""

import ast
import functools
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMMANDS = tuple(PYPROJECT["tool"]["setuptools"]["py-modules"])
PACKAGES = tuple(name for name in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"] if "." not in name)

# What a package may import, besides itself: everything to the right of it. The phantom stands apart.
_LAYERS = (
    COMMANDS,
    ("studies",),
    ("baselines", "deployment"),
    ("training",),
    ("quantization",),
    ("evaluation",),
    ("models",),
    ("data", "losses"),
    ("common",),
)
MAY_IMPORT = {name: {*itertools.chain(*_LAYERS[rank + 1 :])} for rank, layer in enumerate(_LAYERS) for name in layer}
MAY_IMPORT["phantom"] = {"data", "common"}
for above in (*COMMANDS, "studies"):
    MAY_IMPORT[above].add("phantom")

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# Words of an earlier house dialect, each with the field's word.
DIALECT = {
    r"(?<!leave )(?<!leaves )(?<!leaves_)rooms?": "package",
    r"verbs?": "command",
    r"roads?": "pipeline",
    r"(?<!ZIP_)deflated(?! file)": "gzipped size",
    r"told(?![ _]apart)": "say what is meant: misclassified, set, given",
    r"anew": "again",
    r"times smaller": "compression ratio",
    r"(?<!percentage )points (below|above|over|less|more)": "percentage points",
    r"\d\.\d points": "percentage points",
    r"\d points or": "percentage points",
    r"(answered wrong|wrong answers?)": "misclassified",
    r"quantis(e[drs]?|ing|ations?)": "quantize, as TF-MOT spells it",
    r"twins?": "what it is",
    r"kit": "keras_module",
    r"dear(er|est|ly)?": "costly",
}


def _tracked(*endings: str) -> list[Path]:
    """The repository's files, without what a run or an installation leaves in a clone."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("the tests run outside a git clone")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in files if path.is_file() and path.name.endswith(endings)]


def _sources() -> list[Path]:
    return _tracked(".py")


def _name(path: Path) -> str:
    """`data/gaze/read.py` → `data.gaze.read`; a package's `__init__.py` → the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(path: Path, modules: set[str] = frozenset()) -> set[str]:
    """Every module that a file imports, at its top or inside a function; of `modules` alone, if they are given.

    What is imported for the type checker alone counts for the direction, and not for circles.
    `from a import b` imports `a.b` where that is a module, else `a`.
    """
    found, typing_only = set(), set()
    for node in _nodes(path):
        if modules and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            typing_only |= {id(inner) for inner in ast.walk(node)}
    for node in _nodes(path):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= full & modules or {node.module}
    return found & modules if modules else found


def test_imports_point_one_way():
    wrong = []
    for path in _sources():
        package = _name(path).split(".")[0]
        if package not in MAY_IMPORT:
            continue
        tops = {name.split(".")[0] for name in _imports(path)} & set(MAY_IMPORT)
        wrong += [f"{path.relative_to(ROOT)} imports {top}" for top in tops - MAY_IMPORT[package] - {package}]
    assert not wrong, wrong


def test_no_files_import_each_other_in_a_circle():
    modules = {_name(path): path for path in _sources() if _name(path).split(".")[0] in PACKAGES}
    graph = {}
    for name, path in modules.items():
        graph[name] = _imports(path, set(modules)) - {name}
    # What imports nothing of the rest, or is imported by nothing of it, is in no circle: take that away until all is.
    while graph:
        imported = set().union(*graph.values())
        free = {name for name, needs in graph.items() if name not in imported or not needs & set(graph)}
        assert free, f"files that import each other in a circle, or lie between circles: {sorted(graph)}"
        graph = {name: needs - free for name, needs in graph.items() if name not in free}


def test_helpers_of_tests_lie_in_modules_of_their_own():
    """Fixtures come by their names; nothing is imported from a test or a conftest."""
    of_tests = {_name(path) for path in _sources() if path.name.startswith("test_")}
    assert "tests.data.test_records" in of_tests
    wrong = []
    for path in _sources():
        modules = {name for name in _imports(path, of_tests) if name.split(".")[-1].startswith("test_")}
        modules |= {name for name in _imports(path) if name.split(".")[-1] == "conftest"}
        wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in modules]
    assert not wrong, wrong


def test_only_quantization_knows_keras_2():
    for path in _sources():
        relative = path.relative_to(ROOT)
        if relative.parts[0] == "quantization" or relative.parts[:2] == ("tests", "quantization"):
            continue
        legacy = {name.split(".")[0] for name in _imports(path)} & {"tf_keras", "tensorflow_model_optimization"}
        assert not legacy, f"{relative} imports {legacy}"


def test_no_file_is_long():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in _sources()}
    long = {str(path.relative_to(ROOT)): n for path, n in lines.items() if n > LONGEST_FILE}
    assert not long


def test_no_function_is_long():
    long = {}
    for path in _sources():
        for node in _nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert not long


@pytest.mark.parametrize("word", DIALECT)
def test_the_fields_words_are_used(word):
    pattern = re.compile(rf"(?<![A-Za-z]){word}(?![A-Za-z])", re.IGNORECASE)
    found = []
    text = (".py", ".md", ".yaml", ".toml", ".cff", ".txt", ".js", ".mjs", ".html", ".css", ".ipynb", ".sh")
    for path in _tracked(*text, "Makefile", "Snakefile"):
        # The changes name what was renamed.
        if path in (Path(__file__).resolve(), ROOT / "CHANGELOG.md"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, f"write {DIALECT[word]!r}:\n" + "\n".join(found)


def test_no_path_of_one_machine():
    pattern = re.compile(r"(?<![\w.$}/])/(work|opt|home|Users|root|mnt|scratch)/\w")
    for path in _tracked(".py", ".md", ".yaml", ".toml", ".cff", ".json", ".ipynb", ".css", "Makefile", ".ci/run"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not pattern.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_every_package_is_installed_with_its_types():
    top = {path.parent.name for path in _tracked("__init__.py") if path.parent.parent == ROOT} - {"tests"}
    assert top <= set(PACKAGES), f"not in pyproject.toml: {top - set(PACKAGES)}"
    for name in top - {"benchmarks"}:
        assert (ROOT / name / "py.typed").is_file(), f"{name}/py.typed is missing"  # it counts for all below
    checked = set(PYPROJECT["tool"]["mypy"]["files"])
    assert top | {f"{name}.py" for name in COMMANDS} <= checked, "mypy does not see all of the code"


def test_every_console_script_is_a_command():
    scripts = PYPROJECT["project"]["scripts"]
    assert set(scripts.values()) == {f"{name}:command" for name in COMMANDS}
    for name in COMMANDS:
        tree = ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8"))
        assert "command" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_data_folder_in_the_working_directory_hides_no_package(tmp_path):
    for name in ("data", "models", "common"):
        (tmp_path / name).mkdir()
    words = [sys.executable, "-c", "import common.errors, data.gaze.table; print(data.__file__)"]
    done = subprocess.run(
        words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == ROOT / "data"
