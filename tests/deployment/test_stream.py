"""Streams on loopback: newest frame first, what is dropped is counted, and every end is a clean one."""

import errno
import io
import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from common.errors import InputError
from data.video.fan import find_fan
from deployment import predict
from deployment.config import PredictConfig
from deployment.prediction import View
from deployment.stream import Latencies, predict_stream
from deployment.stream_source import Arrived, LiveStream
from evaluation.artefacts import save_keras
from tests.data.screens import curved, speckle
from tests.deployment.small import CLASSES, describe
from tests.deployment.streams import free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def url():
    """An address on loopback that nobody uses."""
    return f"udp://127.0.0.1:{free_port()}"


@pytest.fixture
def sender(url):
    """Starts senders, and ends those that still run."""
    started = []

    def start(fps: float, seconds: float):
        words = [sys.executable, str(ROOT / "benchmarks" / "stream_sender.py"), url]
        started.append(subprocess.Popen([*words, "--fps", str(fps), "--seconds", str(seconds)]))

    yield start
    for process in started:
        process.terminate()
        process.wait()


def answers(config) -> tuple[list[dict], dict]:
    """(lines of frames, the last line)."""
    out = io.StringIO()
    predict_stream(config, out)
    *rows, end = [json.loads(line) for line in out.getvalue().splitlines()]
    return rows, end


@pytest.mark.parametrize("fps", [25, 60])
def test_a_stream_is_answered_in_order(fps, student, sender, url, tmp_path):
    sender(fps, 30)
    config = PredictConfig(artefact=student, stream=url, crop="none", duration_s=2.0, out=tmp_path / "out")
    rows, end = answers(config)
    numbers = [row["frame"] for row in rows]
    assert len(rows) > 10 and numbers == sorted(set(numbers))
    assert (end["end"], end["answered"]) == ("duration", len(rows))
    assert 0 <= end["frames"] - end["answered"] - end["dropped"] <= 1, (
        "every frame was answered, dropped, or is the newest"
    )
    for row in rows:
        assert set(row["probabilities"]) == set(CLASSES) and row["class"] in CLASSES and row["latency_ms"] > 0
    for a, b in itertools.pairwise(rows):
        steps = (b["time_s"] - a["time_s"]) * fps  # a frame that the network lost is a gap in time
        assert steps == pytest.approx(round(steps), abs=0.01) and round(steps) >= b["frame"] - a["frame"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["latency_ms"] == end["latency_ms"] and end["latency_ms"]["median"] <= end["latency_ms"]["p95"]


def test_a_slow_model_gets_the_newest_frame_and_the_others_are_dropped(student, sender, url, monkeypatch):
    from evaluation.artefacts import Artefact

    quick = Artefact.predict
    monkeypatch.setattr(Artefact, "predict", lambda self, features: (time.sleep(0.2), quick(self, features))[1])
    sender(25, 30)
    rows, end = answers(PredictConfig(artefact=student, stream=url, crop="none", duration_s=2.0))
    assert end["dropped"] >= end["answered"] > 2
    # A queue would give frame after frame; the newest is several further on.
    assert min(b["frame"] - a["frame"] for a, b in itertools.pairwise(rows)) > 1


def test_a_stream_that_never_answers(student, url, tmp_path, capsys):
    config = PredictConfig(artefact=student, stream=url, crop="none", timeout_s=0.5, out=tmp_path / "out")
    with pytest.raises(InputError, match=r"no answer within 0\.5 s: is the sender running"):
        predict_stream(config, io.StringIO())
    assert not (tmp_path / "out").exists()
    assert "its metadata holds no rule for frames unlike" in capsys.readouterr().err, "said before anything comes"


def test_a_stream_that_dies_is_an_error_with_all_that_was_answered(student, sender, url):
    sender(25, 4)
    out = io.StringIO()
    with pytest.raises(InputError, match=r"no frame for 6 s, after \d+: the sender has stopped"):
        predict_stream(PredictConfig(artefact=student, stream=url, crop="none", timeout_s=6), out)
    end = json.loads(out.getvalue().splitlines()[-1])
    assert end["end"] == "broken" and end["answered"] > 5


def test_a_stream_that_stalls_ends_when_its_time_is_over(student, sender, url):
    """Once the time was looked at between frames alone, and a stalled stream ended as an error, late."""
    sender(25, 4)
    _, end = answers(PredictConfig(artefact=student, stream=url, crop="none", timeout_s=20, duration_s=6))
    assert end["end"] == "duration" and end["answered"] > 5 and end["seconds"] < 15


def test_the_fan_of_a_stream_must_be_sure(student, sender, url, monkeypatch):
    from data.video.fan import Fan

    sender(25, 30)
    found = lambda frames: Fan("linear", (0, 0, 9, 9), frames[0] > 0, 0.2, "it does not move")  # noqa: E731
    monkeypatch.setattr("deployment.view.find_fan", found)
    with pytest.raises(InputError, match=r"not sure \(it does not move; found 0,0,9,9\): give crop"):
        predict_stream(PredictConfig(artefact=student, stream=url), io.StringIO())


class Sent:
    """A stream of pictures that are there already; None ends what asks for them."""

    name, decoded, dropped = "sent", 0, 0

    def __init__(self, pictures):
        self._pictures = iter(pictures)

    def newest(self, until=None):
        picture = next(self._pictures)
        if picture is None:
            return None
        frame = av.VideoFrame.from_ndarray(picture, format="gray")
        return Arrived(0, 0.0, time.perf_counter(), frame, frame.width, None)

    def close(self):
        pass


def test_the_fan_of_a_stream_is_looked_for_in_the_crop(model, tmp_path, monkeypatch, capsys):
    fan = curved((300, 400), (200, -50), 0.55, (90, 330))
    pictures = np.concatenate([speckle(fan, 4), speckle(fan, 4, 1)], axis=2)
    pictures[:, 30:80, 285:325] = 255
    path = tmp_path / "blank.keras"
    save_keras(model, path, describe(fan="blank"))
    crop = (0, 0, 400, 300)
    mask = np.pad(find_fan(pictures[:, :300, :400]).mask, ((0, 0), (0, 400)))
    expected = predict(path, pictures[:1], view=View(crop, mask)).table.filter(like="p_").to_numpy()[0]
    for crop, blanked in (("0,0,400,300", True), ("none", False)):
        monkeypatch.setattr("deployment.stream.LiveStream", lambda *_: Sent([*pictures, None, pictures[0], None]))
        config = PredictConfig(artefact=path, stream="udp://x", crop=crop, out=tmp_path / crop)
        (row,), _ = answers(config)
        found = json.loads((tmp_path / crop / "summary.json").read_text())["fan"]
        assert found["blanked"] == blanked == (not found["unsure"])
        if blanked:
            np.testing.assert_allclose(list(row["probabilities"].values()), expected, atol=1e-4)
    assert "so nothing is blanked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EBUSY, "the camera is busy: another program uses it"),
        (errno.ENOENT, "there is no such camera"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "can't be opened"),
    ],
)
def test_a_camera_that_can_not_be_opened(number, message, monkeypatch):
    def refuse(*args, **kwargs):
        assert kwargs["format"] == "v4l2"
        raise OSError(number, "what the driver says")

    monkeypatch.setattr("av.open", refuse)
    with pytest.raises(InputError, match=f"/dev/video7: {message}"):
        LiveStream("/dev/video7")


