"""Rows of the anatomy's tables: where a part lies and how large it is, as shares of the fetus' own sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# A share of a size, or the range from which it is sampled uniformly.
Share = float | tuple[float, float]
Row = Mapping[str, Share]


def sample_row(row: Row, rng: np.random.Generator, sizes_mm: Mapping[str, float]) -> dict[str, Any]:
    """The numbers of one part, ready for a solid.

    Args:
        row: fields of a solid, as shares of a size; ranges are sampled in the order in which they stand.
        sizes_mm: the size that each field is a share of; fields that are not named (angles) stay as they are.

    Returns:
        {field: mm, or radians}.
    """
    return {
        field: (rng.uniform(*share) if isinstance(share, tuple) else share) * sizes_mm.get(field, 1.0)
        for field, share in row.items()
    }
