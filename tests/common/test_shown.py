"""Paths and texts as they are stored: what tells files apart, and nothing of the machine."""

from pathlib import Path

import pytest

from common.shown import shown_path, shown_paths, shown_text


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The working directory: /…/here, of a user jane."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", "/people/jane")
    return tmp_path / "here"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (["runs/a/student.keras"], ["runs/a/student.keras"]),
        (["/media/ward 3/student.keras"], ["…/student.keras"]),
        (["/x/runs/a/student.keras", "/x/runs/b/student.keras"], ["…/a/student.keras", "…/b/student.keras"]),
        # Once the whole path of the first came out, as the two have no folder in common.
        (["/x/ward/runs/a/one.keras", "/media/b/two.keras"], ["…/a/one.keras", "…/b/two.keras"]),
        (["/people/jane/a.keras", "/media/b/a.keras"], ["…/~/a.keras", "…/b/a.keras"]),
        (["/x/a/c/d.keras", "/x/b/c/d.keras"], ["…/a/c/d.keras", "…/b/c/d.keras"]),
        ([], []),
    ],
    ids=str,
)
def test_paths(given, stored):
    assert shown_paths(given) == stored


def test_what_lies_below_the_working_directory_is_relative_to_it(here, monkeypatch):
    assert shown_path(here / "runs" / "a") == "runs/a"
    monkeypatch.chdir("/")  # everything lies below this one
    assert shown_path(here / "runs" / "a") == "…/a"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("python evaluate.py /x/ward/s.keras --data=/x/ward/d", "python evaluate.py …/s.keras --data=…/d"),
        ("{a: [/x/ward/b, /x/ward/c]}: no", "{a: […/b, …/c]}: no"),
        ('File "/people/jane doe/x.py", line 3', 'File "…/x.py", line 3'),
        ("wrote HERE/runs/a and HERE/b c/d", "wrote runs/a and b c/d"),
        ("see https://example.org/a/b, runs/a, 80/20, </p> ${DIR}/x …/y", None),
    ],
)
def test_texts(here, text, stored):
    assert shown_text(text.replace("HERE", str(here))) == (text if stored is None else stored)


def test_a_word_of_a_command_may_hold_blanks():
    words = ["--data", "/x/ward 3/d", "--run=/x/ward 3/r"]
    assert shown_text("--data '/x/ward 3/d' '--run=/x/ward 3/r'", words) == "--data '…/d' '--run=…/r'"
    assert shown_text("error: /x/ward 3/d: no data set", words) == "error: …/d: no data set"


def test_the_root_of_all_and_a_folder_below_it():
    assert shown_text("df / /x/y", ["/"]) == "df / …/y"
    assert shown_text("/data/a /x/data/b", ["/data"]) == "…/data/a …/b"


def test_a_user_without_a_name(monkeypatch):
    def nobody():
        raise KeyError("no such user")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("pathlib.Path.home", nobody)
    assert shown_path(Path("/media/x")) == "…/x"
