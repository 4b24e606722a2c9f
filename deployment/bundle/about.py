"""`bundle.json`: what a bundle is, for the program that reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from common.revision import revision
from data.simulation import TRAINING, Simulated, adjective, simulated
from deployment.bundle.engines import litert, litert_answers
from deployment.bundle.source import Source
from evaluation.describing import simulated_training

FORMAT = "gaze-bundle-1"
NOT_STATED = "not stated"
# What `data.video.framing` and `data.frames.resize_frame` do, for who has not got them.
_PLACEMENT = {
    "stretch": "both sides are those of the frame",
    "pad": "of an image of w x h pixels, w first multiplied by the width over the height of one of its pixels (1 for "
    "square ones), the side that limits becomes the frame's; the other is floor(exact length + 1/2), at least 1; the "
    "image begins (W - width) // 2 pixels from the left and (H - height) // 2 from the top of the frame; the rest is 0",
}
_RESIZE = (
    "first each side that shrinks, by the area that a new pixel covers: exact mean, rounded to the nearest byte (half "
    "up where both sides are halved exactly); if a side grows, this stays in float, and then each side that grows is "
    "interpolated linearly between pixel centres (source = (i + 1/2) * old / new - 1/2, edges repeated), rounded"
)
# Ramps in place of frames, byte (y, x) = (a·x + b·y + c) mod 256: no image of a patient leaves with a bundle.
_RAMPS = ((7, 13, 0), (1, 0, 40), (0, 2, 128))
_GREY = "(77 R + 150 G + 29 B) >> 8"
# What `Artefact.predict` does with the bytes that come out: thresholds were fitted on this, and not on byte / 256.
_PROBABILITY = (
    "byte / sum of the bytes of all classes (0 where the sum is 0); rounding makes the sum 256 only nearly, and the "
    "thresholds and filters of decision are of these probabilities"
)


def describe(source: Source, licence: str | None) -> dict[str, Any]:
    """All of `bundle.json` but `files`: the contract with whoever reads the bundle."""
    metadata = source.metadata
    fields = dataclasses.asdict(metadata)
    _, entry, end = litert(source.content)
    kind, training = simulated(source.data.info, source.split), simulated_training(metadata, source.data)
    aspect = source.data.rule.pixel_aspect if metadata.dataset_checksum == source.data.checksum else None
    return {
        "format": FORMAT,
        "name": metadata.name,
        "version": software_version(),
        "licence": licence or NOT_STATED,
        "simulated": kind,
        **({TRAINING: training} if training not in (None, kind) else {}),
        "task": task(metadata.classes, kind),
        "classes": list(metadata.classes),
        "input": {**_tensor(entry), "colour": "grey"},
        "output": {**_tensor(end), "is": "probabilities", "probability": _PROBABILITY},
        "preparation": preparation_of(metadata.fit, metadata.fan, aspect),
        "decision": fields.get("decision"),
        "ood": fields.get("ood"),
        "self_test": self_test(source.content, metadata.frame_size),
    }


def task(classes: Sequence[str], kind: Simulated) -> str:
    """What the model does, in a sentence; `kind`: whether the frames are simulated that it was measured on."""
    return f"Classify single {adjective(kind)}ultrasound frames as one of {len(classes)} classes: {', '.join(classes)}."


def preparation_of(fit: str, fan: str, pixel_aspect: float | None) -> dict[str, Any]:
    """How an image becomes a frame, for whoever has not got this project's code.

    Args:
        fit, fan, pixel_aspect: of the training data (`data.video.framing.FrameRule`); the last is None where that is
            not at hand.
    """
    return {
        "grey": _GREY,
        "resize": "area",
        "resize_rule": _RESIZE,
        "fit": fit,
        "placement": _PLACEMENT[fit],
        "fan": fan,
        "pixel_aspect": pixel_aspect,
        "pixel_aspect_is": "width over height of one pixel of the training images; a device takes that of its own",
    }


def preparation_text(preparation: dict[str, Any]) -> str:
    """The preparation of a frame, in words."""
    fit = {
        "stretch": "stretched to the model's size",
        "pad": "scaled until the limiting side fills the model's size, centred, padded with black",
    }
    blank = ", what lies outside the fan of the scanner blanked, letters and calipers inside painted over"
    fan = blank if preparation["fan"] == "blank" else ""
    return (
        f"The ultrasound image alone, without the screen around it{fan}; grey, 8 bits (of colour: "
        f"{preparation['grey']}); "
        f"{fit[preparation['fit']]}, resized by area (OpenCV INTER_AREA where a side shrinks); no normalisation."
    )


def software_version() -> str:
    """Release and commit of this software."""
    try:
        release = version("gaze-distillation")
    except PackageNotFoundError:
        release = "not installed as a package"
    commit = revision()
    return f"{release}, commit {commit}" if commit else release


def self_test(content: bytes, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Ramps and the raw bytes that LiteRT answers to them."""
    y, x = np.mgrid[: size[0], : size[1]]
    frames = np.stack([(a * x + b * y + c) % 256 for a, b, c in _RAMPS]).astype(np.uint8)[..., None]
    answers = litert_answers(content, frames)
    return [
        {"frame": {"x": a, "y": b, "plus": c}, "output": answer.tolist()} for (a, b, c), answer in zip(_RAMPS, answers)
    ]


def _tensor(detail: Any) -> dict[str, Any]:
    scale, zero_point = detail["quantization"]
    return {
        "dtype": np.dtype(detail["dtype"]).name,
        "shape": [int(side) for side in detail["shape"]],
        "scale": float(scale),
        "zero_point": int(zero_point),
    }
