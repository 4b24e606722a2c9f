"""The built page in a headless Chromium, simulated frames to show it, and a student that was trained on such frames."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.browser import load_model, show_page
from benchmarks.chromium import Browser, find_chromium
from phantom.cast import CLASSES
from tests.data.clips import write_video
from tests.phantom.simulated import simulate
from tests.web.student import ROOT, STUDENT, self_test

DIST = ROOT / "web" / "dist"


@pytest.fixture(scope="session")
def built_page():
    """The folder of the built page."""
    if find_chromium() is None:
        pytest.skip("the page is tested in a headless Chromium, and none is installed")
    if not (DIST / "index.html").is_file():
        pytest.skip("the page is not built: run `make web`, which needs Node.js")
    sources = [*(ROOT / "web" / "src").rglob("*.js"), ROOT / "web" / "index.html", ROOT / "web" / "page.css"]
    if max(path.stat().st_mtime for path in sources) > (DIST / "page.js").stat().st_mtime + 1:
        pytest.skip("the built page is older than its sources: run `make web`")
    return DIST


@pytest.fixture(scope="session")
def frames():
    """100 simulated frames, uint8 [100, 120, 160], a quarter of each class."""
    options = {"frame_size": (120, 160), "fps": 12.5, "duration_s": 2.0, "render": True}
    return np.concatenate([simulate(label, 1, **options).clip.frames[:25] for label in CLASSES])


@pytest.fixture(scope="session")
def image_folder(frames, tmp_path_factory):
    """The frames as PNGs."""
    folder = tmp_path_factory.mktemp("images")
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture(scope="session")
def video(frames, tmp_path_factory):
    """The frames as H.264 in MP4, with B-frames, as scanners and phones write it."""
    path = tmp_path_factory.mktemp("video") / "scan.mp4"
    options = {"crf": "20", "bf": "2", "preset": "veryfast"}
    return write_video(path, frames, codec="libx264", pix_fmt="yuv420p", options=options)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The folder of a bundle of the student, with a threshold for each kind of input."""
    folder = tmp_path_factory.mktemp("bundle")
    shutil.copy(STUDENT, folder / STUDENT.name)
    metadata = json.loads(Path(f"{STUDENT}.json").read_text(encoding="utf-8"))
    height, width = metadata["frame_size"]
    point = {"accuracy": 0.95, "coverage": 0.8, "reached": True}
    about = {
        "format": "gaze-bundle-1",
        "name": "demo",
        "version": metadata["version"],
        "simulated": True,
        "classes": metadata["classes"],
        "input": {"dtype": "uint8", "shape": [1, height, width, 1]},
        "output": {"dtype": "uint8", "shape": [1, len(metadata["classes"])], "is": "probabilities"},
        "preparation": {"resize": "area", "fit": "pad", "fan": "keep"},
        "decision": {
            "target": 0.95,
            "still": {"time_constant_s": 0.0, "threshold": 0.6, **point},
            "causal": {"time_constant_s": 0.4, "threshold": 0.5, **point},
            "two_sided": {"time_constant_s": 0.2, "threshold": 0.55, **point},
        },
        "ood": None,
        "self_test": self_test(height, width),
        "files": {STUDENT.name: {"sha256": metadata["sha256"]}},
    }
    (folder / "bundle.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser(built_page):
    """Chromium with no page yet; its camera is a test picture of its own."""
    with Browser("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as opened:
        yield opened


@pytest.fixture(scope="module")
def loaded(browser, built_page, bundle):
    """Shows the page and loads the bundle, if it is not there already."""

    def show():
        if "demo (student_int8.tflite)" not in browser.text("#model option:checked"):
            show_page(browser, built_page)
            load_model(browser, *sorted(bundle.iterdir()))

    return show


@pytest.fixture
def page(browser, loaded):
    """The page from the disk, with the bundle loaded."""
    loaded()
    return browser
