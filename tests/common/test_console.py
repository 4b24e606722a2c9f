"""Progress passes its items through, and in a log it is one line."""

import pytest

from common import console


def test_items_pass_through_and_a_log_gets_one_line(capsys):
    assert list(console.track(iter("abc"), "reading", total=3)) == ["a", "b", "c"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("reading: 3 in ")


def test_an_error_in_the_loop_is_not_held_back():
    def items():
        yield 1
        raise KeyError("x")

    with pytest.raises(KeyError):
        list(console.track(items(), "reading"))
