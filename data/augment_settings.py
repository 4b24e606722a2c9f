"""How far each change of an augmentation may go, and the random numbers that it takes."""

from __future__ import annotations

import dataclasses
import math

import tensorflow as tf

from common.errors import InputError
from common.typed import check_fields

DRAWS = 9  # random numbers of the changes that are on by default
# Those of the others. They come from a seed of their own, so that switching one on redraws nothing.
MORE = (
    "depth", "aspect", "cut_left", "cut_right", "gain", "time_gain_0", "time_gain_1", "time_gain_2", "time_gain_3",
    "dynamic_range", "far_field", "blur_down", "blur_across", "resolution_down", "resolution_across", "speckle",
    "speckle_size", "speckle_seed", "text", "text_x", "text_y", "text_seed", "bar", "bar_x", "bar_size", "calipers",
    "caliper_x0", "caliper_y0", "caliper_x1", "caliper_y1",
)  # fmt: skip
_PHILOX, _PHILOX_NUMBERS = 1, 4  # TensorFlow's random generator on a CPU, and the numbers that a step of it gives
_MOST = 360  # degrees; every other limit is far below
_SHARES = ("depth", "sector_cut", "text", "grey_bar", "calipers")


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far each change may go; 0 (or False) switches it off.

    Grey levels are in [0, 1]. What is a change of the scanner's settings leaves black pixels black.

    Attributes:
        flip_horizontal: mirror half of the frames left to right.
        flip_vertical: mirror half of the frames top to bottom.
        rotation_deg: uniform in ±rotation_deg.
        zoom: the scale factor is uniform in 1 ± zoom.
        shift: uniform in ±shift of the frame's height and width.
        brightness: added grey level, uniform in ±brightness (range [0, 1]).
        contrast: factor about the frame's mean, uniform in 1 ± contrast.
        gamma: exponent exp(u), u uniform in ±gamma.
        depth: scale about the middle of the top edge, uniform in 1 ± depth: another depth setting.
        aspect: the width is multiplied by exp(u), u uniform in ±aspect.
        sector_cut: share of the top edge that becomes black at each side, up to this, none at the bottom.
        gain: added grey level of all echoes, uniform in ±gain: decibels over the dynamic range.
        time_gain: the same at four depths, each uniform in ±time_gain, linear between them.
        dynamic_range: distance to white is multiplied by exp(u), u uniform in ±dynamic_range.
        far_field: factor exp(u · depth), u uniform in ±far_field, depth from 0 at the top to 1.
        blur: standard deviation of a Gaussian, down and across each uniform in 0 to blur, pixels of the frame.
        resolution: frames are averaged over 1 to 1 + resolution pixels, down and across each, and interpolated back.
        speckle: standard deviation of a grain that multiplies the echoes, uniform in 0 to speckle.
        speckle_size: size of its grains, uniform in 1 to 1 + speckle_size pixels.
        text: share of the frames that get lines of letters near an edge.
        grey_bar: share that get a grey bar at the left or right edge.
        calipers: share that get two crosses and a dotted line between them.
    """

    flip_horizontal: bool = True
    flip_vertical: bool = False
    rotation_deg: float = 15.0
    zoom: float = 0.1
    shift: float = 0.06
    brightness: float = 0.1
    contrast: float = 0.25
    gamma: float = 0.2
    depth: float = 0.0
    aspect: float = 0.0
    sector_cut: float = 0.0
    gain: float = 0.0
    time_gain: float = 0.0
    dynamic_range: float = 0.0
    far_field: float = 0.0
    blur: float = 0.0
    resolution: float = 0.0
    speckle: float = 0.0
    speckle_size: float = 0.0
    text: float = 0.0
    grey_bar: float = 0.0
    calipers: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what can't be.

        Raises:
            InputError: a value of another type or out of range.
        """
        check_fields(self, "augment")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < math.inf:
                raise InputError(f"augment.{field.name} must be a number of at least 0, not {value}")
            if value > _MOST:
                raise InputError(f"augment.{field.name} must be at most {_MOST}, not {value}")
        if self.zoom >= 1:
            raise InputError(f"augment.zoom must be below 1, or a frame could shrink to nothing, not {self.zoom}")
        for name in _SHARES:
            value, most = getattr(self, name), 0.9 if name == "depth" else 0.5 if name == "sector_cut" else 1
            if value > most:
                raise InputError(f"augment.{name} must be at most {most}, not {value}")

    @property
    def takes_more(self) -> bool:
        """Whether a change is on that is off by default and needs numbers of its own."""
        names = [field.name for field in dataclasses.fields(self)]
        return any(getattr(self, name) for name in names[names.index("depth") :])


def random_draws(count: int | tf.Tensor, seed: tf.Tensor, settings: Augmentation | None = None) -> tf.Tensor:
    """The random numbers of `count` augmentations: float32 [count, n], uniform in ±1.

    Args:
        count: of frames.
        seed: int [2]; the same seed gives the same numbers, whatever was drawn before.
        settings: None or the defaults take n = `DRAWS`; more where changes are on that are off by default.
    """
    seed = tf.cast(seed, tf.int64)
    draws = tf.random.stateless_uniform([count, DRAWS], seed, -1.0, 1.0)
    if settings is None or not settings.takes_more:
        return draws
    more = tf.random.stateless_uniform([count, len(MORE)], seed + tf.constant([1 << 40, 0], tf.int64), -1.0, 1.0)
    return tf.concat([draws, more], axis=1)


def draws_at(index: tf.Tensor, seed: tf.Tensor, settings: Augmentation | None = None) -> tf.Tensor:
    """One row of `random_draws`, without the others: float32 [n].

    Args:
        index: int64 scalar, of the row.
        seed, settings: see `random_draws`.
    """
    seed = tf.cast(seed, tf.int64)
    draws = _row(index, DRAWS, seed)
    if settings is None or not settings.takes_more:
        return draws
    return tf.concat([draws, _row(index, len(MORE), seed + tf.constant([1 << 40, 0], tf.int64))], axis=0)


def _row(index: tf.Tensor, width: int, seed: tf.Tensor) -> tf.Tensor:
    """Row `index` of `tf.random.stateless_uniform([any, width], seed, -1, 1)`.

    Philox, which TensorFlow takes on a CPU, gives four numbers for each step of its counter.
    """
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    start = index * width
    counter = counter + tf.cast(tf.stack([start // _PHILOX_NUMBERS, tf.zeros_like(start)]), tf.uint64)
    count = width + _PHILOX_NUMBERS - 1
    uniform = tf.raw_ops.StatelessRandomUniformV2(
        shape=[count], key=key, counter=counter, alg=_PHILOX, dtype=tf.float32
    )
    first = tf.cast(start % _PHILOX_NUMBERS, tf.int32)
    return tf.ensure_shape(uniform[first : first + width] * 2.0 - 1.0, [width])


def draw_of(draws: tf.Tensor, name: str) -> tf.Tensor:
    """The numbers [B] of one change in `MORE`, uniform in ±1."""
    return draws[:, DRAWS + MORE.index(name)]


def share_of(draws: tf.Tensor, name: str) -> tf.Tensor:
    """The same, uniform in 0 to 1."""
    return (draw_of(draws, name) + 1.0) / 2.0
