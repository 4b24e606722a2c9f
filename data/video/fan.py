"""The fan: the part of a scanner's picture that holds ultrasound, found from a clip or a single image.

A fan is what lies between two straight sides, two circles around the point where the sides meet
(the probe's face and the deepest echo), and the window that the scanner cuts it with. Of all such
shapes the one is taken under which the picture is most likely, where pixels inside show echoes with
one probability and pixels outside with another, much smaller one. So letters near a side do
not move it, and a shadow inside does not end the fan.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from data.video.echoes import echo_evidence
from data.video.fan_shape import FanShape, fit_shape
from data.video.overlay import find_overlay

_SIDE_PX = 320  # of the picture in which the shape is searched
_LEAST_SHARE = 0.01  # of the picture
_LEAST_INSIDE = 0.35  # share of the fan's pixels that show echoes
_LEAST_CONFIDENCE = 0.65
_STRIP = 0.03  # of the picture's longer side: how far from a side its own evidence is looked for
_LEAST_AT_SIDE = 0.25  # of the share inside
_BLUR = 0.02  # of the picture's longer side
_RAGGED = 0.04  # of the box: how far echoes may reach over a side and still belong to the fan
_OUTSIDE_BOX = 0.015  # of the box
_SECOND_AREA = 0.012  # of the fan's area
_BAR = 4  # length over width: a grey bar is longer
_LARGEST_BAR = 0.05  # of the fan's area
_MOST_BEYOND = 0.3  # share of faint echoes just outside a side


@dataclasses.dataclass(frozen=True)
class Fan:
    """Where the ultrasound image lies in a picture.

    Attributes:
        kind: "sector", "curved", "linear", or "" where nothing was found.
        box: x, y, width, height, pixels of the picture; the whole picture where nothing was found.
        mask: bool [h, w], the pixels of the fan; all True where nothing was found.
        confidence: 0 to 1.
        reason: why it is not sure; "" where it is.
        marks: bool [h, w], letters and calipers inside that differ from echoes (`data.video.overlay`); None
            where none were looked for.
    """

    kind: str
    box: tuple[int, int, int, int]
    mask: np.ndarray = dataclasses.field(repr=False)
    confidence: float
    reason: str
    marks: np.ndarray | None = dataclasses.field(default=None, repr=False)

    @property
    def sure(self) -> bool:
        """Whether box and mask may be used without asking."""
        return not self.reason


def find_fan(frames: np.ndarray | Sequence[np.ndarray]) -> Fan:
    """Find the fan.

    Args:
        frames: uint8 [n, h, w] or a list of uint8 [h, w] of one size, frames spread over a clip
            (16 are enough), or one image uint8 [h, w].

    Raises:
        ValueError: no frame, or frames of another type or of several sizes.
    """
    stack = np.asarray(frames)
    stack = stack[None] if stack.ndim == 2 else stack
    if stack.dtype != np.uint8 or stack.ndim != 3 or not stack.size:
        raise ValueError(f"frames are {stack.dtype} {stack.shape}, expected uint8 [n, h, w] or [h, w]")
    height, width = stack.shape[1:]
    scale = min(1.0, _SIDE_PX / max(height, width))
    small = (max(8, round(width * scale)), max(8, round(height * scale)))
    evidence, faint = (
        cv2.resize(echo_evidence(stack, faint).astype(np.float32), small, interpolation=cv2.INTER_AREA)
        for faint in (False, True)
    )
    if evidence.mean() < _LEAST_SHARE:
        return _nothing((height, width), "no echoes stand out from the background")
    shape, inside, outside = fit_shape(evidence)
    if shape.mask(evidence.shape).mean() < _LEAST_SHARE:
        return _nothing((height, width), "no area of echoes stands out")
    mask = shape.scaled(width / small[0], height / small[1]).mask((height, width))
    core = shape.mask(evidence.shape) | _ragged_edge(evidence, shape)
    more, far = core, _beyond_box(evidence, core)
    if far.any():
        more = _hull(core | far)
    mask |= cv2.resize(more.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    x, y, wide, high = cv2.boundingRect(mask.astype(np.uint8))
    confidence, reason = _trust(evidence, faint, shape, inside, outside)
    if far.any():
        confidence, reason = (
            confidence * 0.5,
            f"echoes apart from it, {far.sum() / core.sum():.0%} of its size, are taken in",
        )
    marks = None if reason else find_overlay(stack, mask)
    return Fan(shape.kind(), (x, y, wide, high), mask, confidence, reason, marks)


def _nothing(size: tuple[int, int], reason: str) -> Fan:
    return Fan("", (0, 0, size[1], size[0]), np.ones(size, bool), 0.0, reason)


def _trust(
    evidence: np.ndarray, faint: np.ndarray, shape: FanShape, inside: float, outside: float
) -> tuple[float, str]:
    """Confidence, and the reason for doubt, or ""."""
    size = (evidence.shape[0], evidence.shape[1])
    strip = max(2.0, _STRIP * max(size))
    sides = {name: float(evidence[band].mean()) / inside for name, band in shape.bands(size, 0.0, strip).items()}
    beyond = {name: float(faint[band].mean()) for name, band in shape.bands(size, -2 * strip, -0.7 * strip).items()}
    weakest = min(sides, key=lambda name: sides[name], default="")
    confidence = inside * (1 - outside) * min(1.0, sides.get(weakest, 1.0) / (2 * _LEAST_AT_SIDE))
    if inside < _LEAST_INSIDE:
        return confidence, f"only {inside:.0%} of it shows echoes"
    if weakest and sides[weakest] < _LEAST_AT_SIDE:
        return confidence, f"it is dark at its {weakest}, and may reach further"
    if fading := [name for name, share in beyond.items() if share > _MOST_BEYOND]:
        return confidence * 0.5, f"faint echoes lie beyond its {fading[0]}"
    if confidence < _LEAST_CONFIDENCE:
        return confidence, f"its echoes stand out too little ({confidence:.2f})"
    return confidence, ""


def _dense(evidence: np.ndarray) -> np.ndarray:
    """Where echoes lie close together, unlike letters: bool [h, w]."""
    size = max(3, round(_BLUR * max(evidence.shape))) | 1
    return cv2.blur(evidence, (size, size)) > 0.55


def _ragged_edge(evidence: np.ndarray, shape: FanShape) -> np.ndarray:
    """Dense echoes that go on from the fan over its sides, by a little: bool [h, w]."""
    mask = shape.mask((evidence.shape[0], evidence.shape[1]))
    _, areas = cv2.connectedComponents(_dense(evidence).astype(np.uint8))
    overlap = np.bincount(areas[mask], minlength=2)
    overlap[0] = 0
    _, _, wide, high = cv2.boundingRect(mask.astype(np.uint8))
    reach = np.ones((2 * round(_RAGGED * high) + 1, 2 * round(_RAGGED * wide) + 1), np.uint8)
    near = cv2.dilate(mask.astype(np.uint8), reach).astype(bool)
    return (areas == overlap.argmax()) & (overlap.max() > 0) & near


def _beyond_box(evidence: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Areas of echoes that reach out of the mask's box, no bars and too large for letters: bool [h, w]."""
    x, y, wide, high = cv2.boundingRect(mask.astype(np.uint8))
    _, areas, stats, _ = cv2.connectedComponentsWithStats(_dense(evidence).astype(np.uint8))
    left, top, width, height, area = stats.T
    out = np.maximum(
        np.maximum(x - left, left + width - x - wide) / wide, np.maximum(y - top, top + height - y - high) / high
    )
    bar = (np.maximum(width, height) > _BAR * np.minimum(width, height)) & (area < _LARGEST_BAR * mask.sum())
    chosen = (out > _OUTSIDE_BOX) & (area > _SECOND_AREA * mask.sum()) & ~bar
    chosen[0] = False
    return chosen[areas]


def _hull(mask: np.ndarray) -> np.ndarray:
    """The smallest convex shape that holds the mask: bool [h, w]."""
    points = cv2.findNonZero(mask.astype(np.uint8))
    return cv2.fillConvexPoly(np.zeros(mask.shape, np.uint8), cv2.convexHull(points), 1).astype(bool)
