"""A table in Markdown keeps its cells apart."""

from common.markdown import markdown_table


def test_a_cell_with_a_bar_or_a_line_break_stays_one_cell():
    assert markdown_table(["name", "n"], [("a|b", 1), ("c\nd", "")]) == [
        "| name | n |",
        "|---|---|",
        "| a\\|b | 1 |",
        "| c d |  |",
    ]
