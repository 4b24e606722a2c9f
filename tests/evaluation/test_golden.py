"""An evaluation gives the numbers it gave: who changes what is computed raises `evaluation.report.EVALUATION_VERSION`.

Stored results are taken over only where that version is theirs.
"""

import pytest

from evaluation.report import EVALUATION_VERSION

# Of `student/student.keras` of the fixture `evaluation`, in this version. Another machine rounds otherwise.
VERSION = 2
GOLDEN = {}


def test_evaluated_numbers_are_those_of_the_version(evaluation):
    row = evaluation.report["artefacts"][1]
    names = ("accuracy", "accuracy_ci95", "macro_f1", "macro_f1_ci95", "ece", "netscore")
    found = {name: row[name] for name in names}
    print(row)
    print(evaluation.report["saliency"])
    assert EVALUATION_VERSION == VERSION, f"take the numbers of the new version over into this test:\n{found}"
    assert found == {name: pytest.approx(value, abs=1e-3) for name, value in GOLDEN.items()}
