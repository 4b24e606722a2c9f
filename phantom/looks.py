"""What a scanner makes of the echo: its look on the screen, and marks on the image."""

from __future__ import annotations

import dataclasses

import numpy as np

from phantom.probe import View


@dataclasses.dataclass(frozen=True)
class Look:
    """A vendor's post-processing.

    Attributes:
        dynamic_range_db: shown between black and white. gamma: of the grey curve.
        contrast: 0 = straight curve, 1 = strongly S-shaped.
        speckle_size: factor on the point-spread function.
        smooth_px, sharpen: noise reduction (sigma, below 0.7 px) and edge enhancement on the frame.
        persistence: share of the last frame that stays.
        black: level of the empty screen, 0 to 255.
    """

    dynamic_range_db: float
    gamma: float
    contrast: float
    speckle_size: float
    smooth_px: float
    sharpen: float
    persistence: float
    black: int


LOOKS = (
    Look(58, 1.15, 0.3, 1.0, 0.0, 0.0, 0.1, 0),
    Look(66, 1.3, 0.0, 1.3, 0.35, 0.3, 0.25, 2),
    Look(52, 1.0, 0.5, 0.8, 0.0, 0.2, 0.0, 0),
    Look(62, 1.4, 0.2, 1.6, 0.5, 0.6, 0.3, 4),
)


def draw_look(rng: np.random.Generator) -> Look:
    """One of the vendors, as its user has set it."""
    look = LOOKS[rng.integers(len(LOOKS))]
    return dataclasses.replace(
        look,
        dynamic_range_db=look.dynamic_range_db + rng.uniform(-4, 4),
        gamma=look.gamma * rng.uniform(0.9, 1.1),
        speckle_size=look.speckle_size * rng.uniform(0.85, 1.2),
    )


def auto_gain_db(level_db: np.ndarray, weight: np.ndarray, look: Look, brightness: float) -> float:
    """The gain at which the mean grey level of the sector is `brightness` (0 to 1).

    A sonographer turns the gain until the picture looks right; so the mean says
    nothing about what is in it.

    Args:
        level_db: echo levels on the grid. weight: of each in the frame, 0 = not shown.
    """
    low, high = -60.0, 140.0
    for _ in range(14):
        middle = (low + high) / 2
        mean = float(np.average(grey_curve(level_db + middle, look), weights=weight))
        low, high = (middle, high) if mean < brightness else (low, middle)
    return (low + high) / 2


def grey_curve(level_db: np.ndarray, look: Look) -> np.ndarray:
    """Log compression: levels in dB (0 = white) to grey in [0, 1], float32."""
    grey = np.clip(level_db * np.float32(1 / look.dynamic_range_db) + np.float32(1), 0, 1)
    grey = grey ** np.float32(look.gamma)
    s_curve = grey * grey * (3 - 2 * grey)
    return grey + np.float32(look.contrast) * (s_curve - grey)


def finish(frame: np.ndarray, sector: np.ndarray, look: Look, marks: np.ndarray) -> np.ndarray:
    """Smooth, sharpen, add the marks and quantize: grey in [0, 1] to uint8 [H, W]."""
    if look.smooth_px:
        side = np.exp(-0.5 / look.smooth_px**2)
        frame = _blur(frame, side / (1 + 2 * side))
    if look.sharpen:
        frame = frame + np.float32(look.sharpen) * (frame - _blur(frame, 1 / 3))
    frame = np.clip(frame, 0, 1) * sector * np.float32(255 - look.black) + np.float32(look.black)
    return np.maximum(np.round(frame), marks).astype(np.uint8)


def _blur(frame: np.ndarray, side: float) -> np.ndarray:
    """Both ways with the kernel (side, 1 - 2·side, side); beyond the frame is as its edge."""
    for axis in (0, 1):
        flank = np.float32(side) * frame
        frame = np.float32(1 - 2 * side) * frame
        out, give = (frame.T, flank.T) if axis else (frame, flank)
        out[1:] += give[:-1]
        out[:-1] += give[1:]
        out[[0, -1]] += give[[0, -1]]
    return frame


def draw_marks(rng: np.random.Generator, view: View) -> np.ndarray:
    """Depth ticks, text, a focus mark and calipers, uint8 [H, W]; often none at all.

    They are drawn without knowledge of the class.
    """
    height, width = view.height, view.width
    marks = np.zeros((height, width), np.uint8)
    grey = int(rng.integers(110, 230))
    if rng.uniform() < 0.4:  # centimetres
        column = int(rng.choice((1, width - 3)))
        rows = (np.arange(0, 40) * 10 - view.top_mm) / view.mm_per_px
        rows = rows[(rows >= 0) & (rows < height)].astype(int)
        marks[rows, column : column + 2] = grey
    if rng.uniform() < 0.35:  # lines of text
        top, left = int(rng.integers(1, height // 8)), int(rng.choice((3, width - width // 5)))
        for line in range(rng.integers(1, 5)):
            glyphs = rng.uniform(size=(3, rng.integers(8, max(9, width // 6)))) < 0.45
            row = top + 5 * line
            patch = marks[row : row + 3, left : left + glyphs.shape[1]]
            patch[glyphs[: patch.shape[0], : patch.shape[1]]] = grey
    if rng.uniform() < 0.3:  # the grey bar
        bar = np.linspace(230, 10, height // 4).astype(np.uint8)
        marks[2 : 2 + len(bar), 0:3] = bar[:, None]
    if rng.uniform() < 0.2:  # calipers
        for _ in range(2):
            row, column = int(rng.integers(6, height - 6)), int(rng.integers(6, width - 6))
            marks[row - 1 : row + 2, column] = grey
            marks[row, column - 1 : column + 2] = grey
    return marks
