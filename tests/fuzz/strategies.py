"""Input as it comes from elsewhere: nearly right, badly wrong, or broken on the way."""

from __future__ import annotations

import copy
import csv
import io
from typing import Any

from hypothesis import strategies as st

ODD_NUMBERS = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e308", "-1e308", "1e-300", "5e-324", "1e18", "1e999", "-0", "0", "-1",
    "0x10", "1_000", "1,5", "1,056", "1.056,2", "1 056", "\uff11\uff12", "\u0663", "9" * 400, "00:00:01.5", "--", "3 s",
    "1/3", "#REF!", "=1+1", "true", "None", "1e5", "65536", "100001", "4294967296", "18446744073709551616",
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "\0", "a\0b", "a\nb", "a\r\nb", "\x1b[31mred", "[bold]", "[/]", "caf\u00e9", "cafe\u0301", "P\u200b1",
    "\uff30\uff11", "\U0001f600", "\ud800", "x" * 300, "x" * 10_000, "../..", "..", ".", "/", "/dev/zero", "~", "~root",
    "/proc/self/mem", "$HOME", "${HOME}", "%n%s", "a,b", 'a"b', "'", ";", "\t", "CON", "con.", "-rf", "--help", "{}",
    "[]", "null", "\u202eabc", "\ufeffx",
)  # fmt: skip

odd_numbers = st.one_of(
    st.sampled_from(ODD_NUMBERS),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=True).map(repr),
    st.floats(0, 5).map("{:.3f}".format),
)
odd_texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=12))


@st.composite
def tables(draw: Any, usual: st.SearchStrategy[list[dict[str, str]]]) -> list[list[str]]:
    """A header and rows, as they are or with a few odd cells, a column gone, twice there or unknown, a row cut."""
    rows = draw(usual)
    names = draw(st.permutations(list(rows[0])))
    table = [names, *([row[name] for name in names] for row in rows)]
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 1, 2, 3]))):
        at = draw(st.integers(0, len(names) - 1))
        kind = draw(st.integers(0, 19))
        if kind == 0:
            table = [[cell for number, cell in enumerate(row) if number != at] for row in table]
            names = table[0]
        elif kind == 1:
            added = draw(st.one_of(odd_texts, st.sampled_from(names or ["x"])))
            table = [[*row, added] for row in table]
        elif kind == 2:
            del table[-1][-1:]
        elif names:
            row = table[draw(st.integers(1 if kind > 3 else 0, len(table) - 1))]
            if row:
                row[min(at, len(row) - 1)] = draw(st.one_of(odd_numbers, odd_texts))
    return table


@st.composite
def csv_files(draw: Any, rows: st.SearchStrategy[list[list[str]]]) -> bytes:
    """A table as bytes, in an encoding and with a separator that somebody's spreadsheet writes."""
    separator = draw(st.sampled_from(",,,,,,;\t"))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting).writerows(draw(rows))
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"]))
    errors = "replace" if encoding == "latin-1" else "surrogatepass"
    data = text.getvalue().encode(encoding, errors)
    return data if draw(st.integers(0, 9)) else draw(damaged(data))


@st.composite
def damaged(draw: Any, whole: bytes, most: int = 4) -> bytes:
    """Bytes with bits flipped, blocks cleared, cut out, repeated or added, or an end that is missing."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.sampled_from([1, 2, 4, 16, 100, 1000]))
        kind = draw(st.sampled_from(["flip", "flip", "flip", "set", "clear", "cut", "repeat", "add", "end"]))
        if kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set" and data:
            data[at] = draw(st.sampled_from([0, 1, 127, 128, 255]))
        elif kind == "clear":
            data[at : at + length] = bytes(len(data[at : at + length]))
        elif kind == "cut":
            del data[at : at + length]
        elif kind == "repeat":
            data[at:at] = data[at : at + length]
        elif kind == "add":
            data[at:at] = draw(st.binary(max_size=8))
        else:
            del data[at:]
    return bytes(data)


any_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**66), 2**66),
        st.floats(),
        st.sampled_from([0, 1, -1, 2, 10**12, 1e308, 1e-300, "", "x", "\0", "../x", "true", "1"]),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["x", "", "class_path", "a b"]), inner, max_size=3)
    ),
    max_leaves=4,
)


@st.composite
def changed(draw: Any, whole: Any, most: int = 2) -> Any:
    """A JSON value of which some parts are others, gone, or one too many."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, most))):
        places = [place for place in _places(value) if place]
        if not places:
            return draw(any_json)
        *above, last = draw(st.sampled_from(places))
        parent = value
        for key in above:
            parent = parent[key]
        kind = draw(st.sampled_from(["replace", "replace", "delete", "repeat"]))
        if kind == "replace":
            parent[last] = draw(any_json)
        elif kind == "delete":
            del parent[last]
        elif isinstance(parent, list):
            parent.insert(last, copy.deepcopy(parent[last]))
        else:
            parent[str(last) + "_"] = copy.deepcopy(parent[last])
    return value


def _places(value: Any, above: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for key, item in inner for place in _places(item, (*above, key)))]
