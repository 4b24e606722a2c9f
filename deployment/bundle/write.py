"""A bundle: models for several engines, their description, their measurements, and checksums."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.console import console, notice
from common.files import sha256_of, whole_folder
from data.dataset import diagnosed
from deployment.bundle import card_text, engines, microcontroller
from deployment.bundle.about import describe, preparation_text
from deployment.bundle.card import Measured, model_card
from deployment.bundle.config import ExportConfig
from deployment.bundle.metadata_schema import GREY, RGB, TfliteDescription, pack
from deployment.bundle.source import Source, open_source
from deployment.bundle.tflite_file import operators, with_metadata, with_rgb_input
from evaluation.artefacts import write_metadata
from evaluation.config import EvaluateConfig
from evaluation.report import run_evaluation

MARKER = "bundle.json"
_INT8, _RGB, _ONNX = "student_int8.tflite", "student_int8_rgb.tflite", "student_int8.onnx"
_SUMS = "SHA256SUMS"
# {engine: its row in the model card, the packages that it needs, what is missing without them}
_OTHERS = {
    "onnx": (f"{_ONNX} (ONNX Runtime)", ("tf2onnx", "onnxruntime"), "no ONNX file"),
    "micro": ("student_int8.cc (TensorFlow Lite Micro)", ("tflite_micro",), "the smallest arena is not measured"),
}
_IS = {
    _INT8: "the model: uint8 grey frame in, uint8 probabilities out; metadata inside",
    f"{_INT8}.json": "its metadata for predict.py and evaluate.py",
    _RGB: "the same behind an input of three equal channels, for MediaPipe Tasks and others that take RGB alone",
    _ONNX: "the same in ONNX",
    "student_int8.h": "TensorFlow Lite Micro: sizes, class names, operators, arena",
    "student_int8.cc": "TensorFlow Lite Micro: the model as an array",
    "example_micro.cc": "TensorFlow Lite Micro: one frame",
    "read_bundle.py": "reads the bundle with NumPy and ai-edge-litert alone",
}


def export_bundle(config: ExportConfig) -> Path:
    """Write the bundle of a run's 8-bit student; give its folder.

    Everything is checked before anything is written, and the folder appears whole or not at all. ONNX and
    TensorFlow Lite Micro are measured where their packages are installed; a notice and the model card name
    what is left out.

    Raises:
        InputError: a run, a data set or an output folder that can't be used.
    """
    source = open_source(config)
    with whole_folder(config.out, overwrite=config.overwrite, marker=MARKER) as folder, diagnosed(source.data.path):
        about = describe(source, config.licence)
        used = operators(source.content)
        _write_models(folder, source, about)
        parity, arena = _measure_engines(folder, source)
        _write_micro(folder, source, used, arena)
        (folder / "read_bundle.py").write_bytes(Path(__file__).with_name("read_bundle.py").read_bytes())
        files = {name: _facts(folder / name, is_) for name, is_ in _IS.items() if (folder / name).is_file()}
        _write_json(folder / MARKER, {**about, "files": files})
        evaluated = EvaluateConfig((folder / _INT8,), source.data.path, split=source.split, latency=config.latency)
        report = run_evaluation(evaluated).report
        row, dataset, conventional = report["artefacts"][0], report["dataset"], report["conventional"]
        measured = Measured(row, dataset, conventional, parity, tuple(used), arena, files)
        card = model_card(config, source, about, measured)
        _write_json(folder / "model_card.json", card)
        (folder / "model_card.md").write_text(card_text.markdown(card), encoding="utf-8")
        _write_checksums(folder)
    return Path(config.out)


def show_bundle(folder: Path) -> None:
    """Print the files and what they are."""
    about = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    for name, facts in about["files"].items():
        console.print(f"{folder / name}: {facts['bytes']:,} bytes: {facts['is']}", markup=False, highlight=False)
    console.print(f"{folder / 'model_card.md'}: what was measured", markup=False, highlight=False)


def _write_models(folder: Path, source: Source, about: Mapping[str, Any]) -> None:
    """Both TFLite files with metadata in them, and this project's own metadata next to the first."""
    inside = {name: value for name, value in about.items() if name != "self_test"}
    files = {
        "labels.txt": "".join(f"{name}\n" for name in about["classes"]),
        "student.json": json.dumps(inside, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }
    variants = {_INT8: (source.content, GREY), _RGB: (with_rgb_input(source.content), RGB)}
    for name, (content, colour) in variants.items():
        described = with_metadata(content, pack(_description(about, source, colour)), files)
        (folder / name).write_bytes(described)
    write_metadata(folder / _INT8, dataclasses.replace(source.metadata, sha256=""))


def _description(about: Mapping[str, Any], source: Source, colour: int) -> TfliteDescription:
    channel = " The first of its three channels, which are equal, is used." if colour == RGB else ""
    return TfliteDescription(
        name=about["name"],
        description=f"{about['task']} For research; not a medical device.",
        version=about["version"],
        author="",
        licence=about["licence"],
        input_description=preparation_text(about["preparation"]) + channel,
        output_description="Of each class: its probability is the byte over the sum of the bytes of all classes.",
        size=source.metadata.frame_size,
        colour=colour,
        labels="labels.txt",
        attached="student.json",
    )


def _measure_engines(folder: Path, source: Source) -> tuple[dict[str, dict[str, Any]], int | None]:
    """Parity of every engine and variant with LiteRT, and the smallest arena; ONNX is written on the way."""
    frames = source.frames()
    wanted = engines.litert_answers(source.content, frames)
    described = engines.litert_answers((folder / _INT8).read_bytes(), frames)
    rgb = engines.litert_answers((folder / _RGB).read_bytes(), frames.repeat(3, axis=-1))
    found = {
        f"{_INT8} (LiteRT)": engines.parity(described, wanted),
        f"{_RGB} (LiteRT)": engines.parity(rgb, wanted),
    }
    arena = None
    for engine, (row, packages, lost) in _OTHERS.items():
        try:
            if absent := engines.missing(*packages):
                raise RuntimeError(f"{absent} is not installed (pip install -r requirements-export.txt)")
            other = engines.answers_of(engine, source.content, frames)
        except RuntimeError as error:
            # The rest of the bundle is useful; this notice and the model card name what is missing.
            notice(f"{lost}: {error}")
            found[row] = {"not_measured": str(error)}
            continue
        found[row] = engines.parity(other.answers, wanted)
        arena = other.arena_bytes or arena
        if other.onnx is not None:
            (folder / _ONNX).write_bytes(other.onnx)
    return found, arena


def _write_micro(folder: Path, source: Source, used: list[str], arena: int | None) -> None:
    classes, size = source.metadata.classes, source.metadata.frame_size
    texts = {
        "student_int8.h": microcontroller.header(classes, size, used, arena, len(source.content)),
        "student_int8.cc": microcontroller.source(source.content, classes),
        "example_micro.cc": microcontroller.EXAMPLE,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _facts(path: Path, is_: str) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of([path]), "is": is_}


def _write_json(path: Path, fields: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_checksums(folder: Path) -> None:
    """As `sha256sum -c` reads them."""
    lines = [f"{sha256_of([path])}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != _SUMS]
    (folder / _SUMS).write_text("".join(lines), encoding="utf-8")
