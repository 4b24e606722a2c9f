"""The evidence page, the README and the stored predictions that their numbers follow from."""

import bz2
import csv
import functools
import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = sorted(path.parent for path in (ROOT / "studies" / "results").glob("**/study.json"))
PAGE = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
TRAINING_PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table(file):
    with bz2.open(file, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@functools.cache
def accuracies(folder, arm):
    """{seed: accuracy} of an arm, from its tables alone."""
    label = np.array([int(row["label"]) for row in table(folder / "frames.csv.bz2")])
    found = {}
    for file in folder.glob(f"{arm}.s*.csv.bz2"):
        chosen = np.array([[float(value) for value in row.values()] for row in table(file)]).argmax(axis=1)
        found[int(re.search(r"\.s(\d+)\.", file.name)[1])] = np.mean((chosen == label)[label >= 0])
    return found


def of_five_seeds(arm, table="patients_16"):
    found = accuracies(ROOT / "studies" / "results" / table, arm)
    assert sorted(found) == [0, 1, 2, 3, 4]
    return np.array([found[seed] for seed in sorted(found)])
