"""Pictures are drawn, say when data are simulated, and refuse a history that is none."""

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from common.errors import InputError
from evaluation.artefacts import load_artefact
from evaluation.attention import attention_maps, has_attention
from evaluation.plots import draw_accuracy_size, draw_confusions, read_history, write_plots
from evaluation.report import run_evaluation
from evaluation.sheet import draw_sheet
from tests.evaluation.conftest import SIZE, artefact_paths, make_dataset


@pytest.fixture(scope="module")
def evaluation(run_folder, dataset):
    return run_evaluation(artefact_paths(run_folder), dataset.path, "test", latency=False)


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text")))


def test_all_pictures(evaluation, tmp_path):
    written = write_plots(tmp_path / "plots", evaluation)
    names = ["confusion.png", "accuracy_size.png", "curves.png", "maps.png"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == sorted(names)
    for path in written:
        picture = imread(path)
        assert min(picture.shape[:2]) > 300 and picture[..., :3].std() > 0.05


def test_without_a_history_the_rest_is_drawn(evaluation, run_folder, dataset, tmp_path, capsys):
    copy = tmp_path / "alone" / "nowhere" / "deep" / "student.tflite"
    copy.parent.mkdir(parents=True)
    for suffix in ("", ".json"):
        source = run_folder / "student" / f"student.tflite{suffix}"
        copy.with_name(source.name).write_bytes(source.read_bytes())
    alone = run_evaluation([copy], dataset.path, latency=False)
    written = [path.name for path in write_plots(tmp_path / "plots", alone)]
    assert written == ["confusion.png", "accuracy_size.png", "maps.png"]
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


def test_simulated_is_said_on_every_picture_of_simulated_data_alone(evaluation, run_folder, tmp_path):
    real = make_dataset(tmp_path / "real", simulated=False)
    other = run_evaluation(artefact_paths(run_folder)[:2], real.path, latency=False)
    for draw in (draw_confusions, draw_accuracy_size):
        one, two = Figure(), Figure()
        draw(one, evaluation.report)
        draw(two, other.report)
        assert "simulated" in texts(one) and "simulated" not in texts(two)


def test_confusion_shows_every_count(evaluation):
    figure = Figure()
    draw_confusions(figure, evaluation.report)
    for axis, row in zip(figure.axes, evaluation.report["artefacts"]):
        assert [int(text.get_text()) for text in axis.texts] == np.ravel(row["confusion"]).tolist()


def test_gaze_dots_lie_where_the_gaze_was(evaluation):
    figure = Figure()
    draw_sheet(figure, evaluation, "title")
    points = figure.axes[0].collections[0].get_offsets()
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
