"""Hooks of mkdocs: one page of the API reference for each package, and the table of the loss terms.

Nothing has to be listed: a new module of a package appears on the package's page, a new term in the table.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

LOSS_TABLE = "<!-- loss terms -->"
ROOT = Path(__file__).resolve().parent.parent


def on_files(files: Files, config: Any) -> Files:
    """Add `reference/PACKAGE.md` for each package of pyproject.toml."""
    names = packages()
    for name in names:
        files.append(File.generated(config, f"reference/{name}.md", content=page(name)))
    config.nav.append({"Reference": [f"reference/{name}.md" for name in names]})
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Put the table of the loss terms, made from their declarations, where a page asks for it."""
    if LOSS_TABLE not in markdown:
        return markdown
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from losses import loss_table  # brings TensorFlow along

    return markdown.replace(LOSS_TABLE, loss_table())


def packages() -> list[str]:
    """The packages that pyproject.toml installs and that are there."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = settings["tool"]["setuptools"]["packages"]["find"]["include"]
    return [name for name in included if (ROOT / name / "__init__.py").is_file()]


def page(package: str) -> str:
    """Every public module of a package, in alphabetical order."""
    modules = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if not any(part.startswith("_") for part in parts):
            modules.append(".".join(parts))
    return f"# `{package}`\n\n" + "\n".join(f"::: {name}\n" for name in modules)
