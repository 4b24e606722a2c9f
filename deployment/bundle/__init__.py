"""The files for a device: `export_bundle(ExportConfig(run, out))`, or `export.py RUN --out DIR`.

What is imported from here is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployment.bundle.config import ExportConfig
    from deployment.bundle.write import export_bundle

__all__ = ["ExportConfig", "export_bundle"]

_HOMES = {"ExportConfig": "deployment.bundle.config", "export_bundle": "deployment.bundle.write"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deployment.bundle' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
