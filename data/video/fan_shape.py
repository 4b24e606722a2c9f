"""The shape of a fan, and the most likely one for a map of evidence.

Coordinates are pixel edges: the picture spans x from 0 to its width and y from 0 to its height, and pixel k has its
centre at k + 0.5.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

_ROUNDS = 3
_STEEPEST = 1.8  # pixels across per pixel down, of a side
_PARALLEL = 0.06  # widths per height: sides closer to parallel than that have no meeting point to speak of
_VISIBLE = 0.12  # of a picture's rows: a side that is seen in fewer says nothing about where the sides meet
_ASPECTS = (1.0, 1.2, 1.45, 1.65)  # width over height of a pixel: some exports squeeze pictures
_CURVED = 0.12  # radius of a curved probe's face over that of the deepest echo, at least
_DENSE = 0.02  # of the longer side: what evidence is smoothed over
_LEAST_GAIN = 0.004  # of the picture's pixels: what a circle must explain better than a straight cut


@dataclasses.dataclass(frozen=True)
class FanShape:
    """A fan in a picture of `height` rows.

    Attributes:
        height: of the picture, pixels.
        left, right: x of each side at the picture's top and bottom edge.
        columns, rows: from and to, the window.
        radii: nearest and deepest distance from the meeting point, in pixels along y; (0, inf) = none.
        aspect: width over height of a pixel, for the circles.
    """

    height: float
    left: tuple[float, float]
    right: tuple[float, float]
    columns: tuple[float, float]
    rows: tuple[float, float]
    radii: tuple[float, float] = (0.0, np.inf)
    aspect: float = 1.0

    def scaled(self, x: float, y: float) -> FanShape:
        """The same fan in a picture that is x times as wide and y times as high."""
        wide, high = (np.multiply(self.columns, x), np.multiply(self.rows, y))
        return FanShape(
            self.height * y,
            (self.left[0] * x, self.left[1] * x),
            (self.right[0] * x, self.right[1] * x),
            (float(wide[0]), float(wide[1])),
            (float(high[0]), float(high[1])),
            (self.radii[0] * y, self.radii[1] * y),
            self.aspect * y / x,
        )

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """bool [h, w]."""
        return np.logical_and.reduce(list(self.conditions(size).values()))

    def conditions(self, size: tuple[int, int]) -> dict[str, np.ndarray]:
        """{side: bool [h, w] or what broadcasts to it}, whose conjunction is the fan."""
        x, y = np.arange(size[1]) + 0.5, (np.arange(size[0]) + 0.5)[:, None]
        share = y / self.height
        found = {
            "left side": x >= self.left[0] + (self.left[1] - self.left[0]) * share,
            "right side": x <= self.right[0] + (self.right[1] - self.right[0]) * share,
            "left edge": np.broadcast_to(x >= self.columns[0], size),
            "right edge": np.broadcast_to(x <= self.columns[1], size),
            "top": np.broadcast_to(y >= self.rows[0], size),
            "bottom": np.broadcast_to(y <= self.rows[1], size),
        }
        if self.radii != (0.0, np.inf):
            radius = self.radius(size)
            found["face"], found["depth"] = radius >= self.radii[0], radius <= self.radii[1]
        return found

    def apex(self) -> tuple[float, float] | None:
        """Where the sides meet, above the picture's bottom; None where they are parallel."""
        top, bottom = self.right[0] - self.left[0], self.right[1] - self.left[1]
        if bottom - top < _PARALLEL * self.height:
            return None
        share = -top / (bottom - top)
        return self.left[0] + (self.left[1] - self.left[0]) * share, share * self.height

    def radius(self, size: tuple[int, int], aspect: float | None = None) -> np.ndarray:
        """Distance of each pixel from the apex, in pixels along y, [h, w]; negative above it.

        Raises:
            ValueError: the sides are parallel, so there is no apex.
        """
        apex = self.apex()
        if apex is None:
            raise ValueError("parallel sides do not meet")
        x = (np.arange(size[1]) + 0.5 - apex[0]) * (self.aspect if aspect is None else aspect)
        y = (np.arange(size[0]) + 0.5 - apex[1])[:, None]
        # In float32 and not by hypot: this is most of the work.
        squared = np.square(x).astype(np.float32) + np.square(y).astype(np.float32)
        return np.sqrt(squared, out=squared) * np.where(y < 0, np.float32(-1), np.float32(1))

    def slopes(self, size: tuple[int, int]) -> tuple[float | None, float | None]:
        """Slope of the left and of the right side, x per y; None of one that the picture does not show."""
        slopes: list[float | None] = []
        for side in (self.left, self.right):
            x = side[0] + (side[1] - side[0]) * (np.arange(size[0]) + 0.5) / size[0]
            seen = ((x > 0.01 * size[1]) & (x < 0.99 * size[1])).mean() >= _VISIBLE
            slopes.append((side[1] - side[0]) / self.height if seen else None)
        return slopes[0], slopes[1]

    def bands(self, size: tuple[int, int], low: float, high: float) -> dict[str, np.ndarray]:
        """{side: bool [h, w]}: what lies between `low` and `high` pixels inside a side that is in the picture."""
        mask, found = self.mask(size), {}
        for name in self.conditions(size):
            outer, inner = self.pulled(name, low).mask(size), self.pulled(name, high).mask(size)
            beyond = self.pulled(name, -3.0).mask(size) & ~mask
            if beyond.sum() > 0.03 * sum(size) and (outer & ~inner).sum() > (high - low) ** 2:
                found[name] = outer & ~inner
        return found

    def pulled(self, side: str, by: float) -> FanShape:
        """The same with one side moved inwards by `by` pixels."""
        change = {
            "left side": {"left": (self.left[0] + by, self.left[1] + by)},
            "right side": {"right": (self.right[0] - by, self.right[1] - by)},
            "left edge": {"columns": (self.columns[0] + by, self.columns[1])},
            "right edge": {"columns": (self.columns[0], self.columns[1] - by)},
            "top": {"rows": (self.rows[0] + by, self.rows[1])},
            "bottom": {"rows": (self.rows[0], self.rows[1] - by)},
            "face": {"radii": (self.radii[0] + by, self.radii[1])},
            "depth": {"radii": (self.radii[0], self.radii[1] - by)},
        }
        return dataclasses.replace(self, **change[side])  # type: ignore[arg-type]

    def kind(self) -> str:
        """ "linear", "curved" or "sector"."""
        if self.apex() is None:
            return "linear"
        return "curved" if self.radii[0] > _CURVED * min(self.radii[1], 4 * self.height) else "sector"


