"""A device follows a bundle's words: it makes frames and decides as this project does, with numpy or without it."""

import dataclasses
import json
import types

import numpy as np
import pytest

from data.video.framing import prepare_image
from deployment.bundle.about import preparation_of, preparation_text
from deployment.prediction import Rule, answer
from evaluation.artefacts import Artefact
from evaluation.artefacts.fitted import Decision, OperatingPoint
from tests.pages import block

CLASSES = ("head", "femur", "other")


@pytest.mark.parametrize("time_constant_s", [0.0, 0.4])
def test_the_page_says_how_a_device_decides(tmp_path, monkeypatch, time_constant_s):
    """The snippet on a stream, with flagged frames and a clock that goes back, against what predict.py does."""
    still, causal = (OperatingPoint(tau, low, 0.95, 0.6, True) for tau, low in ((0.0, 0.7), (time_constant_s, 0.55)))
    decision = dataclasses.asdict(Decision(0.95, 100, 10, True, still, causal, causal))
    (tmp_path / "bundles" / "demo").mkdir(parents=True)
    (tmp_path / "bundles" / "demo" / "bundle.json").write_text(json.dumps({"classes": CLASSES, "decision": decision}))
    monkeypatch.chdir(tmp_path)
    page: dict = {}
    exec(compile(block("decision", "python"), "deployment.md", "exec"), page)
    rng = np.random.default_rng(0)
    p, flagged = rng.dirichlet(np.ones(3), 60), ["unlike" if each else "" for each in rng.random(60) < 0.3]
    flagged[:3] = ["unlike", "unlike", ""]
    times = np.r_[np.cumsum(rng.uniform(0, 0.3, 40)), np.cumsum(rng.uniform(0, 0.3, 20))]
    table = answer(CLASSES, p, flagged, times, Rule("causal", time_constant_s, 0.55, True)).table
    stream = page["Stream"]()
    found = [stream.decide(row, time_s, flag != "") for row, time_s, flag in zip(p, times, flagged)]
    assert found == [None if out else name for out, name in zip(table["rejected"], table["smoothed_class"])]
    assert 5 < sum(each is None for each in found) < 55
    assert page["decide"]([0.1, 0.7, 0.2], page["still"]) == "femur"
    assert page["decide"]([0.1, 0.6999, 0.2], page["still"]) is page["decide"]([0, 1, 0], page["still"], True) is None


def test_a_device_thresholds_the_probabilities_that_the_threshold_was_fitted_on(tmp_path, monkeypatch):
    """Bytes that do not sum to 256, by the snippet and as an artefact gives them."""
    point = OperatingPoint(0.0, 0.6, 0.95, 0.6, True)
    decision = dataclasses.asdict(Decision(0.95, 100, 10, True, point, point, point))
    (tmp_path / "bundles" / "demo").mkdir(parents=True)
    (tmp_path / "bundles" / "demo" / "bundle.json").write_text(json.dumps({"classes": CLASSES, "decision": decision}))
    monkeypatch.chdir(tmp_path)
    page: dict = {}
    exec(compile(block("decision", "python"), "deployment.md", "exec"), page)
    rows = np.array([[153, 100, 1], [1, 154, 103], [10, 156, 94], [0, 0, 255], [0, 0, 0]], np.uint8)
    runner = types.SimpleNamespace(gives_logits=False, outputs=lambda features: rows.astype(np.float32) / 256)
    given = Artefact(tmp_path, "tflite", None, None, runner).predict({})
    np.testing.assert_array_equal([page["probabilities"](row) for row in rows], given)
    assert [page["decide"](p, page["still"]) for p in given] == ["head", None, "femur", "other", None]


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("size", [(240, 320), (300, 200), (40, 30), (61, 47)])
def test_a_frame_can_be_made_by_the_words_of_the_bundle(size, fit):
    """By numpy alone: placement, mean by area, linear between pixel centres, rounding."""
    said = preparation_of(fit, "keep", 1.45)
    assert said["pixel_aspect"] == 1.45 and said["grey"] in preparation_text(said)
    if fit == "pad":
        for words in ("floor(exact length + 1/2)", "(W - width) // 2", "(H - height) // 2"):
            assert words in said["placement"]
    assert "area" in said["resize_rule"] and "(i + 1/2) * old / new - 1/2" in said["resize_rule"]
    y, x = np.mgrid[: size[0], : size[1]]
    image = ((2 * x + 3 * y) % 256).astype(np.uint8)
    found, wanted = frame_by_words(image, 48, 64, fit), prepare_image(image, (48, 64), fit)
    assert np.abs(found - wanted.astype(int)).max() <= 1 and (found != wanted).mean() < 0.02


def frame_by_words(image, height, width, fit):
    h, w = image.shape
    inner = height, width
    if fit == "pad" and w * height >= h * width:
        inner = max(1, int(np.floor(h * width / w + 0.5))), width
    elif fit == "pad":
        inner = height, max(1, int(np.floor(w * height / h + 0.5)))
    values = image.astype(float)
    for shrinks, weights in ((True, by_area), (False, linearly)):
        for axis, new in enumerate(inner):
            old = values.shape[axis]
            if new != old and (new < old) == shrinks:
                values = np.moveaxis(np.tensordot(weights(old, new), values, (1, axis)), 0, axis)
    frame = np.zeros((height, width), int)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    frame[top : top + inner[0], left : left + inner[1]] = np.floor(values + 0.5)
    return frame


def by_area(old, new):
    """[new, old]: the share of a new pixel that each old one covers."""
    i, j = np.arange(new)[:, None] * old / new, np.arange(old)
    return np.maximum(0, np.minimum(i + old / new, j + 1) - np.maximum(i, j)) * new / old


def linearly(old, new):
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(old)))
