"""Marks that a scanner burns into its images, drawn on frames of any class: they then do not depend on it."""

from __future__ import annotations

import tensorflow as tf

from data.augment_settings import Augmentation, draw_of, share_of
from data.pixel_noise import uniform_noise

_DOTS = (5, 7)  # of a letter, across and down
_CELL = (6, 9)  # a letter with its gaps
_LINES, _LETTERS = 4, 9
_DOT = 1 / 336  # side of a dot, as a share of the frame's height: a line of letters takes 2.7 % of it
_ARM = 0.025  # of a cross, as a share of the frame's height
_DOT_STEP = 0.03  # of the dotted line, as a share of the frame's width and height


def draws_marks(settings: Augmentation) -> bool:
    """Whether `draw_marks` has anything to do."""
    return bool(settings.text or settings.grey_bar or settings.calipers)


def draw_marks(frame: tf.Tensor, draws: tf.Tensor, s: Augmentation) -> tf.Tensor:
    """Frames [B, H, W, 1] in [0, 1] with marks on a share of them.

    Args:
        frame: float32. draws: [B, n], of `random_draws` with these settings. s: shares of the frames.
    """
    shape = tf.shape(frame)
    row = tf.range(shape[1], dtype=tf.float32)[:, None]
    column = tf.range(shape[2], dtype=tf.float32)[None, :]
    marks = tf.zeros_like(frame[..., 0])
    for share, name, draw in ((s.text, "text", _text), (s.grey_bar, "bar", _bar), (s.calipers, "calipers", _calipers)):
        if share:
            chosen = tf.cast(share_of(draws, name) < share, tf.float32)[:, None, None]
            marks = tf.maximum(marks, chosen * draw(draws, row, column, shape))
    return tf.maximum(frame, marks[..., None])


def _text(draws: tf.Tensor, row: tf.Tensor, column: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """One to four lines of random letters at the left or right edge, [B, H, W].

    A dot is smaller than a pixel of most frames, as it is in images that were resized with their text: a pixel has the
    mean of what it covers.
    """
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    dot = _DOT * height
    ink = _letters(draw_of(draws, "text_seed")[:, None, None])
    side = draw_of(draws, "text_x")
    left = tf.where(side < 0, -side * 0.05 * width, width - _CELL[0] * _LETTERS * dot - side * 0.05 * width)
    top = share_of(draws, "text_y") * (height - _CELL[1] * _LINES * dot)
    rows = _covered(row[:, 0], top, _CELL[1] * _LINES, dot)
    columns = _covered(column[0], left, _CELL[0] * _LETTERS, dot)
    return tf.matmul(tf.matmul(rows, ink), columns, transpose_b=True)


def _letters(of: tf.Tensor) -> tf.Tensor:
    """Grey levels of the dots of all lines, [B, 36, 54], of a draw [B, 1, 1]."""
    x = tf.range(_CELL[0] * _LETTERS, dtype=tf.int64)[None, :]
    y = tf.range(_CELL[1] * _LINES, dtype=tf.int64)[:, None]
    letter, line, dot_x, dot_y = x // _CELL[0], y // _CELL[1], x % _CELL[0], y % _CELL[1]
    lines = 1.0 + tf.floor(_LINES * uniform_noise(of, tf.constant(1, tf.int64)))
    letters = 3.0 + tf.floor((_LETTERS - 3) * uniform_noise(of, tf.constant(2, tf.int64), line))
    inside = (tf.cast(letter, tf.float32) < letters) & (tf.cast(line, tf.float32) < lines)
    inside &= (dot_x < _DOTS[0]) & (dot_y < _DOTS[1])
    ink = uniform_noise(of, tf.constant(3, tf.int64), letter, line, dot_x, dot_y) < 0.45
    grey = 0.5 + 0.5 * uniform_noise(of, tf.constant(4, tf.int64))
    return tf.where(inside & ink, grey, 0.0)


def _covered(pixels: tf.Tensor, start: tf.Tensor, count: int, dot: tf.Tensor) -> tf.Tensor:
    """Share of each pixel [n] that each of `count` dots covers, [B, n, count]; the first begins at `start` [B]."""
    edge = start[:, None, None] + dot * tf.range(count, dtype=tf.float32)
    pixel = pixels[None, :, None]
    return tf.maximum(0.0, tf.minimum(pixel + 1.0, edge + dot) - tf.maximum(pixel, edge))


def _bar(draws: tf.Tensor, row: tf.Tensor, column: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """A bar from white to black near the left or right edge, [B, H, W]."""
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    side = draw_of(draws, "bar_x")[:, None, None]
    wide = tf.maximum(2.0, tf.round(0.025 * width))
    left = tf.floor(tf.where(side < 0, -side * 0.06 * width, width - wide - side * 0.06 * width))
    size = share_of(draws, "bar_size")[:, None, None]
    long = (0.2 + 0.5 * size) * height
    top = 0.25 * size * height
    ramp = 1.0 - (row - top) / long
    inside = (column >= left) & (column < left + wide) & (ramp >= 0) & (ramp <= 1)
    return tf.where(inside, ramp, 0.0)


def _calipers(draws: tf.Tensor, row: tf.Tensor, column: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Two crosses anywhere in the middle of the frame and a dotted line between them, [B, H, W]."""
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    ends = []
    for number in (0, 1):
        x = tf.round((0.1 + 0.8 * share_of(draws, f"caliper_x{number}")) * width)[:, None, None]
        y = tf.round((0.1 + 0.8 * share_of(draws, f"caliper_y{number}")) * height)[:, None, None]
        ends.append((x, y))
    arm = tf.maximum(2.0, tf.round(_ARM * height))
    drawn = tf.zeros_like(ends[0][0] * row * column)
    for x, y in ends:
        cross = ((row == y) & (tf.abs(column - x) <= arm)) | ((column == x) & (tf.abs(row - y) <= arm))
        drawn = tf.maximum(drawn, tf.cast(cross, tf.float32))
    (x0, y0), (x1, y1) = ends
    along_x, along_y = x1 - x0, y1 - y0
    length = tf.maximum(1.0, tf.sqrt(along_x**2 + along_y**2))
    place = ((column - x0) * along_x + (row - y0) * along_y) / length  # pixels along the line
    aside = tf.abs((column - x0) * along_y - (row - y0) * along_x) / length
    step = tf.maximum(3.0, tf.round(_DOT_STEP * height))
    dotted = (aside <= 0.5) & (place > 0) & (place < length) & (tf.math.floormod(place, step) < 1.0)
    return tf.maximum(drawn, 0.8 * tf.cast(dotted, tf.float32))
