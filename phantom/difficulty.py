"""How difficult the phantom's classes are: one named set of numbers for each level.

What a level means is measured with fixed reference models on patients they have not seen: a linear model on pixels, a
network on gaze maps alone, a compact student trained alone; and at the default level a large teacher with and without
gaze. `benchmarks/phantom_difficulty.py` measures it, and docs/phantom.md has the results.
"""

from __future__ import annotations

import dataclasses

from common.typed import one_of


@dataclasses.dataclass(frozen=True)
class Difficulty:
    """What makes a plane difficult to distinguish from what lies next to it.

    Attributes:
        landmark_contrast: factor on the contrast, in dB, of the small landmarks against
            the tissue around them; each patient's own factor spreads around it.
        off_plane: distance of background cuts from the plane, as a factor on the
            distance at which its landmarks are just gone; 1 is the nearest cut that shows none of them.
        clutter: mean number of limbs, cord loops and fluid pockets about the body.
        lookalikes: mean number of structures in the body that resemble its landmarks.
        company: share of the clips of head, abdomen and femur, and of cuts off them, with a second part in the picture.
        rivals: share of the second parts next to a plane that show their own plane; the gaze alone tells which is held.
        noise_floor_db: mean electronic noise, dB relative to soft tissue at the probe.
        plane_spread: largest share of a landmark's half-extent by which a held plane misses it.
    """

    landmark_contrast: float
    off_plane: float
    clutter: float
    lookalikes: float
    company: float
    rivals: float
    noise_floor_db: float
    plane_spread: float


DIFFICULTIES = {
    "easy": Difficulty(3.0, 4.0, 0.5, 0.2, 0.2, 0.3, -62.0, 0.05),
    "default": Difficulty(2.6, 3.5, 0.8, 0.3, 0.4, 0.3, -60.0, 0.10),
    "hard": Difficulty(1.3, 1.5, 3.0, 4.0, 0.8, 0.5, -52.0, 0.30),
}


def get_difficulty(name: str) -> Difficulty:
    """The named level.

    Raises:
        InputError: there is no such level.
    """
    one_of("difficulty", name, DIFFICULTIES)
    return DIFFICULTIES[name]
