"""What a family declares where `keras.applications` has trained weights for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class ImageNetWeights:
    """A network that `keras.applications` has too.

    Attributes:
        application: its name there.
        rename: layer name there → here.
        layout: all options → those that must have a certain value for ours to be the same network.
        widths: at which there are weights.
        widest: (layer here, its channels at width 1), which tells a built model's width. A family
            that has it takes frames in [0, 1] as they are: the scaling goes into its first kernel.
    """

    application: str
    rename: Callable[[str], str]
    layout: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda options: {}
    widths: tuple[float, ...] = (1.0,)
    widest: tuple[str, int] | None = None
