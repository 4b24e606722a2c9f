"""Whether the frames of a data set are simulated, split by split, and how reports call them.

The section "source" of `dataset.json` says `simulated`. Of data sets that were merged it says it of each split too:
a test split of real images stays one where simulated frames were added to the training split, and a data set of
which a part is simulated is never shown as real images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

PARTLY: Literal["partly"] = "partly"
Simulated = bool | Literal["partly"]
# What reports and artefacts say of the training split.
TRAINING = "simulated_training"
_BY_SPLIT = "simulated_splits"


def simulated(info: Mapping[str, Any], split: str | None = None) -> Simulated:
    """Whether all frames of a split are simulated, none (False), or `PARTLY`.

    Args:
        info: of `dataset.json` (`Dataset.info`).
        split: one of its splits, or None for all of them together.
    """
    source = info["source"]
    whole = _value(source.get("simulated", False))
    return whole if split is None else _value(source.get(_BY_SPLIT, {}).get(split, whole))


def by_split(splits: Mapping[str, Simulated]) -> dict[str, Any]:
    """What `source` says of a data set whose splits differ: {"simulated": ..., "simulated_splits": {split: ...}}."""
    return {"simulated": combined(splits.values()), _BY_SPLIT: dict(splits)}


def combined(parts: Iterable[Simulated]) -> Simulated:
    """What is true of several parts together."""
    found = set(parts)
    return found.pop() if len(found) == 1 else PARTLY if found else False


def adjective(value: Simulated) -> str:
    """Before a noun: "simulated ", "partly simulated ", or nothing."""
    return f"{PARTLY} simulated " if value == PARTLY else "simulated " if value else ""


def training_note(dataset: Mapping[str, Any]) -> str:
    """What a report says of the training frames where they are not as its own; "" where there is nothing to say.

    Args:
        dataset: of a report, with "simulated" (of the split that was evaluated) and `TRAINING`.
    """
    if dataset["simulated"] or not dataset.get(TRAINING):
        return ""
    return f"{'some' if dataset[TRAINING] == PARTLY else 'all'} of the training frames are simulated"


def _value(said: Any) -> Simulated:
    return PARTLY if said == PARTLY else bool(said)
