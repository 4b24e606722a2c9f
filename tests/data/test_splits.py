"""Patients are split, not frames: sizes, disjointness, and what may not change an assignment."""

from collections import Counter

import pytest

from common.errors import InputError
from data.splits import KEPT_BACK, SPLITS, check_others, leave_scanner_out, split_patients

PATIENTS = [f"p{i:03d}" for i in range(100)]


def split(patients=PATIENTS, *, val_fraction=0.15, test_fraction=0.25, seed=0, **kwargs):
    return split_patients(patients, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed, **kwargs)


def test_every_patient_is_in_one_split_of_the_asked_size():
    assigned = split()
    assert set(assigned) == set(PATIENTS)
    assert Counter(assigned.values()) == {"train": 60, "val": 15, "test": 25}


@pytest.mark.parametrize("count", [3, 4, 7, 10, 33])
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3])
def test_small_groups_still_fill_every_split(count, fraction):
    sizes = Counter(split(PATIENTS[:count], val_fraction=fraction, test_fraction=fraction).values())
    assert set(sizes) == set(SPLITS) and sum(sizes.values()) == count
    for name in ("val", "test"):
        assert sizes[name] == max(1, round(fraction * count))


def test_repeats_and_order_do_not_matter():
    assert split([*reversed(PATIENTS), *PATIENTS]) == split()
    assert split(iter(PATIENTS)) == split()


def test_the_seed_decides():
    assert split(seed=1) == split(seed=1) != split(seed=2)


def test_over_many_seeds_every_patient_is_tested_about_as_often():
    tested = Counter()
    for seed in range(400):
        tested.update(p for p, name in split(PATIENTS[:20], seed=seed).items() if name == "test")
    assert set(tested) == set(PATIENTS[:20])
    assert max(tested.values()) < 150 and min(tested.values()) > 60  # 100 expected, sd 8.7


def test_a_fraction_of_zero_makes_no_split():
    assert set(split(val_fraction=0.0, test_fraction=0.0).values()) == {"train"}
    assert set(split(["one"], val_fraction=0.0, test_fraction=0.0).values()) == {"train"}
    assert set(split(val_fraction=0.0).values()) == {"train", "test"}


def test_a_given_split_is_kept_and_the_rest_divided():
    fixed = {"p000": "test", "p001": "val", "other": "train"}
    assigned = split(fixed=fixed)
    assert {name: assigned[name] for name in fixed} == fixed
    free = Counter(name for patient, name in assigned.items() if patient not in fixed)
    assert free == {"train": 98 - 15 - 24, "val": 15, "test": 24}
    assert split(["a", "b"], fixed={"a": "train", "b": "test"}) == {"a": "train", "b": "test"}


@pytest.mark.parametrize("val, test", [(1.0, 0.1), (-0.1, 0.1), (0.5, 0.5), (0.6, 0.7), (0.1, float("nan"))])
def test_impossible_fractions_are_refused(val, test):
    with pytest.raises(InputError, match="_fraction"):
        split(val_fraction=val, test_fraction=test)


@pytest.mark.parametrize("count, words", [(1, "1 patient is too few"), (2, "2 patients are too few")])
def test_too_few_patients_are_refused_with_the_file_that_lists_them(count, words):
    with pytest.raises(InputError, match=f"^{words}"):
        split(PATIENTS[:count])
    with pytest.raises(InputError, match=f"^clips.csv: {words}"):
        split(PATIENTS[:count], source="clips.csv")


def test_numbers_as_ids_are_the_same_as_their_text():
    assert split(range(20)) == split([str(i) for i in range(20)])


def test_leaving_a_scanner_out_keeps_the_official_test_back():
    scanners = {"a": {"E6"}, "b": {"S10"}, "c": {"E6", "S10"}, "d": {"E6"}, "e": {"S10"}, "f": {"S10"}}
    official = {"d": "test", "e": "test", "b": "train", "f": "val"}
    decided = leave_scanner_out("E6", scanners, official)
    assert decided == {"a": "test", "c": "test", "b": "train", "f": "val", "d": KEPT_BACK, "e": KEPT_BACK}


@pytest.mark.parametrize(
    ("scanner", "official", "words"),
    [
        ("E8", {}, "no frame is from it; there are E6, S10"),
        ("E6", {"a": "test"}, "outside the official test no patient is from it"),
        ("E6", {"b": "test"}, "outside the official test no patient is from another scanner"),
    ],
)
def test_a_scanner_that_can_not_be_left_out_is_refused(scanner, official, words):
    with pytest.raises(InputError, match=words):
        leave_scanner_out(scanner, {"a": {"E6"}, "b": {"S10", ""}}, official)


def test_a_scanner_that_is_written_in_two_ways_is_not_trained_on():
    with pytest.raises(InputError, match="'E6': ' e6' differs only in case or blanks: write each scanner in one way"):
        leave_scanner_out("E6", {"a": {"E6"}, "b": {" e6"}, "c": {"S10"}}, {})


@pytest.mark.parametrize(("given", "missing"), [("train", "val"), ("val", "train")])
def test_splits_that_leave_nobody_to_train_or_validate_on_are_refused(given, missing):
    with pytest.raises(InputError, match=f"no patient of the other scanners is in split '{missing}'"):
        check_others("E6", ["test", given])
    check_others("E6", ["test", "val", "train"])
