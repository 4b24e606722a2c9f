"""Flags: jsonargparse, with one-line errors and YAML presets through `--config`."""

from __future__ import annotations

import jsonargparse

from common.errors import InputError


class Parser(jsonargparse.ArgumentParser):
    """An `ArgumentParser` whose errors are `InputError`, so that each is one line."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("exit_on_error", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None):
        line = " ".join(str(message).split())
        raise InputError(f"{line} (--help lists the flags)") from ex
