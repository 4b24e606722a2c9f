"""What the page makes of answers, and what it reads out of a model's file."""

import base64
import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.web.javascript import run


def test_a_frame_is_flagged_as_unlike_before_it_is_upside_down():
    code = """
        const { flag } = await load("answers/ood.js");
        const frame = Uint8Array.from({ length: 64 * 64 }, (_, i) => i / 16);  // dark above, bright below
        const zero = Array(26).fill(0);
        const precision = zero.map((_, i) => zero.map((_, j) => (i === j ? 1 : 0)));
        const upright_weights = Array.from({ length: 128 }, (_, i) => (i < 32 ? 1 : 0));
        const ood = { mean: zero, precision, limit: 1e9, upright_weights, upright_limit: 0 };
        const size = { height: 64, width: 64 };
        return [[ood, frame], [ood, frame.toReversed()], [{ ...ood, limit: 0 }, frame], [null, frame]].map(
            ([rule, bytes]) => flag(rule, bytes, size));
    """
    assert run(code, None) == ["upside_down", "", "unlike", ""]


MODEL = Path(__file__).parent / "model" / "student_int8.tflite.json"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fit": None}, "fit is missing, pad or stretch was expected"),
        ({"fan": None}, "does not say what was done outside the fan"),
        ({"sha256": None}, "holds no SHA-256"),
        ({"classes": ["head", "head", "femur", "background"]}, "names a class twice"),
        ({"decision": {}}, "threshold is missing"),
        ({"decision": {"still": {"threshold": 2, "time_constant_s": 0}}}, "threshold is 2"),
        ({}, ""),
    ],
    ids=str,
)
def test_a_description_that_predict_refuses_is_refused_by_the_page(change, words):
    code = """
        const { checkFields, fieldsOfArtefact } = await load("model/fields.js");
        try {
            const shape = [1, data.frame_size[0], data.frame_size[1], 1];
            const output = { type: "uint8", shape: [1, data.classes.length] };
            checkFields(fieldsOfArtefact(data, "model.json"), { input: { type: "uint8", shape }, output }, "model");
        } catch (error) { return error.message; }
        return "";
    """
    fields = {**json.loads(MODEL.read_text()), **change}
    assert words in run(code, {k: v for k, v in fields.items() if v is not None}) and (words or not change)


@pytest.mark.parametrize(
    "change", [{"limit": None}, {"upright_limit": "x"}, {"precision": [[1]]}, {"mean": [None] * 26}]
)
def test_a_rule_for_unlike_frames_that_could_never_flag_is_refused(change):
    rule = {"rule": "frame-statistics-1", "mean": [0] * 26, "precision": [[0] * 26] * 26, "limit": 1}
    rule |= {"upright_weights": [0] * 128, "upright_limit": 0}
    code = """
        const { checkOod } = await load("answers/ood.js");
        return data.map((rule) => { try { checkOod(rule, "m"); return ""; } catch (error) { return error.message; } });
    """
    whole, broken = run(code, [rule, rule | change])
    assert whole == "" and "lacks a limit or a number" in broken


def test_an_8_bit_softmax_is_divided_by_its_sum_and_logits_go_through_a_softmax():
    code = """
        const { greatest, toProbabilities } = await load("answers/decide.js");
        const values = (row, kind) => [...toProbabilities(Float64Array.from(row), kind)];
        return [values([0.5, 0.25, 0.26], "probabilities"), values([1000, 999], "logits"), greatest([0.2, 0.4, 0.4])];
    """
    bits, logits, tie = run(code, None)
    assert bits == [0.5 / 1.01, 0.25 / 1.01, 0.26 / 1.01]
    np.testing.assert_allclose(logits, np.exp([0, -1]) / np.exp([0, -1]).sum())
    assert tie == 1  # the first of equal ones, as in numpy


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_description_that_is_appended_to_the_model_is_found(method):
    archive = io.BytesIO(b"\x00TFL3 and other bytes of a model")
    archive.seek(0, io.SEEK_END)
    with zipfile.ZipFile(archive, "a", method) as file:
        file.writestr("labels.txt", "head\nfemur\n")
        file.writestr("student.json", '{"format": "gaze-bundle-1"}')
    code = """
        const { textFromZip } = await load("model/zip.js");
        return [await textFromZip(bytes(data), "student.json"), await textFromZip(bytes(data), "none"),
                await textFromZip(bytes(data).subarray(0, 20), "student.json")];
    """
    found = run(code, base64.b64encode(archive.getvalue()).decode())
    assert found == ['{"format": "gaze-bundle-1"}', None, None]


def test_the_best_frame_of_a_class_is_kept_and_of_that_class_before_and_after_the_filter():
    code = """
        const { bestRows, spans } = await load("answers/summary.js");
        const source = { kind: "two_sided" };
        const rows = data.map(([p, rawClass, smoothedClass, rejected], index) =>
            ({ source, index, timeS: index, probabilities: [1 - p, p], rawClass, smoothedClass, rejected,
               confidence: 0.5 }));
        return [bestRows(rows, 2).map((row) => row?.index ?? null),
                spans(rows).map(({ first, last, frames }) => [first.index, last.index, frames])];
    """
    rows = [(0.9, 1, 1, False), (0.99, 1, 1, True), (0.95, 1, 0, False), (0.9, 1, 1, False), (0.2, 1, 1, False)]
    best, found = run(code, rows)
    assert best == [None, 0]
    assert found == [[0, 0, 1], [2, 2, 1], [3, 4, 2]]


def test_names_in_the_csv_are_quoted():
    code = """
        const { toCsv } = await load("answers/csv.js");
        const row = { index: 3, timeS: 0.1234567, probabilities: [0.25, 0.75], rawClass: 1, smoothedClass: 1,
                      confidence: 0.75, rejected: true, flag: "unlike", source: { name: data } };
        return toCsv([row], ["head", 'a "b", c']);
    """
    (row,) = csv.DictReader(io.StringIO(run(code, '=1+1, "x"\n.png'), newline=""))
    assert row["input"] == '\'=1+1, "x"\n.png'
    assert row == {
        "input": row["input"], "frame": "3", "time_s": "0.123457", "p_head": "0.25", 'p_a "b", c': "0.75",
        "raw_class": 'a "b", c', "smoothed_class": 'a "b", c', "confidence": "0.75", "rejected": "1",
        "flag": "unlike",
    }  # fmt: skip
