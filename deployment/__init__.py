"""What a trained student is used for: prediction on videos, images and streams.

    from deployment import predict

    found = predict("runs/demo/int8/student_int8.tflite", frames, times_s=times_s)
    found.table, found.intervals()

What is imported from here is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployment.prediction import Prediction, predict

__all__ = ["Prediction", "predict"]

_HOMES = {"Prediction": "deployment.prediction", "predict": "deployment.prediction"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deployment' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