@pytest.mark.parametrize("name", ["scan.mp4", "file:///etc/passwd", "concat:a|b", "ftp://host/a", "-"])
def test_what_is_no_stream_is_not_opened(name):
    with pytest.raises(InputError, match="is no stream: give a URL"):
        LiveStream(name)


def test_stream_options_are_names_and_values(student):
    with pytest.raises(InputError, match="must be NAME=VALUE"):
        PredictConfig(artefact=student, stream="udp://127.0.0.1:9", stream_options=("video_size",))


def test_latencies_take_no_memory_and_give_quantiles():
    latencies = Latencies()
    assert latencies.quantile(0.5) is None
    for value in range(1, 1001):
        latencies.add(value / 10)
    assert latencies.quantile(0.5) == pytest.approx(50, abs=0.1)
    assert latencies.quantile(0.95) == pytest.approx(95, abs=0.1)


def test_ctrl_c_ends_with_the_summary(student, sender, url):
    sender(25, 120)
    words = [sys.executable, str(ROOT / "predict.py"), str(student), "--stream", url, "--crop", "none"]
    process = subprocess.Popen([*words, "--timeout-s", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert all("probabilities" in json.loads(line) for line in lines)
    assert json.loads(out.splitlines()[-1])["end"] == "stopped"
    assert "stopped after" in said and "Traceback" not in said
