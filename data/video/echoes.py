"""Which pixels of a picture show echoes: the evidence from which the fan is found."""

from __future__ import annotations

import cv2
import numpy as np

LEAST_FRAMES = 4  # of a clip whose changes count
CHANGE = 4  # grey levels between the darkest and the brightest of a pixel: more than a codec makes of still pixels
_LEAST_CHANGING = 0.02  # share of a picture; below it the clip stands still
_ABOVE_BACKGROUND = 5  # grey levels
_FAINT = 2
_DARKEST = 40  # what can be a background
MARK_AREA = 0.0015  # of a picture: a letter or a caliper is smaller
MARK_LEVEL = 140  # and brighter somewhere


def echo_evidence(frames: np.ndarray, faint: bool = False) -> np.ndarray:
    """Which pixels show echoes.

    Speckle changes from frame to frame while names, bars and ticks stand still, so that in a clip what
    changes counts. In a single image, or a clip that stands still, what is brighter than the
    background counts, but for small bright marks.

    Args:
        frames: uint8 [n, h, w].
        faint: with less of a change, or less above the background: some of it is noise of a codec.

    Returns:
        bool [h, w].
    """
    if len(frames) >= LEAST_FRAMES:
        change = frames.max(axis=0) - frames.min(axis=0)
        if (change >= CHANGE).mean() >= _LEAST_CHANGING:
            return change >= (_FAINT if faint else CHANGE)
    brightest = frames.max(axis=0)
    return _lit(brightest, faint) & ~small_bright_pieces(brightest, faint)


def small_bright_pieces(image: np.ndarray, faint: bool = False) -> np.ndarray:
    """Letters, ticks and calipers of an image uint8 [h, w] that touch nothing that is lit: bool [h, w]."""
    lit = _lit(image, faint)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(lit.astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] <= max(4, MARK_AREA * image.size)
    bright = np.zeros(len(stats), bool)
    bright[np.unique(pieces[image >= MARK_LEVEL])] = True
    return lit & (small & bright)[pieces]


def _lit(image: np.ndarray, faint: bool) -> np.ndarray:
    return image > _background(image) + (_FAINT if faint else _ABOVE_BACKGROUND)


def _background(image: np.ndarray) -> int:
    """The commonest dark value; below every value where no dark value is common."""
    counts = np.bincount(image.ravel(), minlength=256)[:_DARKEST]
    level = int(counts.argmax())
    share = counts[max(0, level - 2) : level + 3].sum() / image.size
    return level if share >= 0.03 else -_ABOVE_BACKGROUND - 1
