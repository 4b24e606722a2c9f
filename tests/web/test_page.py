"""The page in a headless Chromium: what a reader does with it, and what it says when something is wrong."""

import csv
import io
import json

import av
import numpy as np
import pytest

from benchmarks.browser import (
    ALERT,
    DONE,
    WITHOUT_RELAXED_SIMD,
    load_model,
    page_answers,
    page_rows,
    python_answers,
    show_page,
)
from tests.data.clips import write_video
from tests.web.student import STUDENT, metadata_of


def alert_after(page, act):
    """What the page warns of after an action."""
    page.evaluate("document.querySelector('#alert').textContent = ''")
    act()
    return page.wait(ALERT)


def test_a_hundred_images_are_answered_to_the_last_bit_as_in_python(page, bundle, image_folder):
    images, metadata = sorted(image_folder.iterdir()), metadata_of(bundle)
    expected, found = python_answers(STUDENT, metadata, images), page_answers(page, metadata, images)
    assert len(images) == 100
    assert (found == expected).all()
    assert len(np.unique(expected, axis=0)) > 50
    assert len(set(expected.argmax(axis=1))) > 2


def test_a_dropped_video_is_answered_frame_by_frame(page, bundle, video):
    classes = metadata_of(bundle)["classes"]
    page.evaluate("document.querySelector('#status').textContent = ''")
    page.drop("#drop", video)
    page.wait(DONE)
    page.click("#export")
    rows = list(csv.DictReader(io.StringIO(page.download("predictions.csv").decode())))
    columns = ["raw_class", "smoothed_class", "confidence", "rejected", "flag"]
    assert [*rows[0]] == ["input", "frame", "time_s", *(f"p_{name}" for name in classes), *columns]
    assert [(row["input"], row["frame"], row["flag"]) for row in rows] == [("scan.mp4", str(k), "") for k in range(100)]
    times_s = np.arange(100) / 25
    np.testing.assert_allclose([float(row["time_s"]) for row in rows], times_s, atol=1e-6)
    probabilities = np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows])
    assert (probabilities == python_answers(STUDENT, metadata_of(bundle), [video])).all()
    weights = np.exp(-np.abs(times_s[:, None] - times_s) / 0.2)
    filtered = weights @ probabilities / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose([float(row["confidence"]) for row in rows], filtered.max(axis=1), atol=1e-5)
    assert [row["raw_class"] for row in rows] == [classes[k] for k in probabilities.argmax(axis=1)]
    assert [row["smoothed_class"] for row in rows] == [classes[k] for k in filtered.argmax(axis=1)]
    rejected = filtered.max(axis=1) < 0.55
    assert [row["rejected"] for row in rows] == [str(value) for value in rejected]
    assert 0 < rejected.sum() < 100


def test_the_answers_can_be_read_and_walked_through_by_keyboard(page, video):
    page_rows(page, video)
    assert "100 frames answered" in page.text("#status")
    assert page.text("#table tbody tr:nth-child(3)").split()[0] == "2"
    page.click("#next")
    assert page.text("#page") == "Rows 26 to 50 of 100"
    page.evaluate("document.querySelector('#position').focus()")
    page.press("Home", 36)
    page.press("ArrowRight", 39)
    page.wait("document.querySelector('#frame-title').innerText === 'scan.mp4, frame 1, 0.04 s'")
    page.wait("document.querySelector('#picture').getAttribute('aria-label').startsWith('scan.mp4, frame 1,')")
    assert page.text("#page") == "Rows 1 to 25 of 100"
    assert page.evaluate("document.querySelector('#position').ariaValueText").startswith("scan.mp4, frame 1, 0.04 s: ")
    assert page.evaluate("document.querySelectorAll('#best figure').length") >= 2
    page.click("#best button:nth-of-type(2)")
    assert page.download(page.text("#best figcaption strong").split()[0] + page.evaluate(
        "'_scan.mp4_' + document.querySelector('#best figcaption').innerText.match(/frame (\\d+)/)[1] + '.png'"
    ))[:4] == b"\x89PNG"  # fmt: skip


def test_every_control_has_a_name_for_screen_readers(page, video):
    page_rows(page, video)
    controls = [node for node in page.accessibility() if node["role"] in ("button", "combobox", "slider", "spinbutton")]
    assert len(controls) > 20
    assert not [node for node in controls if not node["name"]]
    images = [node["name"] for node in page.accessibility() if node["role"] in ("image", "img")]
    assert all(images)
    headings = [node["name"] for node in page.accessibility() if node["role"] == "heading"]
    assert {"1. Model", "2. Frames", "3. Answers"} <= set(headings)


