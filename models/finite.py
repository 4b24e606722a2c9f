"""A training whose loss is no longer a number stops, and says which part of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from common.errors import InputError


class Diverged(InputError):
    """A part of the training loss is no finite number."""


def check_finite(parts: Mapping[str, Any], where: str, learning_rate: float | None = None) -> None:
    """Stop where a part of the loss is NaN or infinite.

    Args:
        parts: the loss and its terms, by name, and those of the validation.
        where: of the training, such as "student, step 3".
        learning_rate: the peak, if it is known.

    Raises:
        Diverged: naming the parts; their sum, `loss` and `val_loss`, only if no part of it is to blame.
    """
    broken = {name: value for name, value in parts.items() if not math.isfinite(float(value))}
    if not broken:
        return
    named = [name for name in broken if name not in ("loss", "val_loss")] or list(broken)
    found = ", ".join(f"{name} is {float(broken[name])}" for name in named)
    now = "" if learning_rate is None else f" (now {learning_rate:g})"
    raise Diverged(
        f"{where}: {found}: lower the learning rate{now} or the weight of that part, or look for bad frames in the "
        "data set; what was finished before is kept"
    )
