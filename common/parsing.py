"""Flags: jsonargparse, with one-line errors and YAML presets through `--config`."""

from __future__ import annotations

import jsonargparse

from common.errors import InputError


class Parser(jsonargparse.ArgumentParser):
    """An `ArgumentParser` whose errors are `InputError`, so that each is one line."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("exit_on_error", False)
        super().__init__(*args, **kwargs)

    def parse_args(self, args=None, *rest, **kwargs):
        """Parse; presets are read first wherever they stand, so that every other flag wins."""
        if args is not None:
            args = _presets_first(list(args))
        try:
            return super().parse_args(args, *rest, **kwargs)
        except UnicodeDecodeError as error:
            raise InputError(f"--config: the file is no UTF-8 text ({error}): give a YAML preset") from error

    def error(self, message: str, ex: Exception | None = None):
        line = " ".join(str(message).split())
        raise InputError(f"{line} (--help lists the flags)") from ex


def _presets_first(words: list[str]) -> list[str]:
    presets, others = [], []
    while words:
        word = words.pop(0)
        if word == "--config" and words:
            presets += [word, words.pop(0)]
        else:
            (presets if word.startswith("--config=") else others).append(word)
    return presets + others
