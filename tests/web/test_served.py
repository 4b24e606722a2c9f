"""The page as it is handed on: built with models in its list, and served over http; and its flags, end to end."""

import csv
import dataclasses
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image

import predict as command
from benchmarks.browser import ALERT, load_model, page_answers, page_rows, python_answers, show_page
from benchmarks.chromium import Browser
from common.errors import run_command
from data.dataset import FrameRecord, open_dataset, write_dataset
from evaluation.artefacts import read_metadata, write_metadata
from evaluation.ood import UNLIKE, UPSIDE_DOWN, fit_ood
from phantom.cast import CLASSES
from tests.data.clips import write_video
from tests.phantom.simulated import simulate
from tests.web.student import ROOT, STUDENT, metadata_of

ELSEWHERE = "scans.test"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Nobody reads it."""


@pytest.fixture(scope="module")
def handed_on(built_page, bundle, tmp_path_factory):
    """The page built with a bundle and with an artefact in its list."""
    if not (ROOT / "web" / "node_modules").is_dir():
        pytest.skip("the page can't be built again: web/node_modules is not there, run `make web`")
    folder = tmp_path_factory.mktemp("handed_on") / "dist"
    words = ["node", str(ROOT / "web" / "build.mjs"), str(bundle), str(STUDENT)]
    subprocess.run(words, env={**os.environ, "WEB_DIST": str(folder)}, check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def port(handed_on):
    """Of a static web server of the built page."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(handed_on)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def browser(built_page):
    """Chromium, for which another machine's name leads to the server of the test."""
    with Browser(f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1") as opened:
        yield opened


def show(browser, address):
    browser.requests.clear()
    browser.open(f"{address}/index.html")
    browser.wait(f"document.querySelector('#model-facts').innerText || {ALERT}")
    assert not browser.text("#alert")


def test_the_list_offers_the_models_that_were_built_in(browser, port, bundle, image_folder):
    address = f"http://127.0.0.1:{port}"
    show(browser, address)
    names = browser.evaluate("[...document.querySelectorAll('#model option')].map((option) => option.innerText)")
    assert names == [bundle.name, "student_int8"]
    # The first is loaded at once; the other one is chosen by keyboard, as in any list.
    assert "fitted to an accuracy of 0.95" in browser.text("#model-facts")
    assert "1 of 1 test frames" in browser.text("#model-facts")
    browser.evaluate("document.querySelector('#model').focus()")
    browser.press("ArrowDown", 40)
    browser.wait("document.querySelector('#model-facts').innerText.includes('no threshold')")
    images, metadata = sorted(image_folder.iterdir())[:5], metadata_of(bundle)
    assert (page_answers(browser, metadata, images) == python_answers(STUDENT, metadata, images)).all()
    browser.evaluate("document.querySelector('#model').focus()")
    browser.press("ArrowUp", 38)
    browser.wait("document.querySelector('#model-facts').innerText.includes('fitted to an accuracy of 0.95')")
    assert all(url.startswith((address, "blob:", "data:")) for url in browser.requests)


def test_a_bundle_is_dropped_and_stays_in_the_list(browser, port, bundle, tmp_path):
    show(browser, f"http://127.0.0.1:{port}")
    other = shutil.copytree(bundle, tmp_path / "other")
    about = json.loads((other / "bundle.json").read_text(encoding="utf-8"))
    (other / "bundle.json").write_text(json.dumps({**about, "name": "dropped"}), encoding="utf-8")
    browser.drop("#drop", other)
    browser.wait(f"document.querySelector('#status').innerText.startsWith('The model dropped is ready') || {ALERT}")
    assert browser.text("#model option:checked") == "dropped (student_int8.tflite)"
    assert browser.evaluate("document.querySelectorAll('#model option').length") == 3


def test_a_page_from_http_answers_videos_of_localhost_and_images_from_elsewhere(
    browser, port, bundle, video, image_folder
):
    metadata = metadata_of(bundle)
    show(browser, f"http://127.0.0.1:{port}")
    found = page_answers(browser, metadata, [video])
    assert (found == python_answers(STUDENT, metadata, [video])).all()
    # Browsers keep decoders and cameras from pages of plain http of another machine: images are answered all the same.
    show(browser, f"http://{ELSEWHERE}:{port}")
    images = sorted(image_folder.iterdir())[:5]
    assert (page_answers(browser, metadata, images) == python_answers(STUDENT, metadata, images)).all()
    browser.choose("#files", video)
    assert "https, localhost or the disk" in browser.wait(ALERT)
    browser.click("#use-camera")
    browser.wait("document.querySelector('#alert').innerText.startsWith('Camera: ')")
    assert browser.problems == []


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The student with a rule for frames unlike its training frames, fitted on simulated ones: (path, frames)."""
    folder = tmp_path_factory.mktemp("checked")
    size = tuple(json.loads(STUDENT.with_name(STUDENT.name + ".json").read_text())["frame_size"])
    options = {"frame_size": size, "fps": 2.0, "duration_s": 4.0, "render": True}
    clips = {(k, label): simulate(label, k, **options).clip.frames for k in range(6) for label in CLASSES}
    with write_dataset(
        folder / "set", classes=CLASSES, frame_size=size, source={"kind": "t", "simulated": True}, seed=0,
        require_all_classes=False,
    ) as out:  # fmt: skip
        for (k, label), frames in clips.items():
            for index, frame in enumerate(frames):
                name = f"p{k}"
                out.add("train", FrameRecord(frame, CLASSES.index(label), f"{name}{label}", name, index, index / 2))
    path = folder / STUDENT.name
    shutil.copy(STUDENT, path)
    metadata = dataclasses.replace(read_metadata(STUDENT), ood=fit_ood(open_dataset(folder / "set")))
    write_metadata(path, metadata)
    return path, np.concatenate([simulate(label, 50, **options).clip.frames[:4] for label in CLASSES])


def test_frames_unlike_the_training_frames_are_flagged_as_in_python(browser, handed_on, checked, tmp_path):
    path, frames = checked
    noise = np.random.default_rng(0).integers(0, 256, frames.shape[1:], dtype=np.uint8)
    shown = {"black": np.zeros_like(noise), "noise": noise, "grey": np.full_like(noise, 90)}
    shown |= {f"up{k}": frame for k, frame in enumerate(frames[::3])}
    shown |= {f"down{k}": frame[::-1] for k, frame in enumerate(frames[::3])}
    for name, frame in shown.items():
        Image.fromarray(frame).save(tmp_path / f"{name}.png")
    parts = [np.zeros_like(frames)[:5], frames, frames[:, ::-1]]
    write_video(tmp_path / "scan.mp4", np.concatenate(parts), codec="libx264", pix_fmt="yuv420p")
    show_page(browser, handed_on)
    load_model(browser, path, path.with_name(path.name + ".json"))
    for inputs in (sorted(tmp_path.glob("*.png")), [tmp_path / "scan.mp4"]):
        out = tmp_path / f"out_{inputs[0].stem}"
        words = [str(word) for word in (path, *inputs, "--out", out, "--crop", "none")]
        assert run_command(command.main, words) == 0
        with (out / "predictions.csv").open(newline="", encoding="utf-8") as stream:
            wanted = [(row["input"].split("/")[-1], row["frame"], row["flag"]) for row in csv.DictReader(stream)]
        found = [(row["input"], row["frame"], row["flag"]) for row in page_rows(browser, *inputs)]
        assert found == wanted
        flags = {flag for _, _, flag in found}
        assert flags == {"", UNLIKE, UPSIDE_DOWN}
    # The black beginning of the video.
    assert [flag for _, _, flag in found[:5]] == [UNLIKE] * 5
    assert "unlike" in browser.text("#table tbody tr:first-child").lower()
