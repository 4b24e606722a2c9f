"""The evidence page's numbers follow from the stored predictions, by numpy alone."""

import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = sorted(path.parent for path in (ROOT / "studies" / "results").glob("*/study.json"))
PAGE = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")


def table(file):
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def accuracies(folder, arm):
    """{seed: accuracy} of an arm, from its tables alone."""
    label = np.array([int(row["label"]) for row in table(folder / "frames.csv.gz")])
    found = {}
    for file in folder.glob(f"{arm}.s*.csv.gz"):
        chosen = np.array([[float(value) for value in row.values()] for row in table(file)]).argmax(axis=1)
        found[int(re.search(r"\.s(\d+)\.", file.name)[1])] = np.mean((chosen == label)[label >= 0])
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_three_numbers_of_the_page_are_those_of_the_tables(folder):
    index = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    block = re.search(rf"<!-- results: {re.escape(folder.name)} -->(.*?)<!-- end of results -->", PAGE, re.DOTALL)[1]
    ran = [arm for arm in index["arms"] if any(name.startswith(f"{arm}.s") for name in index["trainings"])]
    for arm in ran[:3]:
        values = np.array([value for _, value in sorted(accuracies(folder, arm).items())])
        spread = f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" if len(values) > 1 else f"{values.mean():.3f} (one"
        line = next(line for line in block.splitlines() if line.startswith(f"| {index['arms'][arm]['model']} |"))
        assert f"| {len(values)} | {spread}" in line
    assert not ran or len(table(folder / "frames.csv.gz")) > 0


def test_stored_results_stay_small():
    assert sum(file.stat().st_size for file in (ROOT / "studies" / "results").glob("**/*") if file.is_file()) < 5 << 20
