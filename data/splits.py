"""Splits by patient: no patient is ever in two of train, val and test."""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from common.errors import InputError
from data.names import spelling_key

Split = Literal["train", "val", "test"]
SPLITS: tuple[str, ...] = typing.get_args(Split)
KEPT_BACK = ""  # in place of a split, for patients who are not used at all


def split_patients(
    patients: Iterable[str],
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    fixed: Mapping[str, str] | None = None,
    source: str | Path | None = None,
) -> dict[str, str]:
    """Assign every patient to one split.

    Args:
        patients: patient ids; repeats are one patient.
        val_fraction, test_fraction: shares of the *patients*, each in [0, 1);
            a share above 0 gets at least one patient.
        seed: of the shuffle. The order in which patients come does not matter.
        fixed: patients whose split is given (an official split, a manifest column).
        source: the file that lists the patients, which a refusal names.

    Returns:
        {patient id: "train" | "val" | "test"}.

    Raises:
        InputError: impossible fractions, or too few patients for them.
    """
    for name, value in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= value < 1:
            raise InputError(f"{name} must be at least 0 and below 1, not {value}")
    if val_fraction + test_fraction >= 1:
        raise InputError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} leave nothing to train on: "
            "their sum must be below 1"
        )
    if seed < 0:
        raise InputError(f"seed must not be negative, and is {seed}")
    fixed = dict(fixed or {})
    free = sorted({str(patient) for patient in patients} - set(fixed))
    order = np.random.default_rng(seed).permutation(len(free))
    counts = {
        name: max(1, round(fraction * len(free))) if fraction and free else 0
        for name, fraction in (("val", val_fraction), ("test", test_fraction))
    }
    if free and sum(counts.values()) >= len(free):
        count = "1 patient is" if len(free) == 1 else f"{len(free)} patients are"
        raise InputError(
            f"{'' if source is None else f'{source}: '}{count} too few for val_fraction {val_fraction} and "
            f"test_fraction {test_fraction}: each split needs a patient of its own, so add patients or set a "
            "fraction to 0"
        )
    assigned = dict(fixed)
    for rank, index in enumerate(order):
        if rank < counts["test"]:
            split = "test"
        elif rank < counts["test"] + counts["val"]:
            split = "val"
        else:
            split = "train"
        assigned[free[index]] = split
    return assigned


def leave_scanner_out(
    scanner: str, scanners: Mapping[str, Collection[str]], official: Mapping[str, str]
) -> dict[str, str]:
    """Splits for training on all scanners but one and testing on that one.

    Patients of that scanner are the test, others are trained and validated on. Patients of an
    official test are left out: settings that are chosen by this split must not depend on it.

    Args:
        scanner: the one left out. scanners: {patient: names of the scanners that showed this patient}.
        official: {patient: split} as far as it is given.

    Returns:
        {patient: "test", `KEPT_BACK`, or the official "train" or "val"}; patients still to be split are not in it.

    Raises:
        InputError: no patient, or every patient, was scanned by it; its name is spelt in two ways.
    """
    found = sorted({name for names in scanners.values() for name in names if name})
    if scanner not in found:
        raise InputError(f"leave_out_scanner {scanner!r}: no frame is from it; there are {', '.join(found) or 'none'}")
    alike = [name for name in found if name != scanner and spelling_key(name) == spelling_key(scanner)]
    if alike:  # else it would be trained on
        raise InputError(
            f"leave_out_scanner {scanner!r}: {', '.join(map(repr, alike))} differs only in case or blanks: write each "
            "scanner in one way"
        )
    decided = dict(official)
    for patient, names in scanners.items():
        if official.get(patient) == "test":
            decided[patient] = KEPT_BACK
        elif scanner in names:
            decided[patient] = "test"
    for wanted, what in (("test", "from it"), (None, "from another scanner")):
        if not any(decided.get(p) in ((wanted,) if wanted else (None, "train", "val")) for p in scanners):
            raise InputError(f"leave_out_scanner {scanner!r}: outside the official test no patient is {what}")
    return decided


def check_others(scanner: str, splits: Collection[str]) -> None:
    """Refuse splits of which none is left to train or to validate on, since the manifest gives them so.

    Args:
        scanner: the one left out. splits: of all patients.

    Raises:
        InputError: no patient is in "train", or none in "val".
    """
    for split in ("train", "val"):
        if split not in splits:
            raise InputError(
                f"leave_out_scanner {scanner!r}: no patient of the other scanners is in split {split!r}: leave the "
                "split of some of them empty, or give it to one"
            )