def fit_shape(evidence: np.ndarray) -> tuple[FanShape, float, float]:
    """The most likely fan.

    Args:
        evidence: float32 [h, w], share of each pixel that shows echoes.

    Returns:
        The shape, and the share of echoes inside and outside of it.
    """
    height, width = size = (evidence.shape[0], evidence.shape[1])
    inside, outside = 0.7, 0.03
    shape = FanShape(height, (0.0, 0.0), (float(width), float(width)), *_first_window(evidence))
    for number in range(_ROUNDS):
        echo, none = np.log(inside / outside), np.log((1 - inside) / (1 - outside))
        gain = (evidence * echo + (1 - evidence) * none).astype(np.float32)
        shape = _fit_window(gain, _fit_sides(gain, shape, wide=not number))
        # Once more, within the circles: without them a window cuts off the tips of a sector.
        shape = _fit_window(gain, _fit_radii(gain, shape))
        mask = shape.mask(size)
        if not mask.any() or mask.all():
            break
        inside = float(np.clip(evidence[mask].mean(), 0.3, 0.97))
        outside = float(np.clip(evidence[~mask].mean(), 0.004, 0.15))
    mask = shape.mask(size)
    found = [float(evidence[part].mean()) if part.any() else 0.0 for part in (mask, ~mask)]
    return shape, found[0], found[1]