def test_a_folder_is_opened_and_what_is_no_image_is_named(page, image_folder, tmp_path):
    for name in ("001.png", "000.png"):
        (tmp_path / name).write_bytes((image_folder / name).read_bytes())
    (tmp_path / "broken.png").write_bytes((image_folder / "002.png").read_bytes()[:200])
    page.evaluate("document.querySelector('#status').textContent = ''")
    page.drop("#drop", tmp_path)
    page.wait("document.querySelector('#status').innerText.includes('2 frames answered')")
    assert page.text("#alert") == (
        "broken.png: can't be read as an image: it is damaged or cut short, export it again."
    )


def test_a_crop_shows_the_model_a_part_and_must_lie_inside(page, bundle, image_folder):
    image = image_folder / "030.png"
    box = {"x": 20, "y": 10, "width": 130, "height": 100}
    form = "document.querySelector('#settings').elements"
    fill = f"for (const [name, value] of Object.entries(%s)) {form}[name].value = value"
    try:
        page.evaluate(fill % json.dumps(box))
        names = [f"p_{name}" for name in metadata_of(bundle)["classes"]]
        cropped = page_rows(page, image)[0]
        page.evaluate(fill % json.dumps({**box, "width": 1000}))
        words = alert_after(page, lambda: page.choose("#files", image))
        assert "the crop 20,10,1000,100 does not lie inside its picture of 160×120 pixels" in words
    finally:
        page.evaluate("document.querySelector('#settings').reset()")
    assert [cropped[name] for name in names] != [page_rows(page, image)[0][name] for name in names]


def test_a_camera_is_answered_until_it_is_stopped(page):
    page.evaluate("document.querySelector('#status').textContent = ''")
    page.click("#use-camera")
    page.wait("document.querySelector('#position').max > 3")
    page.click("#stop")
    page.wait(DONE)
    assert not page.text("#alert")
    page.click("#export")
    rows = list(csv.DictReader(io.StringIO(page.download("predictions.csv").decode())))
    times_s = [float(row["time_s"]) for row in rows]
    assert times_s[0] == 0
    assert times_s == sorted(set(times_s))


@pytest.mark.parametrize(
    ("name", "words"), [("NotReadableError", "it is busy"), ("NotFoundError", "no camera was found"),
                        ("NotAllowedError", "the browser does not allow it")]
)  # fmt: skip
def test_a_camera_that_is_busy_absent_or_forbidden(page, name, words):
    page.evaluate(
        "window.given = navigator.mediaDevices.getUserMedia;"
        f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{name}'))"
    )
    try:
        assert words in alert_after(page, lambda: page.click("#use-camera"))
    finally:
        page.evaluate("navigator.mediaDevices.getUserMedia = window.given; undefined")


@pytest.mark.parametrize("field", ["#files", "#model-files"])
def test_a_file_that_was_moved_since_it_was_chosen_is_named(page, tmp_path, field):
    file = tmp_path / ("scan.mp4" if field == "#files" else "student.tflite")
    file.write_bytes(bytes(2000))
    page.evaluate(
        "window.reads = Blob.prototype.arrayBuffer;"
        "Blob.prototype.arrayBuffer = () => Promise.reject(new DOMException('no', 'NotReadableError'))"
    )
    try:
        found = alert_after(page, lambda: page.choose(field, file))
    finally:
        page.evaluate("Blob.prototype.arrayBuffer = window.reads; undefined")
    assert found.startswith(f"{file.name}: can't be read: it was moved or changed since it was chosen")


