"""The table and the page say what the stored results say, answer what was asked, and name what is missing."""

import dataclasses
import io
import json
import platform

import pytest
from rich.console import Console

from studies.page import answers, write_page
from studies.plan import choose, make_plan
from studies.records import Checksums, read_result
from studies.table import COLUMNS, Line, best_distilled, cells, collect_lines, print_lines, smallest_within, teachers


@pytest.fixture
def lines(finished):
    return collect_lines(finished, finished.tables["tiny"], Checksums())


def page(study, lines, failures=None):
    plan = make_plan(study, choose(study), Checksums(), timing=False)
    return write_page(study, {"tiny": lines}, plan, failures or {}, "python study.py results")


def test_the_table_holds_the_stored_numbers(finished, lines):
    text = page(finished, lines)
    for line in lines:
        stored = read_result(finished, line.row)["row"]
        low, high = stored["macro_f1_ci95"]
        row = next(text_line for text_line in text.splitlines() if text_line.startswith(f"| {line.row.model} |"))
        found = dict(zip(COLUMNS, row.strip("| ").split(" | ")))
        assert f"{stored['macro_f1']:.3f} ({low:.3f}–{high:.3f})" in row
        size = 4 * stored["params"] if line.row.name == "big" else stored["bytes"]
        assert found["bytes"] == f"{size:,}"
        assert found["transfer"] == (line.row.transfer or "none")
    assert "simulated frames, simulated gaze" in text
    assert "python compress.py prune runs/tiny/small/run/student/student.tflite --data data" in text
    assert "Not run" not in text


def test_what_is_missing_is_named_with_its_command(finished, lines):
    row = finished.row("tiny", "sparse")
    (finished.folder(row) / "row.json").unlink()
    left = collect_lines(finished, finished.tables["tiny"], Checksums())
    assert [line.row.name for line in left] == ["big", "small", "same"]
    text = page(finished, left, {"tiny/sparse": "the disk is full"})
    missing = text[text.index("Not run") :].splitlines()
    assert any(
        line.startswith("| sparse | the disk is full | under a minute | `python compress.py") for line in missing
    )
    assert any(line.startswith("| both | not run |") for line in missing)


def test_an_untimed_table_has_empty_cells(lines, capsys, finished, monkeypatch):
    assert all(cells(line)[COLUMNS.index("latency, ms: median / p95")] == "" for line in lines)
    print_lines(finished, finished.tables["tiny"], lines)
    out = capsys.readouterr().out
    assert all(line.row.model in out for line in lines)
    for width in (100, 220):  # a column is shown, or said to be left out
        terminal = Console(width=width, force_terminal=True, file=io.StringIO())
        monkeypatch.setattr("studies.table.console", terminal)
        print_lines(finished, finished.tables["tiny"], lines)
        text = " ".join(terminal.file.getvalue().split())
        assert ("Left out for want of width: params, MACs" in text) == (width == 100)


def made_up(lines, name, accuracy, size, transfer="soft targets", form="8-bit", artefact="x.tflite"):
    row = dataclasses.replace(lines[0].row, name=name, model=name, transfer=transfer, form=form, artefact=artefact)
    stored = lines[0].result
    result = {**stored, "row": {**stored["row"], "accuracy": accuracy, "bytes": size}}
    return Line(row, result, {}, None, None, None, None)


def test_answers(finished, lines):
    table = dataclasses.replace(finished.tables["tiny"], target={"accuracy": 0.5, "bytes": 250_000})
    rows = [
        made_up(lines, "big", 0.97, 10**7, artefact="teacher.keras", form="float"),
        made_up(lines, "near", 0.961, 190_000),
        made_up(lines, "edge", 0.96, 150_000, form="float .tflite"),
        made_up(lines, "as small", 0.9605, 150_000, form="float .tflite"),
        made_up(lines, "far", 0.959, 50_000),
        made_up(lines, "alone", 0.969, 180_000, transfer=""),
        made_up(lines, "large", 0.968, 300_000),
    ]
    assert smallest_within(rows, "big")[0].row.name == "as small"
    assert (best_distilled(rows, 250_000).row.name, best_distilled(rows, 250)) == ("near", None)
    first, second = answers(table, rows)
    assert "**as small**" in first and "150,000 bytes" in first and "0.970" in first
    assert "**near**" in second and "does not reach" not in second and "0.500" in second
    strict = dataclasses.replace(table, target={"accuracy": 0.975, "bytes": 250_000})
    assert "It does not reach the target of 0.975." in answers(strict, rows)[1]
    assert "no result here" in answers(table, rows[1:])[0]
    assert "No student of the table is within 1 percentage point" in answers(table, [rows[0], rows[4]])[0]


def test_times_and_differences_are_against_the_baseline(lines):
    named = {line.row.name: line for line in lines}
    assert named["big"].of_baseline is None and named["big"].of_teacher is None and named["big"].difference is None
    small = named["small"]
    assert small.of_baseline == pytest.approx(4 * named["big"].result["row"]["params"] / small.bytes)
    assert small.difference["difference"] == pytest.approx(small.accuracy - named["big"].accuracy)
    assert named["same"].difference == small.difference


def test_a_compression_ratio_is_to_the_rows_own_teacher(finished, lines):
    """A pruned student and another file of a student's run have the student's teacher."""
    rows = finished.tables["tiny"].rows
    assert {name: teachers(row, rows) for name, row in rows.items()} == {
        "big": (), "small": ("big",), "sparse": ("big",), "same": ("big",), "both": (),
    }  # fmt: skip
    for line in lines:
        assert line.of_teacher == (line.of_baseline if line.row.name in ("small", "sparse", "same") else None)
    two = dataclasses.replace(rows["small"], flags={"teacher-path": ["{big}", "{same}"]})
    assert teachers(two, rows) == ("big", "same")


def test_no_private_names(finished, lines, tmp_path):
    text = page(finished, lines)
    assert str(tmp_path) not in text and "/tmp" not in text
    assert platform.node() not in text


def test_records_are_readable(finished):
    for row in finished.rows():
        for name in ("row.json", "result.json"):
            path = finished.folder(row) / name
            assert not path.exists() or json.loads(path.read_text())
