"""What runs of this folder have found, kept: each was a traceback, or a wrong reading, once."""

import pytest

from common.errors import InputError
from common.strict_yaml import read_mapping
from data.gaze.read import read_gaze
from studies.declare import read_study
from tests.studies.small import STUDY


def test_a_clock_whose_steps_have_nothing_in_common(place):
    """The median of an even number of steps lay between them, near none."""
    path = place("gaze.csv", b"time_s,x,y\n10,0.25,0.5\n1e-300,0.5,0.25\n10.016,0.75,0.1\n10.024,0.5,0.5\n")
    assert read_gaze(path).time_s.tolist() == [10, 1e-300, 10.016, 10.024]


@pytest.mark.parametrize("eye", ["left", "right"])
def test_a_point_that_has_lost_its_y(place, eye):
    names = ["device_time_stamp"]
    names += [f"{one}_{name}" for one in ("left", "right") for name in
              ("gaze_point_on_display_area_x", "gaze_point_on_display_area_y", "gaze_point_validity")]  # fmt: skip
    names.remove(f"{eye}_gaze_point_on_display_area_y")
    rows = [[str(1000 + 16_000 * i), *["0.5"] * (len(names) - 1)] for i in range(4)]
    rows = [[cell if "validity" not in name else "1" for cell, name in zip(row, names)] for row in rows]
    path = place("gaze.csv", "\n".join(",".join(row) for row in [names, *rows]).encode())
    with pytest.raises(InputError, match=rf"has no column '{eye}_gaze_point_on_display_area_y'"):
        read_gaze(path)


@pytest.mark.parametrize("member", ["[small]", "null", "3", "{}"])
def test_an_ensemble_of_what_is_no_name(place, member):
    path = place("study.yaml", STUDY.replace("[small, sparse]", f"[{member}, {member}]").encode())
    with pytest.raises(InputError, match=r"rows.both.ensemble"):
        read_study(path)


@pytest.mark.parametrize(
    "text, said",
    [
        ("a: &a [*a]\n", "stands in what it refers to"),
        ("a: &a [1, 1, 1, 1]\n" + "".join(f"x{i}: &x{i} [{', '.join([f'*{p}'] * 4)}]\n" for i, p in
         enumerate(["a", *(f"x{n}" for n in range(11))])), "more than 100,000 values"),
    ],
)  # fmt: skip
def test_references_that_grow(place, text, said):
    with pytest.raises(InputError, match=said):
        read_mapping(place("study.yaml", text.encode()), references=True)
