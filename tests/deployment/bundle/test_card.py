"""The model card says what was measured, and nothing else."""

import dataclasses
import json
import re

import pytest

from data.simulation import PARTLY, TRAINING, by_split
from deployment.bundle import ExportConfig, export_bundle
from deployment.bundle.about import describe
from deployment.bundle.card import Measured, model_card
from deployment.bundle.microcontroller import c_string, resolver_methods
from deployment.bundle.source import open_source
from evaluation import EvaluateConfig, evaluate
from tests.deployment.bundle.tiny_run import SCANNERS
from tests.training.tiny import CLASSES


@pytest.fixture(scope="module")
def card(bundle):
    return json.loads((bundle / "model_card.json").read_text())


@pytest.fixture(scope="module")
def page(bundle):
    return (bundle / "model_card.md").read_text()


@pytest.fixture(scope="module")
def report(run, data):
    """What evaluate.py says of the run's own file."""
    return evaluate(EvaluateConfig([run / "int8" / "student_int8.tflite"], data, latency=False))


@pytest.fixture(scope="module")
def row(report):
    return report["artefacts"][0]


def test_accuracy_is_what_evaluate_says_of_the_run(card, row):
    accuracy = card["accuracy"]
    names = ("accuracy", "accuracy_ci95", "macro_f1", "macro_f1_ci95", "n_frames", "n_patients", "confusion", "votes")
    names = (*names, "per_class", "per_scanner")
    assert {name: accuracy[name] for name in names} == json.loads(json.dumps({name: row[name] for name in names}))
    assert card["calibration"]["expected_calibration_error"] == row["ece"]
    assert set(accuracy["per_scanner"]) == set(SCANNERS)
    assert all(facts["accuracy_ci95"] for facts in accuracy["per_scanner"].values())
    assert all(facts["recall_ci95"] for facts in accuracy["per_class"].values())


def test_both_compression_ratios_are_those_of_the_file_in_the_bundle(card, page, report, bundle):
    model, size = card["model"], (bundle / "student_int8.tflite").stat().st_size
    assert model["compression_to_teacher"] == pytest.approx(4 * model["teacher"]["params"] / size)
    assert model["compression_to_conventional"] == pytest.approx(4 * report["conventional"]["params"] / size)
    assert model["conventional"] == report["conventional"]["name"] == "vgg16"
    assert f"compression ratio {model['compression_to_conventional']:,.0f} to vgg16" in page


def test_what_it_costs_is_measured(card, bundle):
    assert card["size_bytes"]["student_int8.tflite"] == (bundle / "student_int8.tflite").stat().st_size
    assert card["latency_ms"]["median"] == 0.25  # as the fixture's clock says
    assert card["size_bytes"]["student_int8.tflite"] < card["memory_bytes"]["litert_peak"] < 200e6
    assert card["memory_bytes"]["micro_arena"] % 16 == 0
    for name, facts in card["parity_with_litert"].items():
        assert facts["frames"] == 120 and facts["same_class"] >= 0.99, name
    assert {"CONV_2D", "MAX_POOL_2D", "CONCATENATION", "MEAN", "SOFTMAX"} <= set(card["operators"])


def test_where_it_comes_from(card, bundle, data):
    provenance = card["provenance"]
    described = json.loads((data / "dataset.json").read_text())
    assert provenance["dataset_checksum_of_training"] == card["data"]["checksum"] == described["checksum"]
    assert card["data"]["splits"]["train"]["patients"] == 20
    assert provenance["seeds"] == {"training": 3, "split": 3, "simulation": 5}
    assert provenance["commit_of_training"] == "c0ffee"
    assert provenance["configuration"]["distil"] == {"epochs": 12}
    assert provenance["sha256"] == {
        name: facts["sha256"] for name, facts in json.loads((bundle / "bundle.json").read_text())["files"].items()
    }


def test_no_folder_of_the_machine_leaves_with_the_bundle(bundle, data, run):
    for path in bundle.iterdir():
        content = path.read_bytes()
        assert str(data.parent).encode() not in content and str(run.parent).encode() not in content, path.name


def test_by_hand_are_licence_and_contact_alone(card, page):
    assert (card["licence"], card["contact"]) == ("CC0 1.0", "who@example.org")
    assert card["data"]["licence"] == "CC0"  # of the data, as their source says
    for word in ("## Intended use", "## Limits", "## Accuracy", "## Provenance", "CC0 1.0", "who@example.org"):
        assert word in page


