"""The table and the page say what the stored results say, answer what was asked, and name what is missing."""

import dataclasses
import gzip
import json
import platform
import re

import numpy as np
import pytest

from common.machine import describe, machine
from evaluation import EvaluateConfig
from evaluation import evaluate as evaluate_artefacts
from quantization.footprint import gzipped_bytes
from studies.declare import Target
from studies.page import answers, paragraphs, print_lines, write_blocks
from studies.table import COLUMNS, Line, best_distilled, collect_lines, read_predictions, smallest_within


@pytest.fixture
def lines(finished):
    return collect_lines(finished, finished.tables["tiny"])


def page(study, lines):
    return "\n\n".join(paragraphs(study, study.tables["tiny"], lines))


def result(study, name):
    return json.loads((study.runs / "tiny" / name / "result.json").read_text())["artefacts"][-1]


def test_results_are_those_of_the_artefacts(finished, lines, tiny):
    table = finished.tables["tiny"].rows
    paths = [finished.artefacts(table[name])[0] for name in ("big", "small", "sparse")]
    rows = evaluate_artefacts(EvaluateConfig(paths, tiny.path, latency=False))["artefacts"]
    found = {line.row.name: line for line in lines}
    assert list(found) == ["big", "small", "sparse", "same", "both"]
    for name, expected in zip(("big", "small", "sparse"), rows):
        for key in ("accuracy", "bytes", "confusion"):
            assert found[name].found[key] == expected[key]
    assert found["big"].gzipped is None
    assert found["small"].gzipped == len(gzip.compress(paths[1].read_bytes(), 9)) == gzipped_bytes(paths[1])
    assert found["both"].found["params"] == 400 and found["both"].form == "ensemble"
    assert found["small"].difference["difference"] == pytest.approx(rows[1]["accuracy"] - rows[0]["accuracy"])
    assert found["same"].difference == found["small"].difference and found["big"].difference is None
    members = [read_predictions(finished, table[name]).filter(like="p_") for name in ("small", "sparse", "both")]
    np.testing.assert_allclose(members[2], (members[0] + members[1]) / 2, atol=1e-6)


def test_the_table_holds_the_stored_numbers(finished, lines):
    text = page(finished, lines)
    for line in lines:
        stored = result(finished, line.row.name)
        low, high = stored["macro_f1_ci95"]
        row = next(text_line for text_line in text.splitlines() if text_line.startswith(f"| {line.row.model} |"))
        found = dict(zip(COLUMNS, re.split(r" ?\| ?", row)[1:]))
        assert f"{stored['macro_f1']:.3f} ({low:.3f}–{high:.3f})" in row
        size = 4 * stored["params"] if line.row.name == "big" else stored["bytes"]
        assert found["bytes"] == f"{size:,}"
        assert found["transfer"] == (line.row.transfer or "none")
        assert found["latency, ms: median / p95"] == ""
        ratio = 4 * result(finished, "big")["params"] / size
        expected = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"
        assert found["compression: baseline"] == ("" if line.row.name == "big" else expected)
    assert "simulated frames, simulated gaze" in text
    tested = lines[0].report["dataset"] | {"simulated": False, "simulated_training": "partly"}
    of_both = [dataclasses.replace(line, report={**line.report, "dataset": tested}) for line in lines]
    assert "real images, some of the training frames are simulated" in page(finished, of_both)
    assert "python compress.py prune runs/tiny/small/run/student/student.tflite --data data" in text
    assert "Without a result" not in text


def test_what_is_missing_is_named_with_its_command(finished, lines):
    (finished.runs / "tiny" / "sparse" / "trained.txt").unlink()
    left = collect_lines(finished, finished.tables["tiny"])
    assert [line.row.name for line in left] == ["big", "small", "same"]
    text = page(finished, left)
    missing = text[text.index("Without a result") :].splitlines()
    assert any(line.startswith("| sparse | not run | `python compress.py") for line in missing)
    assert any(line.startswith("| both | not run |") for line in missing)


