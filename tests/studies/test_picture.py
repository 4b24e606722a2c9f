"""The picture of a table: it names what nothing else beats, and shows every row."""

import re

import matplotlib.image
import pytest

from common.errors import InputError
from studies.picture import draw_table, front, kind_of
from studies.table import Line, collect_lines


def line(row, size, accuracy) -> Line:
    return Line(row, {"artefacts": [{"accuracy": accuracy, "accuracy_ci95": None, "bytes": size, "params": 1}]})


def test_the_front_holds_what_nothing_else_beats_in_both(finished):
    row = finished.tables["tiny"].rows["small"]  # a .tflite file: its bytes are what is stored
    given = [
        line(row, *values) for values in ((300, 0.9), (100, 0.7), (200, 0.7), (250, 0.95), (100, 0.6), (900, 0.96))
    ]
    assert [(each.bytes, each.accuracy) for each in front(given)] == [(100, 0.7), (250, 0.95), (900, 0.96)]
    for one in given:
        beaten = any(o.bytes <= one.bytes and o.accuracy >= one.accuracy and o is not one for o in given)
        assert (one in front(given)) != beaten


def test_each_row_has_its_kind(finished):
    lines = {each.row.name: each for each in collect_lines(finished, finished.tables["tiny"])}
    small = lines["small"]

    def like_small(**changes):
        return Line(small.row.model_copy(update={"form": "", **changes}), small.report)

    assert kind_of(lines["big"]) == "float model"
    assert kind_of(lines["sparse"]) == kind_of(lines["both"]) == "compressed"
    assert kind_of(like_small()) == "student, distilled"
    assert kind_of(like_small(form="8-bit, post-training")) == "compressed"
    assert kind_of(like_small(transfer="")) == "student, no teacher"
    assert kind_of(like_small(transfer="gaze saliency", train={"teacher": "none"})) == "student, no teacher"
    # Another file of a distilled student's run is as distilled.
    assert kind_of(like_small(of="small", train=None)) == "student, distilled"


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_it_is_drawn_whole(finished, tmp_path, ending):
    lines = collect_lines(finished, finished.tables["tiny"])
    path = tmp_path / f"table{ending}"
    draw_table(path, finished.tables["tiny"], lines)
    picture = matplotlib.image.imread(path)
    assert min(picture.shape[:2]) > 500 and picture.std() > 0.05


def test_a_vector_picture_holds_its_words_and_its_legend_has_one_order(finished, tmp_path):
    lines = collect_lines(finished, finished.tables["tiny"])
    for order, name in ((lines, "one.svg"), (lines[::-1], "two.svg")):
        draw_table(tmp_path / name, finished.tables["tiny"], order)
        text = (tmp_path / name).read_text()
        assert "<image" not in text and all(f">{line.row.model}, " in text for line in front(order))
        legend = re.findall(r">(float model|student, no teacher|student, distilled|compressed)<", text)
        kinds = {kind_of(line) for line in lines}
        expected = ["float model", "student, no teacher", "student, distilled", "compressed"]
        assert legend == [kind for kind in expected if kind in kinds] and len(legend) > 1
    draw_table(tmp_path / "one.pdf", finished.tables["tiny"], lines)
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")


def test_what_can_not_be_drawn_is_one_line(finished, tmp_path):
    table = finished.tables["tiny"]
    with pytest.raises(InputError, match=r"table.gif: is no name of a picture: end it with .svg, .pdf, .png or .jpg"):
        draw_table(tmp_path / "table.gif", table, [])
    with pytest.raises(InputError, match=r"no row of Tiny frames has a result yet"):
        draw_table(tmp_path / "table.png", table, [])