def test_the_page_has_the_figures_of_the_json(card, page):
    low, high = card["accuracy"]["accuracy_ci95"]
    assert f"accuracy {card['accuracy']['accuracy']:.3f} ({low:.3f}–{high:.3f})" in page
    for name in (*CLASSES, *SCANNERS, *card["size_bytes"]):
        assert name in page
    assert not re.search(r"\b(None|nan|null)\b", page)


def test_the_threshold_is_given_with_what_it_does_here(card, page, row):
    point, kept = card["decision"]["still"], card["calibration"]["selective"]
    assert kept["threshold"] == point["threshold"]
    assert {name: kept[name] for name in ("coverage", "accuracy")} == {
        name: row["selective"][name] for name in ("coverage", "accuracy")
    }
    assert f"threshold {point['threshold']:.3f}" in page and f"keeps {kept['coverage']:.1%}" in page
    assert f"{card['unlike_frames']['flagged']:.1%} of these frames are flagged" in page


def test_limits_follow_from_the_figures(card):
    limits = " ".join(card["limits"])
    assert "simulated" in limits and "no medical device" in limits and "10 patients are few" in limits
    assert "2 scanners" in limits
    assert "No threshold" not in limits and "Nothing tells" not in limits


def test_a_training_with_some_simulated_frames_is_called_so_and_its_test_is_not(run, report, tmp_path):
    source = open_source(ExportConfig(run, tmp_path / "bundle"))
    merged = {"kind": "merged", "name": "Planes", **by_split({"train": PARTLY, "test": False})}
    data = dataclasses.replace(source.data, info={**source.data.info, "source": merged})
    source = dataclasses.replace(source, data=data)
    own = dataclasses.replace(source.metadata, extra={**source.metadata.extra, TRAINING: True})
    about = describe(dataclasses.replace(source, metadata=own), None)
    assert about[TRAINING] is True, "of the model, not of the data that it is measured on"
    other = dataclasses.replace(source.metadata, dataset_checksum="of another")
    about = describe(dataclasses.replace(source, metadata=other), None)
    assert TRAINING not in about and about["preparation"]["pixel_aspect"] is None
    about = describe(source, None)  # of an earlier release: by the data set that it was trained on
    assert about["preparation"]["pixel_aspect"] == 1.0
    assert about["simulated"] is False and about["simulated_training"] == PARTLY
    assert "simulated" not in about["task"]
    row, tested = report["artefacts"][0], {**report["dataset"], "simulated": False, "simulated_training": PARTLY}
    measured = Measured(row, tested, report["conventional"], {}, (), None, {})
    card = model_card(ExportConfig(run, tmp_path / "bundle"), source, about, measured)
    assert card["data"]["name"] == "Planes, partly simulated" and card["data"]["licence"] == "not stated"
    assert "Some of the training frames are simulated." in card["limits"]
    assert not any("measured on simulated" in line for line in card["limits"])


def test_what_is_not_installed_is_said_and_left_out(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("deployment.bundle.engines.missing", lambda *modules: modules[0])
    bundle = export_bundle(ExportConfig(run, tmp_path / "bundle", latency=False))
    assert "tf2onnx is not installed" in capsys.readouterr().err
    assert not (bundle / "student_int8.onnx").exists()
    card = json.loads((bundle / "model_card.json").read_text())
    reasons = [facts.get("not_measured", "") for facts in card["parity_with_litert"].values()]
    assert sum("is not installed" in reason for reason in reasons) == 2
    assert card["memory_bytes"] == {"litert_peak": None, "micro_arena": None}
    assert (card["licence"], card["contact"]) == ("not stated", "not stated")
    assert "was not measured" in (bundle / "student_int8.h").read_text()


def test_methods_and_names_for_c():
    operators = ["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "MEAN", "PADV2"]
    wanted = ["Conv2D", "DepthwiseConv2D", "MaxPool2D", "FullyConnected", "Mean", "PadV2"]
    assert resolver_methods(operators) == wanted
    assert c_string('a "b"\n\\ é') == '"a \\042b\\042\\012\\134 \\303\\251"'
