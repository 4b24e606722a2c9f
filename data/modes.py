"""What a batch may hold of gaze and of frames without labels, by name; without TensorFlow, for commands."""

from __future__ import annotations

import typing
from typing import Literal

GazeMode = Literal["real", "none", "shuffled", "centre"]
GAZE_MODES: tuple[str, ...] = typing.get_args(GazeMode)
