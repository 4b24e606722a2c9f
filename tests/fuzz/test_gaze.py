"""Gaze files: damaged ones are refused or read; the same samples in another dialect are the same samples."""

import gzip

import numpy as np
import pytest
from hypothesis import strategies as st

from data.gaze.formats import gaze_formats
from data.gaze.read import read_gaze
from tests.data.gaze_files import FILES, SCREEN
from tests.fuzz.drive import accepted, fuzz
from tests.fuzz.strategies import damaged, odd_numbers, odd_texts

TIME_S = 10 + np.arange(40) / 60
X = 0.5 + 0.3 * np.cos(TIME_S)
Y = 0.5 + 0.3 * np.sin(TIME_S)


def own_examples():
    """{name of a format: a file of it}, as each format writes its own example."""
    screen = (1600, 800)
    return {known.name: known.example(TIME_S, X, Y, screen) for known in gaze_formats() if known.example is not None}


@pytest.mark.parametrize("cells", [False, True], ids=["bytes", "cells"])
def test_a_damaged_file(place, cells):
    texts = {**{kind: text() for kind, (_, text, _) in FILES.items()}, **own_examples()}

    @st.composite
    def files(draw):
        data = texts[draw(st.sampled_from(sorted(texts)))].encode()
        if not cells:
            return draw(damaged(data))
        lines = data.decode().split("\n")
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(lines) - 1))
            separator = max("\t;,", key=lines[at].count)
            row = lines[at].split(separator)
            row[draw(st.integers(0, len(row) - 1))] = draw(st.one_of(odd_numbers, odd_texts))
            lines[at] = separator.join(row)
        return "\n".join(lines).encode(errors="surrogatepass")

    def check(data, screen_px):
        path = place("gaze.txt", data)
        gaze = accepted(lambda: read_gaze(path, screen_px))
        if gaze is None:
            return
        assert len(gaze.time_s) == len(gaze.x) == len(gaze.y) == len(gaze.valid)
        assert len(gaze.time_s) <= gaze.rows * (2 if gaze.fixations else 1)  # a fixation has a start and an end
        assert np.isfinite(gaze.time_s).all()
        assert np.isfinite(gaze.x[gaze.valid]).all() and np.isfinite(gaze.y[gaze.valid]).all()
        assert (np.abs(gaze.x[gaze.valid]) <= 1000).all() and (np.abs(gaze.y[gaze.valid]) <= 1000).all()

    fuzz(check, examples=48, data=files(), screen_px=st.sampled_from([None, SCREEN]))


@st.composite
def dialects(draw):
    """The samples above as somebody's program writes them, as bytes."""
    separator = draw(st.sampled_from(",;\t"))
    comma = separator != "," and draw(st.booleans())
    quote = '"' if separator != "\t" and draw(st.booleans()) else ""
    unit, factor = draw(st.sampled_from([("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)]))
    names = [f"time_{unit}", "x", "y"]
    order = draw(st.permutations(range(3)))
    upper = draw(st.booleans())
    start = draw(st.sampled_from([0.0, -10.0, 1e3, 86_400.0]))
    shown = draw(st.sampled_from(["{:.6f}", "{:.9f}", "{!r}"]))

    def line(cells):
        return separator.join(f"{quote}{cells[i]}{quote}" for i in order)

    lines = [line([name.upper() if upper else name for name in names])]
    for t, x, y in zip((TIME_S + start).tolist(), X.tolist(), Y.tolist()):
        numbers = [f"{t * factor:.0f}" if unit in ("us", "ns") else shown.format(t * factor)]
        numbers += [shown.format(x), shown.format(y)]
        lines.append(line([number.replace(".", ",") for number in numbers] if comma else numbers))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end * draw(st.integers(0, 2)) + end.join(lines) + end * draw(st.integers(0, 3))
    data = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])))
    return gzip.compress(data) if draw(st.booleans()) else data, start


def test_the_same_samples_in_another_dialect(place):
    def check(dialect):
        data, start = dialect
        gaze = accepted(lambda: read_gaze(place("gaze.csv", data)))
        assert gaze is not None, "a whole file is refused"
        np.testing.assert_allclose(gaze.time_s, TIME_S + start, atol=2e-6)
        np.testing.assert_allclose(gaze.x, X, atol=1e-6)
        np.testing.assert_allclose(gaze.y, Y, atol=1e-6)

    fuzz(check, examples=36, dialect=dialects())
