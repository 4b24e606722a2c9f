"""Letters, calipers and dotted lines that a scanner draws over the ultrasound image itself."""

from __future__ import annotations

import cv2
import numpy as np

from data.video.echoes import CHANGE, LEAST_FRAMES, MARK_AREA, MARK_LEVEL, small_bright_pieces

_STILL = 12  # grey levels: a codec changes the edges of a letter with what moves around it
_ABOVE = 50  # grey levels above what surrounds it, on average
_STROKE = 0.008  # of the picture's longer side: half the width of a stroke is no more
_RING = 2  # pixels
_LEAST_MOVING = 0.5  # share of the fan's lit pixels in a clip that does not stand still
_REPAIR_RADIUS = 3.0  # pixels


def find_overlay(frames: np.ndarray, fan: np.ndarray) -> np.ndarray:
    """Marks inside the fan.

    In a clip echoes move and marks do not: what stays bright and still, in thin strokes, and is brighter than what
    surrounds it, is a mark, wherever it lies. In a single image, or a clip that stands still, a mark over echoes
    looks like them: those alone are found that touch nothing, on what is dark.

    Args:
        frames: uint8 [n, h, w], spread over a clip, or one image.
        fan: bool [h, w].

    Returns:
        bool [h, w], with the edges that belong to the marks.
    """
    darkest, brightest = frames.min(axis=0), frames.max(axis=0)
    change = brightest - darkest
    lit = fan & (brightest >= _STILL)
    moves = len(frames) >= LEAST_FRAMES and lit.any() and float((change[lit] >= CHANGE).mean()) >= _LEAST_MOVING
    if moves:
        found = _strokes((change <= _STILL) & (darkest >= MARK_LEVEL) & fan, brightest)
    else:
        found = small_bright_pieces(brightest) & fan
    return cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & fan


def paint_over(image: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """An image without its marks: each pixel of them continues what surrounds them (Telea 2004, of OpenCV).

    Args:
        image: uint8 [h, w]. marks: bool [h, w].
    """
    if not marks.any():
        return image
    return cv2.inpaint(image, marks.astype(np.uint8), _REPAIR_RADIUS, cv2.INPAINT_TELEA)


def _strokes(found: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The pieces that are small and thin, and brighter than what surrounds them."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=8)
    kept = np.zeros(len(stats), bool)
    thickness = cv2.distanceTransform(found.astype(np.uint8), cv2.DIST_L2, 3)
    thickest = max(2.0, _STROKE * max(image.shape))
    for number in range(1, len(stats)):
        left, top, width, height, area = stats[number].tolist()
        if area > max(4, MARK_AREA * image.size):
            continue
        near = (
            slice(max(0, top - _RING - 1), top + height + _RING + 1),
            slice(max(0, left - _RING - 1), left + width + _RING + 1),
        )
        piece = pieces[near] == number
        edge, far = (cv2.dilate(piece.astype(np.uint8), np.ones((n, n), np.uint8)) for n in (3, 2 * _RING + 3))
        around = image[near][(far > 0) & (edge == 0)]
        brighter = len(around) and image[near][piece].mean() >= around.mean() + _ABOVE
        kept[number] = brighter and thickness[near][piece].max() <= thickest
    return kept[pieces]
