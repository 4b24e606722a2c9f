"""What to simulate, in one typed place: every way into the phantom takes a `PhantomConfig`."""

from __future__ import annotations

import dataclasses

from common.errors import InputError
from common.parallel import MAX_JOBS
from common.typed import check_fields, check_seed
from phantom.difficulty import Difficulty, get_difficulty

MOST_PATIENTS = 100_000


@dataclasses.dataclass(frozen=True)
class PhantomConfig:
    """Settings of simulated recordings and of the data set that is made of them.

    Attributes:
        patients: number of simulated patients, four clips each.
        seed: of the simulation and of the split by patients.
        frame_size: (H, W) of the videos and of the data set's frames, each 48 to 1024 pixels, W at
            most four times H.
        fps: frames per second of the simulated videos, 1 to 90.
        keep_fps: of them, frames per second that the data set keeps; None keeps all.
        clip_s: length of a clip, 1 to 20 s.
        difficulty: easy, default or hard: how clear the planes are (`phantom.difficulty`).
        rivals: share of second parts that show their own plane, 0 to 1, in place of the difficulty's
            (`Difficulty.rivals`); with 0 the frame alone tells the class. None keeps the difficulty's.
        val_fraction: share of the patients for validation.
        test_fraction: share of the patients for the test.
        workers: processes; None takes one for each core.

    Raises:
        InputError: a number out of range, or an unknown difficulty.
    """

    patients: int = 60
    seed: int = 0
    frame_size: tuple[int, int] = dataclasses.field(default=(224, 288), metadata={"metavar": "H W"})
    fps: float = 10.0
    keep_fps: float | None = None
    clip_s: float = 4.0
    difficulty: str = "default"
    rivals: float | None = None
    val_fraction: float = 0.15
    test_fraction: float = 0.2
    workers: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name, least, most in (("patients", 1, MOST_PATIENTS), ("workers", 1, MAX_JOBS)):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise InputError(f"{name} must be from {least} to {most}, not {value}")
        check_seed(self.seed)
        size = self.frame_size
        if len(size) != 2 or min(size) < 48 or max(size) > 1024:
            given = " ".join(map(str, size))
            raise InputError(f"frame_size must be H W, each from 48 to 1024 pixels, not {given}")
        if size[1] > 4 * size[0]:  # the parts of a fetus would find no place in so flat a sector
            raise InputError(f"frame_size must be H W with W at most four times H, not {size[0]} {size[1]}")
        for name, low, high in (("fps", 1, 90), ("clip_s", 1, 20)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} must be from {low} to {high}, not {getattr(self, name)}")
        if self.keep_fps is not None and not 0 < self.keep_fps <= self.fps:
            raise InputError(f"keep_fps must be above 0 and at most fps ({self.fps:g}), not {self.keep_fps}")
        self.level()

    def level(self) -> Difficulty:
        """The numbers of the difficulty, with `rivals` in place of the level's where it is given.

        Raises:
            InputError: an unknown difficulty, or a share of rivals out of range.
        """
        level = get_difficulty(self.difficulty)
        if self.rivals is None:
            return level
        if not 0 <= self.rivals <= 1:
            raise InputError(f"rivals must be from 0 to 1, not {self.rivals}")
        return dataclasses.replace(level, rivals=self.rivals)
