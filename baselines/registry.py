"""What a baseline declares, and how the package finds all baselines."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from common.parsing import Parser, settings_of


@dataclasses.dataclass(frozen=True)
class Baseline:
    """One baseline: a module of this package that holds one as `BASELINE` is a subcommand of compress.py.

    Attributes:
        name: of the subcommand.
        help: one line.
        config: frozen dataclass derived from `BaselineConfig`; its fields are the flags, its docstring their help.
        run: does it, given a `config`.
    """

    name: str
    help: str
    config: type
    run: Callable[[Any], Any]

    def parser(self) -> Parser:
        """The flags of its configuration."""
        parser = Parser(description=(self.config.__doc__ or "").partition("\n\n    Attributes:")[0])
        parser.add_settings(self.config)
        return parser

    def parse(self, words: list[str]) -> Any:
        """The configuration that flags stand for.

        Raises:
            InputError: a flag or a value that is wrong.
        """
        parser = self.parser()
        return settings_of(self.config, parser, parser.parse_args(words))


def all_baselines() -> dict[str, Baseline]:
    """Every baseline by its name, in the order of their modules' names."""
    package = importlib.import_module("baselines")
    found = pkgutil.iter_modules(package.__path__, prefix="baselines.")
    declared = (getattr(importlib.import_module(each.name), "BASELINE", None) for each in found)
    return {baseline.name: baseline for baseline in declared if baseline is not None}