def test_the_time_of_a_command_is_what_snakemake_measured(finished):
    (finished.runs / "tiny" / "big" / "time.tsv").write_text("s\th:m:s\tcpu_time\n120.5\t0:02:00\t90.0\n")
    lines = collect_lines(finished, finished.tables["tiny"])
    assert lines[0].spent == {"s": 120.5, "cpu_time": 90} and not lines[1].spent
    assert "| big | 2.0 | 1.5 | `python train.py --data data" in page(finished, lines)


@pytest.mark.parametrize(
    ("log", "whole"),
    [
        ("student 1/2  loss 1.0\nstudent 2/2  loss 0.9\nstudent took 9 s\nint8 1/1  loss 1\nint8 took 3 s\n", True),
        ("student: reused from runs/x/student\nint8 1/1  loss 1.0\nint8 took 3 s\n", False),
        ("student 2/2  loss 0.9\nstudent took 9 s\n", False),
        ("student took 1 s\nint8 1/1  loss 1.0\nint8 took 3 s\n", False),
        ("going on from runs/x.unfinished\nsparsity_50-prune 1/1  loss 1.0\n", False),
    ],
)
def test_a_command_that_found_a_part_of_its_work_done_has_no_time(finished, log, whole):
    folder = finished.runs / "tiny" / "big"
    (folder / "time.tsv").write_text("s\th:m:s\tcpu_time\n120.5\t0:02:00\t90.0\n")
    (folder / "log.txt").write_text(log)
    lines = collect_lines(finished, finished.tables["tiny"])
    assert lines[0].spent == ({"s": 120.5, "cpu_time": 90} if whole else {})


def test_the_machine_is_that_of_each_evaluation(finished, lines):
    """The page named the machine that wrote it, and a speed-up could be of two processors."""
    here = machine()
    assert f"on {describe(here)}. Minutes" in page(finished, lines)
    for line in lines:
        line.found["latency_ms"] = {"median": 2.0, "p95": 3.0}
    assert COLUMNS["speed-up"](lines[1]) == "1.0"
    lines[1].report["measured_on"] = {**here, "processor": "another one"}
    assert [COLUMNS["speed-up"](line) for line in lines[1:4]] == ["", "1.0", "1.0"]
    text = page(finished, lines)
    assert f"on {describe(here)}; on {describe(lines[1].report['measured_on'])}. Minutes" in text


def test_the_terminal_gets_every_row(finished, lines, capsys):
    print_lines(finished.tables["tiny"], lines)
    out = capsys.readouterr().out
    assert all(line.row.model in out for line in lines) and "5 of 5 rows have a result" in out


def test_a_page_that_is_not_there_is_made_and_written_again(finished, lines, tmp_path):
    for _ in range(2):
        write_blocks(tmp_path / "page.md", {"tiny": paragraphs(finished, finished.tables["tiny"], lines)})
        text = (tmp_path / "page.md").read_text()
        assert text.count("| VGG-16 |") == 1 and text.endswith("<!-- end of results -->\n\n")


def made_up(lines, name, accuracy, size, transfer="soft targets", form="8-bit", artefact="x.tflite"):
    row = lines[0].row.model_copy(
        update={"name": name, "model": name, "transfer": transfer, "form": form, "artefact": artefact}
    )
    report = lines[0].report
    return Line(row, {**report, "artefacts": [{**lines[0].found, "accuracy": accuracy, "bytes": size}]})


def test_answers(finished, lines):
    table = finished.tables["tiny"].model_copy(update={"target": Target(accuracy=0.5, bytes=250_000)})
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
    strict = table.model_copy(update={"target": Target(accuracy=0.975, bytes=250_000)})
    assert "It does not reach the target of 0.975." in answers(strict, rows)[1]
    assert "or it has no result" in answers(table, rows[1:])[0]
    assert "No student here is within 1 percentage point" in answers(table, [rows[0], rows[4]])[0]


def test_no_private_names(finished, lines, tmp_path):
    text = page(finished, lines)
    assert str(tmp_path) not in text and "/tmp" not in text
    assert platform.node() not in text