def _first_window(evidence: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Columns and rows around the largest area of dense evidence, with a margin: where the search begins."""
    height, width = evidence.shape
    blur = max(3, round(_DENSE * max(height, width))) | 1
    smooth = cv2.blur(evidence, (blur, blur))
    _, _, stats, _ = cv2.connectedComponentsWithStats((smooth > 0.35).astype(np.uint8))
    if len(stats) < 2:
        return (0.0, float(width)), (0.0, float(height))
    x, y, wide, high = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax(), :4].astype(float)
    return (
        (max(0.0, x - wide / 4), min(float(width), x + 1.25 * wide)),
        (max(0.0, y - high / 4), min(float(height), y + 1.25 * high)),
    )


def _without(gain: np.ndarray, shape: FanShape, *names: str) -> np.ndarray:
    """The gain inside all sides but the named ones, 0 elsewhere."""
    others = [condition for name, condition in shape.conditions(gain.shape).items() if name not in names]
    return np.where(np.logical_and.reduce(others), gain, np.float32(0))


def _fit_sides(gain: np.ndarray, shape: FanShape, wide: bool) -> FanShape:
    """Both sides, which lean alike; circles of before stay where they are, and are dropped at the end.

    Args:
        gain: [h, w]. shape: where to look first; with `wide` everywhere else too.
    """
    height, width = gain.shape
    within = _without(gain, shape, "left side", "right side")
    # Each side as a left side, by its slope and its place at half the height.
    images = (within, within[:, ::-1])
    places = [sum(shape.left) / 2, width - sum(shape.right) / 2]
    slope = ((shape.left[0] - shape.left[1]) + (shape.right[1] - shape.right[0])) / 2 / height
    steps, reach = (_STEEPEST / 24, width / 40), 3
    slopes = np.linspace(0, _STEEPEST, 25) if wide else np.array([slope])
    offsets = [np.arange(-1.0 * width, 1.2 * width, steps[1]) if wide else np.array([place]) for place in places]
    for _ in range(5):
        scores, best = np.zeros(len(slopes)), []
        for image, places_tried in zip(images, offsets):
            tilt = slopes[:, None] * height / 2
            pairs = np.stack([places_tried + tilt, places_tried - tilt], axis=-1)
            found = _line_scores(image, pairs.reshape(-1, 2)).reshape(pairs.shape[:2])
            scores += found.max(axis=1)
            best.append(places_tried[found.argmax(axis=1)])
        chosen = int(scores.argmax())
        slope, places = float(slopes[chosen]), [float(place[chosen]) for place in best]
        steps = (steps[0] / 2.5, steps[1] / 2.5)
        slopes = np.maximum(0.0, slope + np.arange(-reach, reach + 1) * steps[0])
        offsets = [place + np.arange(-reach, reach + 1) * steps[1] for place in places]
    tilt = slope * height / 2
    return dataclasses.replace(
        shape,
        left=(places[0] + tilt, places[0] - tilt),
        right=(width - places[1] - tilt, width - places[1] + tilt),
        radii=(0.0, np.inf),
        aspect=1.0,
    )


def _line_scores(gain: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Gain to the right of each line, [n]; a pixel that a line cuts counts in part."""
    height, width = gain.shape
    rows = np.arange(0, height, max(1, height // 80))
    after = np.zeros((len(rows), width + 1), np.float32)
    after[:, :-1] = gain[rows, ::-1].cumsum(axis=1)[:, ::-1]
    share = ((rows + 0.5) / height).astype(np.float32)
    pairs = pairs.astype(np.float32)
    x = np.clip(pairs[:, :1] + (pairs[:, 1:] - pairs[:, :1]) * share, 0, width)  # [n, rows]
    whole = np.minimum(x.astype(int), width - 1)
    part = x - whole
    index = np.arange(len(rows))
    return ((1 - part) * after[index, whole] + part * after[index, whole + 1]).sum(axis=1)


def _fit_window(gain: np.ndarray, shape: FanShape) -> FanShape:
    rows = _best_run(_without(gain, shape, "top", "bottom").sum(axis=1))
    shape = dataclasses.replace(shape, rows=(float(rows[0]), float(rows[1])))
    columns = _best_run(_without(gain, shape, "left edge", "right edge").sum(axis=0))
    return dataclasses.replace(shape, columns=(float(columns[0]), float(columns[1])))


def _fit_radii(gain: np.ndarray, shape: FanShape) -> FanShape:
    """Circles around the meeting point, where they explain the picture better than none."""
    plain = dataclasses.replace(shape, radii=(0.0, np.inf), aspect=1.0)
    size = (gain.shape[0], gain.shape[1])
    if plain.apex() is None or None in plain.slopes(size):
        return plain
    found, least = plain, float(_without(gain, plain).sum()) + _LEAST_GAIN * gain.size
    # The window was fitted without circles: its top and bottom may lie on them, and are searched again.
    open_window = _without(gain, plain, "top", "bottom")
    for aspect in _ASPECTS:
        radius = plain.radius(size, aspect)
        bins = np.maximum(np.floor(radius), -1).astype(int) + 1
        sums = np.bincount(bins.ravel(), weights=open_window.ravel())
        sums[0] = min(0.0, sums[0])  # above the meeting point
        first, last = _best_run(sums)
        radii = (float(max(0, first - 1)), float(last - 1))
        round_ = dataclasses.replace(plain, radii=radii, aspect=aspect, rows=(0.0, float(size[0])))
        rows = _best_run(_without(gain, round_, "top", "bottom").sum(axis=1))
        round_ = dataclasses.replace(round_, rows=(float(rows[0]), float(rows[1])))
        total = float(_without(gain, round_).sum())
        if total > least:
            found, least = round_, total
    return found


def _best_run(gains: np.ndarray) -> tuple[int, int]:
    """First and one past the last index of the run with the largest sum."""
    total = np.concatenate([[0.0], np.cumsum(gains, dtype=float)])
    lowest = np.minimum.accumulate(total)
    last = int((total - lowest)[1:].argmax()) + 1
    first = int(total[:last].argmin())
    return first, last
