"""The fan: the part of a scanner's picture that holds ultrasound, found from a clip or a single image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Fan:
    """Where the ultrasound image lies in a picture.

    Attributes:
        kind: "sector", "curved", "linear", or "" where nothing was found.
        box: x, y, width, height, pixels of the picture; the whole picture where nothing was found.
        mask: bool [h, w], the pixels of the fan; all True where nothing was found.
        confidence: 0 to 1.
        reason: why it is not sure; "" where it is.
    """

    kind: str
    box: tuple[int, int, int, int]
    mask: np.ndarray = dataclasses.field(repr=False)
    confidence: float
    reason: str

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
    return Fan("", (0, 0, width, height), np.ones((height, width), bool), 0.0, "it is not looked for yet")
