"""Metrics of artefacts on a data set.

    from evaluation import EvaluateConfig, evaluate

    report = evaluate(EvaluateConfig(artefacts=["runs/demo/int8/student_int8.tflite"], data="datasets/phantom"))
    report["artefacts"][0]["accuracy"]

`run_evaluation` gives the predictions as well, for figures (`evaluation.plots.write_plots`);
`predict_gaze` gives gaze maps of new frames. What is imported from here is loaded when it is
first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.artefacts import load_artefact
    from evaluation.config import EvaluateConfig
    from evaluation.gaze_head import predict_gaze
    from evaluation.report import Evaluation, evaluate, run_evaluation

__all__ = ["EvaluateConfig", "Evaluation", "evaluate", "load_artefact", "predict_gaze", "run_evaluation"]

_HOMES = {
    "EvaluateConfig": "evaluation.config",
    "Evaluation": "evaluation.report",
    "evaluate": "evaluation.report",
    "load_artefact": "evaluation.artefacts",
    "predict_gaze": "evaluation.gaze_head",
    "run_evaluation": "evaluation.report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
