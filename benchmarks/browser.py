"""Claim: the browser page answers images and videos with the bits that Python answers them with.

    make web
    python benchmarks/browser.py ARTEFACT FILE|FOLDER ... [--page web/dist] [--compat]

ARTEFACT is a .tflite file with its .json next to it; FILEs are images or videos, FOLDERs are searched for them. Each is
answered by the page in a headless Chromium and by Python (data.video, data.video.framing, ai-edge-litert on one
thread); the table has the frames, how many rows of probabilities differ in any bit, the greatest difference, how
many different answers there were, and the milliseconds of a frame in the page. --compat takes the page's
engine for browsers without relaxed SIMD.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.chromium import Browser

ALERT = "document.querySelector('#alert').innerText"
READY = f"document.querySelector('#status').innerText || {ALERT}"
DONE = f"document.querySelector('#status').innerText.includes('frames answered') || {ALERT}"
# The page probes for it with a module of some bytes, which such a browser refuses.
WITHOUT_RELAXED_SIMD = """
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = (bytes, ...rest) =>
        bytes.byteLength < 100 ? Promise.reject(new WebAssembly.CompileError("no")) : instantiate(bytes, ...rest);
"""
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
_TIMEOUT_S = 900.0


def main() -> int:
    from rich.table import Table

    from common.console import console

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact", type=Path)
    parser.add_argument("inputs", type=Path, nargs="+")
    parser.add_argument("--page", type=Path, default=Path("web/dist"))
    parser.add_argument("--compat", action="store_true")
    arguments = parser.parse_args()
    metadata = json.loads(arguments.artefact.with_name(arguments.artefact.name + ".json").read_text(encoding="utf-8"))
    images, videos = _find(arguments.inputs)
    table = Table("input", "frames", "rows that differ", "greatest difference", "different answers", "ms a frame")
    differing = 0
    with Browser() as page:
        show_page(page, arguments.page, WITHOUT_RELAXED_SIMD if arguments.compat else "")
        load_model(page, arguments.artefact, arguments.artefact.with_name(arguments.artefact.name + ".json"))
        for name, paths in [(f"{len(images)} images", images), *((path.name, [path]) for path in videos)]:
            if not paths:
                continue
            expected, found = python_answers(arguments.artefact, metadata, paths), page_answers(page, metadata, paths)
            if found.shape != expected.shape:
                console.print(
                    f"{name}: {len(found)} frames in the page, {len(expected)} in Python. {page.text('#alert')}"
                )
                differing += 1
                continue
            difference = np.abs(found - expected).max(axis=1)
            differing += int((difference > 0).sum())
            distinct = len(np.unique(expected, axis=0))
            ms = page.text("#timing").split(":")[1].split("ms")[0].strip()
            table.add_row(
                name, str(len(found)), str((difference > 0).sum()), f"{difference.max():g}", str(distinct), ms
            )
    console.print(table)
    return 1 if differing else 0


def show_page(browser: Browser, folder: Path, before: str = "") -> None:
    """Load the built page from the disk; `before` is JavaScript that runs ahead of the page's."""
    browser.open((folder / "index.html").resolve().as_uri(), before)
    browser.wait(READY)


def load_model(page: Browser, *files: Path) -> None:
    """Give the page a model's files."""
    page.choose("#model-files", *files)
    page.wait(f"document.querySelector('#model-facts').innerText || {ALERT}")
    if page.text("#alert"):
        raise RuntimeError(page.text("#alert"))


def page_rows(page: Browser, *paths: Path) -> list[dict[str, str]]:
    """What the page's table saves after these files were answered."""
    page.evaluate("document.querySelector('#status').textContent = ''")
    page.choose("#files", *paths)
    page.wait(DONE, _TIMEOUT_S)
    if not page.text("#status"):
        return []
    page.click("#export")
    return list(csv.DictReader(io.StringIO(page.download("predictions.csv").decode())))


def page_answers(page: Browser, metadata: dict, paths: Iterable[Path]) -> np.ndarray:
    """Probabilities float64 [n, K] as the page gives them."""
    names = [f"p_{name}" for name in metadata["classes"]]
    return np.array([[float(row[name]) for name in names] for row in page_rows(page, *paths)])


def python_answers(artefact: Path, metadata: dict, paths: Iterable[Path]) -> np.ndarray:
    """Probabilities float64 [n, K] as Python gives them, divided by their sum as everywhere here."""
    from ai_edge_litert.interpreter import Interpreter

    from data.video.framing import prepare_image
    from data.video.read import open_video

    interpreter = Interpreter(str(artefact), num_threads=1)
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = exit_["quantization"]
    rows = []
    for path in paths:
        for _, _, image in open_video(path):
            frame = prepare_image(image, tuple(metadata["frame_size"]), metadata["fit"])
            interpreter.set_tensor(entry["index"], frame[None, :, :, None])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(exit_["index"])[0].astype(np.float64))
    values = (np.array(rows) - zero_point) * scale
    return values / values.sum(axis=1, keepdims=True)


def _find(inputs: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    files = [file for path in inputs for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [file for file in files if file.is_file() and not file.name.startswith(".")]
    images = [file for file in files if file.suffix.lower() in _IMAGES]
    return images, [file for file in files if file.suffix.lower() in (".mp4", ".mov", ".mkv", ".webm", ".ts")]


if __name__ == "__main__":
    sys.exit(main())
