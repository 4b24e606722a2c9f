"""Figures are drawn, say when data are simulated, and refuse a history that is none."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from common.errors import InputError
from evaluation.artefacts import load_artefact
from evaluation.attention import attention_maps, has_attention
from evaluation.calibration import draw_calibration
from evaluation.classification import expected_calibration_error, labelled, probability_array, reliability_bins
from evaluation.config import EvaluateConfig
from evaluation.curves import draw_curves
from evaluation.figures import draw_accuracy_size, draw_confusions, draw_precision_recall, draw_reliability
from evaluation.history import read_history
from evaluation.page.frames import attention_of
from evaluation.plots import write_plots
from evaluation.report import run_evaluation
from evaluation.sheet import draw_sheet
from losses import TERMS
from tests.evaluation.small import SIZE, artefact_paths, make_dataset


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text")))


def drawn(draw, *given):
    figure = Figure()
    draw(figure, *given)
    return figure


@pytest.fixture(scope="module")
def sheet(evaluation):
    """The frames with the maps of all artefacts; read only."""
    return drawn(draw_sheet, evaluation)


FIGURES = ["confusion", "precision_recall", "reliability", "calibration", "accuracy_size", "curves", "maps"]


def test_all_figures_as_pixels_and_as_vectors(evaluation, tmp_path, monkeypatch):
    written = write_plots(tmp_path / "plots", evaluation)
    names = [f"{name}.{ending}" for name in FIGURES for ending in ("png", "svg")]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == sorted(names)
    for path in written[::2]:
        pixels = imread(path)
        assert min(pixels.shape[:2]) > 300 and pixels[..., :3].std() > 0.05
    for path in written[1::2]:
        text = path.read_text()
        assert text.count("<path") > 10 and "simulated data" in text, "text stays text"
    # Equal figures are equal files.
    first = (tmp_path / "plots" / "confusion.svg").read_bytes()
    for other in ("precision_recall", "reliability", "calibration", "accuracy_size", "curves", "sheet"):
        monkeypatch.setattr(f"evaluation.plots.draw_{other}", lambda figure, *_: None)
    write_plots(tmp_path / "plots", evaluation)
    assert (tmp_path / "plots" / "confusion.svg").read_bytes() == first


def test_without_a_history_the_rest_is_drawn(evaluation, run_folder, dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("evaluation.plots.FORMATS", ("png",))
    monkeypatch.setattr("evaluation.plots.Figure", lambda **_: Figure())  # places of axes and words are not looked at
    copy = tmp_path / "alone" / "nowhere" / "deep" / "student.tflite"
    copy.parent.mkdir(parents=True)
    for suffix in ("", ".json"):
        source = run_folder / "student" / f"student.tflite{suffix}"
        copy.with_name(source.name).write_bytes(source.read_bytes())
    alone = run_evaluation(EvaluateConfig([copy], dataset.path, latency=False))
    written = [path.name for path in write_plots(tmp_path / "plots", alone)]
    assert written == [f"{name}.png" for name in FIGURES if name != "curves"]
    assert "no training curves" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("", "not a history"),
        ("epoch,loss\n1,2\n", "no column 'stage'"),
        ("stage,epoch,loss\n", "no epoch"),
        ("stage,epoch,loss\nteacher,1,high\n", "column 'loss' holds text"),
    ],
)
def test_a_history_that_is_none(tmp_path, evaluation, text, message):
    if text is not None:
        (tmp_path / "history.csv").write_text(text)
    with pytest.raises(InputError, match=rf"history\.csv.*{message}"):
        read_history(tmp_path / "history.csv")
    with pytest.raises(InputError, match=message):
        write_plots(tmp_path / "plots", evaluation, run=tmp_path)
    assert not (tmp_path / "plots").exists()


def test_simulated_is_said_on_every_figure_of_simulated_data_alone(evaluation, sheet, run_folder, tmp_path):
    real = make_dataset(tmp_path / "real", simulated=False)
    other = run_evaluation(EvaluateConfig(artefact_paths(run_folder)[:2], real.path, latency=False))
    draws = [
        lambda figure, e: draw_confusions(figure, e.report),
        lambda figure, e: draw_accuracy_size(figure, e.report),
        lambda figure, e: draw_precision_recall(figure, e.report, e.tables, e.data.classes),
        lambda figure, e: draw_reliability(figure, e.report, e.tables, e.data.classes),
        lambda figure, e: draw_calibration(figure, e.report, e.tables, e.data.classes),
    ]
    pairs = [(sheet, drawn(draw_sheet, other))] + [(drawn(draw, evaluation), drawn(draw, other)) for draw in draws]
    for one, two in pairs:
        assert "simulated" in texts(one) and "simulated" not in texts(two)


def test_confusion_shows_every_count_and_its_share_of_the_row(evaluation):
    figure = Figure()
    draw_confusions(figure, evaluation.report)
    for axis, row in zip(figure.axes, evaluation.report["artefacts"]):
        shown = [text.get_text().split("\n") for text in axis.texts]
        counts = np.array(row["confusion"])
        assert [int(count) for count, _ in shown] == counts.ravel().tolist()
        shares = np.round(100 * counts / counts.sum(axis=1, keepdims=True))
        assert [int(share.removesuffix(" %")) for _, share in shown] == shares.ravel().tolist()


def test_curves_show_every_column_over_whole_epochs(run_folder):
    history = read_history(run_folder / "history.csv")
    figure = Figure()
    draw_curves(figure, history, "title")
    figure.canvas.draw()
    shown = [axis for axis in figure.axes if axis.get_visible()]
    student = history[history["stage"] == "student"]
    drawn = [line.get_ydata().tolist() for axis in shown for line in axis.lines]
    for name in history.columns.drop(["stage", "epoch"]):
        assert student[name].tolist() in drawn, name
    for axis in shown:
        ticks = axis.get_xticks()
        np.testing.assert_array_equal(ticks, np.round(ticks))
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert {"total loss, weighted", "loss terms, unweighted", "share of frames"} <= set(labels)


def test_the_legend_of_a_term_has_its_unit_and_shares_are_known_by_their_whole_name(monkeypatch):
    new = dataclasses.replace(TERMS["soft"], name="agreement_kl", setting="agreement_kl", unit="bits")
    monkeypatch.setitem(TERMS, new.name, new)
    names = ["loss", "attention", "soft", "agreement_kl", "accuracy", "regularisation"]
    history = pd.DataFrame({"stage": "student", "epoch": [1, 2], **dict.fromkeys(names, 0.5)})
    figure = Figure()
    draw_curves(figure, history, "title")
    legends = {axis.get_ylabel(): [text.get_text() for text in axis.get_legend().texts] for axis in figure.axes}
    assert legends == {
        "total loss, weighted": ["loss"],
        "loss terms, unweighted": [
            "attention (squared distance)",
            "soft (nats · T²)",
            "agreement kl (bits)",
            "regularisation (weighted)",
        ],
        "share of frames": ["accuracy"],
    }


def test_every_stage_has_its_epochs_below_its_lowest_curves():
    """Here the 8-bit stage alone has a learning rate, and so a row that the student has not."""
    history = pd.DataFrame({"stage": ["student", "student", "int8"], "epoch": [1, 2, 1], "loss": [2.0, 1.0, 1.0]})
    history["learning_rate"] = [None, None, 1e-3]
    figure = Figure()
    draw_curves(figure, history, "title")
    figure.draw_without_rendering()
    student = [axis for axis in figure.axes if axis.get_visible() and axis.get_subplotspec().colspan.start == 0]
    assert student[-1].get_xlabel().startswith("epoch")
    assert "learning rate per step" in [axis.get_ylabel() for axis in figure.axes if axis.get_visible()]
    assert {"1", "2"} <= {
        tick.label1.get_text() for tick in student[-1].xaxis.get_major_ticks() if tick.label1.get_visible()
    }


def test_reliability_is_of_the_bins_of_the_calibration_error(evaluation):
    frames = labelled(evaluation.tables[1])
    probabilities, label = probability_array(frames, evaluation.data.classes), frames["label"].to_numpy()
    bins = reliability_bins(probabilities, label)
    assert bins["count"].sum() == len(label)
    gaps = np.nan_to_num(np.abs(bins["accuracy"] - bins["confidence"]))
    assert (bins["count"] * gaps).sum() / len(label) == pytest.approx(expected_calibration_error(probabilities, label))
    figure = Figure()
    draw_reliability(figure, evaluation.report, evaluation.tables, evaluation.data.classes)
    points = figure.axes[1].collections[-1].get_offsets()
    used = bins["count"] > 0
    np.testing.assert_allclose(points, np.stack([bins["confidence"], bins["accuracy"]], 1)[used])


def test_all_maps_are_on_one_scale_and_named_by_their_recording(evaluation, sheet):
    maps = [image for axis in sheet.axes for image in axis.images[1:]]
    assert len(maps) > 12 and {(image.norm.vmin, image.norm.vmax) for image in maps} == {(0, maps[0].norm.vmax)}
    assert sheet.axes[-1].get_ylabel() == "map / uniform map"
    highest = max(float(image.get_array().max()) for image in maps)
    assert highest == pytest.approx(maps[0].norm.vmax)
    titles = [axis.get_title() for axis in sheet.axes]
    recordings = set(evaluation.tables[0]["recording_id"])
    assert sum(any(name in title for name in recordings) for title in titles) == 6


def test_gaze_dots_lie_where_the_gaze_was(sheet):
    points = sheet.axes[0].collections[0].get_offsets()
    height, width = SIZE
    np.testing.assert_allclose(
        points, [[0.2 * width - 0.5, 0.3 * height - 0.5], [0.6 * width - 0.5, 0.7 * height - 0.5]], atol=1e-4
    )


def test_attention_is_the_channel_mean_of_squares(run_folder, student):
    artefact = load_artefact(run_folder / "student" / "student.keras")
    assert has_attention(artefact)
    assert not has_attention(load_artefact(run_folder / "student" / "saved_model"))
    frame = np.random.default_rng(0).random((3, *SIZE, 1)).astype(np.float32)
    activation = keras.Model(student.input, student.get_layer("stride8").output)(frame).numpy()
    expected = np.array([[[np.mean(cell**2) for cell in row] for row in one] for one in activation])
    expected /= expected.sum(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(attention_maps(artefact, {"frame": frame}), expected, rtol=1e-4)


def test_captions_say_what_the_attention_of_a_model_is(evaluation, sheet, run_folder, student):
    """Squared activations, or the gaze map that a model predicts and looks through."""
    assert "attention: squared activations at stride8" in texts(sheet)
    logits = keras.layers.Conv2D(1, 1, name="saliency")(student.get_layer("stride8").output)
    model = keras.Model(student.input, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(logits)))
    seen = load_artefact(run_folder / "student" / "student.keras")
    predicts = dataclasses.replace(seen, model=model)
    assert "gaze map that it predicts" in attention_of(predicts)
    assert "squared activations" not in attention_of(predicts) and "squared activations" in attention_of(seen)
    both = dataclasses.replace(evaluation, artefacts=[predicts, *evaluation.artefacts[1:]])
    figure = Figure()
    draw_sheet(figure, both)
    assert "the gaze map that it predicts" in texts(figure) and "squared activations" in texts(figure)


def test_calibration_has_a_line_an_artefact_and_its_risk_ends_at_the_error(evaluation):
    """At full coverage the risk is 1 − accuracy; a class's column is of the frames that are answered with it."""
    figure = Figure()
    draw_calibration(figure, evaluation.report, evaluation.tables, evaluation.data.classes)
    columns = 1 + len(evaluation.data.classes)
    first, *of_class = figure.axes[columns:]
    rows = evaluation.report["artefacts"]
    assert len(first.lines) == len(rows)
    for line, row in zip(first.lines, rows):
        assert line.get_ydata()[-1] == pytest.approx(100 * (1 - row["accuracy"]))
        assert line.get_xdata()[-1] == 100
    for axis, name in zip(of_class, evaluation.data.classes):
        answered = [row["per_class"][name]["precision"] for row in rows if np.array(row["confusion"]).sum(axis=0).any()]
        ends = [line.get_ydata()[-1] for line in axis.lines]
        assert all(any(end == pytest.approx(100 * (1 - p)) for p in answered) for end in ends)