BAD_FILES = {
    "letter.mp4": (b"A letter, and no video." * 20, "is neither an image"),
    "empty.mp4": (b"", "is empty"),
    "scan.dcm": (bytes(128) + b"DICM" + bytes(200), "is DICOM"),
    "stack.tif": (b"II*\0" + bytes(200), "is TIFF"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_gives_no_frames_is_named_with_what_to_do(page, tmp_path, name):
    content, words = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    found = alert_after(page, lambda: page.choose("#files", tmp_path / name))
    assert found.startswith(f"{name}: {words}")
    assert "should not have happened" not in found


def test_a_video_that_is_cut_short_or_holds_no_frame(page, video, tmp_path):
    content = video.read_bytes()
    at = content.index(b"mdat")
    (tmp_path / "cut.mp4").write_bytes(content[: at + 2000])
    (tmp_path / "noise.mp4").write_bytes(content[: at + 64] + bytes(len(content) - at - 64))
    for name in ("cut.mp4", "noise.mp4"):
        found = alert_after(page, lambda name=name: page.choose("#files", tmp_path / name))
        assert found.startswith(f"{name}: ")
        assert "should not have happened" not in found


def test_a_file_of_sound_alone_and_a_video_track_without_a_frame(page, frames, tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 48000
        container.mux([*stream.encode(sound), *stream.encode()])
    assert "sound.mp4: holds no video track" in alert_after(page, lambda: page.choose("#files", tmp_path / "sound.mp4"))
    options = {"movflags": "frag_keyframe+empty_moov"}
    path = tmp_path / "header.mp4"
    write_video(path, frames[:3], codec="libx264", pix_fmt="yuv420p", container_options=options)
    path.write_bytes(path.read_bytes().split(b"moof")[0][:-4])
    assert "header.mp4: holds no frame" in alert_after(page, lambda: page.choose("#files", path))


def test_a_model_file_that_is_no_model_or_not_described(page, bundle, tmp_path):
    student = bundle / "student_int8.tflite"
    (tmp_path / "text.tflite").write_text("no model")
    (tmp_path / "cut.tflite").write_bytes(student.read_bytes()[:1000])
    (tmp_path / "alone.tflite").write_bytes(student.read_bytes())
    cases = {
        "text": "is no TFLite model",
        "cut": "is damaged or cut short",
        "alone": "does not say which classes it knows",
    }
    for name, words in cases.items():
        path = tmp_path / f"{name}.tflite"
        assert f"{name}.tflite: {words}" in alert_after(page, lambda path=path: page.choose("#model-files", path))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("classes", ["head", "femur"], "it gives 1×4 numbers for 2 classes"), ("format", "other", 'its format is "other"'),
     ("preparation", {"fan": "blank"}, "black outside the ultrasound fan"),
     ("ood", {"rule": "new"}, "its out-of-distribution rule is new of"),
     ("files", {"student_int8.tflite": {"sha256": "0" * 64}}, "its SHA-256 is not the one in its description"),
     ("self_test", [{"frame": {"x": 7, "y": 13, "plus": 0}, "output": [1, 2, 3, 4]}], "1 of 1 test frames")],
)  # fmt: skip
def test_a_description_that_is_not_the_models(page, bundle, tmp_path, field, value, words):
    about = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    (tmp_path / "bundle.json").write_text(json.dumps(about | {field: value}))
    model = bundle / "student_int8.tflite"
    assert words in alert_after(page, lambda: page.choose("#model-files", model, tmp_path / "bundle.json"))


def test_an_artefact_of_a_run_is_taken_with_its_json(page, image_folder):
    load_model(page, STUDENT, STUDENT.with_name(STUDENT.name + ".json"))
    assert "no threshold" in page.text("#model-facts")
    assert page_rows(page, image_folder / "000.png")[0]["rejected"] == "0"


def test_the_page_asks_for_nothing_outside_its_folder_and_reports_no_fault(page, built_page):
    folder = built_page.resolve().as_uri()
    assert [url for url in page.requests if not url.startswith((folder, "blob:file:", "data:"))] == []
    assert "connect-src 'none'" in (built_page / "index.html").read_text(encoding="utf-8")
    assert page.problems == []


def test_nothing_is_wider_than_a_phone(page, video):
    page_rows(page, video)
    try:
        page.show(360, 780, phone=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    finally:
        page.show(1000, 800)


def test_a_browser_without_webassembly_is_given_a_reason(browser, built_page):
    show_page(browser, built_page, "delete globalThis.WebAssembly")
    assert "This browser has no WebAssembly" in browser.text("#alert")
    controls = "[...document.querySelectorAll('main button')].filter((button) => button.checkVisibility())"
    assert browser.evaluate(f"{controls}.length > 0 && {controls}.every((button) => button.disabled)")


def test_a_browser_without_relaxed_simd_answers_with_the_same_bits(browser, built_page, bundle, image_folder):
    images, metadata = sorted(image_folder.iterdir())[::5], metadata_of(bundle)
    browser.requests.clear()
    show_page(browser, built_page, WITHOUT_RELAXED_SIMD)
    assert any(url.endswith("engine_compat.js") for url in browser.requests)
    load_model(browser, *sorted(bundle.iterdir()))
    found = page_answers(browser, metadata, images)
    assert (found == python_answers(STUDENT, metadata, images)).all()
