"""An evaluation gives the numbers it gave: who changes what is computed raises `evaluation.report.EVALUATION_VERSION`.

What was evaluated before is used again only if that version is the same.
"""

import pytest

from evaluation.report import EVALUATION_VERSION

# Of the student and of the gaze head of the fixture `evaluation`, in this version. Another machine rounds otherwise.
VERSION = 3
STUDENT = {
    "accuracy": 4 / 24,
    "macro_f1": 0.10667,
    "macro_f1_ci95": [0.09877, 0.11111],
    "ece": 0.25587,
    "aurc": 0.93544,
    "votes": 4 / 24,
    "clips": 4 / 24,
    "never correct": 20,
    "netscore": 147.709,
}
GAZE_HEAD = {"kld": 1.10492, "cc": 0.01896, "sim": 0.33217, "nss": 0.02681, "auc_judd": 0.48438, "sauc": 0.5}


def test_evaluated_numbers_are_those_of_the_version(evaluation):
    row, head = evaluation.report["artefacts"][1], evaluation.report["saliency"]["rows"][0]
    found = {name: row[name] for name in ("accuracy", "macro_f1", "macro_f1_ci95", "ece", "netscore")}
    found |= {"aurc": row["selective"]["aurc"], "votes": row["votes"]["accuracy"], "clips": row["clips"]["accuracy"]}
    found["never correct"] = row["clips"]["time_to_first_correct_s"]["never"]
    gaze_head = {name: head[name] for name in GAZE_HEAD}
    assert EVALUATION_VERSION == VERSION, f"take the numbers of the new version over: {found}, {gaze_head}"
    moved = "what an evaluation gives has moved: raise EVALUATION_VERSION, and take the new numbers over"
    assert found == {name: pytest.approx(value, abs=1e-3) for name, value in STUDENT.items()}, moved
    assert gaze_head == {name: pytest.approx(value, abs=1e-3) for name, value in GAZE_HEAD.items()}, moved
