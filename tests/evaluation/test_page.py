"""evaluate.py --html: one page, whole, that asks for nothing and shows what was measured."""

import dataclasses
import html.parser
import re

import pandas as pd
import pytest
from matplotlib.figure import Figure

from evaluation import EvaluateConfig, run_evaluation
from evaluation.page.frames import FRAMES, attending, choose
from evaluation.page.write import page, write_page
from tests.evaluation.small import CLASSES

_VOID = {"meta", "br", "img", "input", "link", "hr"}


class Reader(html.parser.HTMLParser):
    """Every address that a page names, its ids, whether tags are closed in order, its words."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.ids, self.open, self.words, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name.split(":")[-1] in ("href", "src", "srcset", "action", "data"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def evaluation(run_folder, dataset):
    paths = [run_folder / "student" / "student.keras", run_folder / "int8" / "student_int8.tflite"]
    return run_evaluation(EvaluateConfig(paths, dataset.path, latency=False))


@pytest.fixture(scope="module")
def text(evaluation):
    return page(evaluation, command="python evaluate.py <a & b> --html out.html")


@pytest.fixture(scope="module")
def reader(text):
    return Reader(text)


@pytest.fixture
def no_figures(monkeypatch):
    """Nothing is drawn for a test that does not look at figures."""
    monkeypatch.setattr("evaluation.page.write.svg_of", lambda *_: "<svg></svg>")


def test_it_needs_nothing_from_elsewhere(text, reader):
    assert all(address.startswith(("#", "data:image/")) for address in reader.addresses)
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)
    assert all(place.startswith(("#", "data:")) for place in re.findall(r"url\(['\"]?([^)'\"]*)", text))
    assert "@import" not in text
    assert len(text.encode()) < 5_000_000


def test_every_link_of_the_page_leads_somewhere_and_names_are_unique(reader):
    assert len(set(reader.ids)) == len(reader.ids)
    links = {address[1:] for address in reader.addresses if address.startswith("#")}
    assert links and links <= set(reader.ids)


def test_tags_are_closed_and_what_comes_from_outside_is_text(reader):
    assert not reader.open
    assert "python evaluate.py <a & b> --html out.html" in "".join(reader.words)


def test_it_has_every_part_and_the_figures_of_the_report(evaluation, reader):
    words = " ".join(" ".join(reader.words).split())
    for part in ("Classes", "Confusion", "Confidence", "Scanners", "Clips", "Training", "Settings", "Honest limits"):
        assert part in words
    row = evaluation.report["artefacts"][1]
    low, high = row["accuracy_ci95"]
    assert f"{100 * row['accuracy']:.1f} ({100 * low:.1f}–{100 * high:.1f})" in words
    for name, facts in row["per_class"].items():
        assert f"{name} {facts['support']} " in re.sub(r"\s+", " ", words)
    assert "simulated" in words and "no medical device" in words
    assert reader.tags.count("svg") >= 4 + 2  # figures and frames


def test_frames_are_shown_with_gaze_and_attention(evaluation, text):
    table = evaluation.tables[1]
    known = table[table["label"] >= 0]
    right = (known[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(1) == known["label"]).sum()
    shown = min(right, FRAMES) + min(len(known) - right, FRAMES)
    grids = text[text.index('class="frames"') :]
    assert grids.count("<image ") == 3 * shown  # the frame, again, and the attention over it
    assert 0 < grids.count("<circle ") <= 2 * shown


def test_settings_are_those_of_the_stage_where_it_kept_them(evaluation, run_folder, no_figures, monkeypatch):
    """The run's are those of its latest command, which may have trained another stage alone."""
    words = "".join(Reader(page(evaluation)).words)
    assert '{"seed": 0}' in words and f"--config {run_folder.name}/config.yaml" in words
    monkeypatch.setattr("evaluation.page.write.main_artefact", lambda _: 0)
    words = "".join(Reader(page(evaluation)).words)
    assert '{"seed": 1}' in words and '{"seed": 0}' not in words and "--config student/config.yaml" in words


def test_an_8_bit_file_alone_borrows_the_attention_of_its_float_student(run_folder, dataset, no_figures):
    alone = run_evaluation(EvaluateConfig([run_folder / "int8" / "student_int8.tflite"], dataset.path, latency=False))
    assert "attention of student/student.keras" in page(alone)


def test_names_from_files_cannot_become_markup(evaluation, monkeypatch):
    monkeypatch.setattr("evaluation.page.drawing.Figure", lambda **_: Figure())  # words count, not where they stand
    evil = "<script>alert(1)</script>"
    report = {**evaluation.report, "dataset": {**evaluation.report["dataset"], "path": f"x/{evil}"}}
    changed = type(evaluation)(report, evaluation.tables, evaluation.artefacts, evaluation.data, evaluation.split)
    assert "script" not in Reader(page(changed)).tags


def predictions(rows):
    """(recording, label, probability of class a) → a predictions table of two classes."""
    return pd.DataFrame(
        [
            {"recording_id": r, "patient_id": r, "scanner": "s", "frame_index": i, "time_s": 0.0, "label": k,
             "p_a": p, "p_b": 1 - p}
            for i, (r, k, p) in enumerate(rows)
        ]
    )  # fmt: skip


def test_wrong_frames_are_the_most_confident_of_each_class_and_of_many_recordings():
    rows = [("one", 1, 0.99 - index / 1000) for index in range(30)] + [("two", 1, 0.7), ("three", 0, 0.2)]
    shown = choose(predictions(rows), ("a", "b"), right=False)
    assert len(shown) == FRAMES
    assert (shown[0].where, shown[0].probability) == ("one, 0.0 s", 0.99)
    assert {"three, 0.0 s"} == {each.where for each in shown if each.label == "a"}
    assert shown[2].where == "two, 0.0 s"  # before the second frame of the first recording
    assert all(each.answer != each.label for each in shown)


def test_right_frames_are_spread_over_the_confidences():
    rows = [(f"r{index}", 0, 0.5 + index / 200) for index in range(100)]
    shown = choose(predictions(rows), ("a", "b"), right=True)
    assert len(shown) == FRAMES
    assert (shown[0].probability, shown[-1].probability) == (0.5 + 99 / 200, 0.5)


def test_the_file_is_whole_or_absent(evaluation, tmp_path, no_figures):
    write_page(tmp_path / "deep" / "page.html", evaluation)
    assert (tmp_path / "deep" / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["page.html"]


def test_the_attention_is_a_students_and_never_that_of_a_teacher_of_images(evaluation):
    student = next(artefact for artefact in evaluation.artefacts if artefact.path.name == "student.keras")
    teacher = dataclasses.replace(student, metadata=dataclasses.replace(student.metadata, stage="teacher"))
    assert attending(dataclasses.replace(evaluation, artefacts=[teacher, student]), 1) is student
