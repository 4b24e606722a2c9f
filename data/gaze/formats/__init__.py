"""The gaze formats, one module each: a module that holds `FORMAT` is found by being here."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from data.gaze.raw import GazeFormat


@functools.cache
def gaze_formats() -> tuple[GazeFormat, ...]:
    """All formats, the most particular first.

    Raises:
        TypeError: a module without a `FORMAT` that is a `GazeFormat`.
    """
    found = []
    for module in pkgutil.iter_modules(__path__):
        declared = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FORMAT", None)
        if not isinstance(declared, GazeFormat):
            raise TypeError(f"{__name__}.{module.name} declares no FORMAT of the class GazeFormat")
        found.append(declared)
    return tuple(sorted(found, key=lambda known: (known.rank, known.name)))
