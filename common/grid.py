"""The grid of the gaze map: one constant, from which sizes, taps and titles follow."""

from __future__ import annotations

GAZE_STRIDE = 8
# The layer of a model whose map has that grid.
GAZE_TAP = f"stride{GAZE_STRIDE}"


def map_size(frame_size: tuple[int, int], stride: int = GAZE_STRIDE) -> tuple[int, int]:
    """(h, w) of the saliency map of a frame: 28×36 for 224×288, 14×18 for 112×144."""
    height, width = frame_size
    return -(-height // stride), -(-width // stride)
