"""Dataclasses of settings that grow: what was trained before a field existed stays valid."""

from __future__ import annotations

import dataclasses


def added(default):
    """A dataclass field that came after the first runs; at its default it means what they did."""
    return dataclasses.field(default=default, metadata={"added": True})


def identity(settings) -> dict:
    """What tells two settings apart, for a fingerprint: all fields, but `added` ones only off their default."""
    values = dataclasses.asdict(settings)
    for field in dataclasses.fields(settings):
        if field.metadata.get("added") and values[field.name] == field.default:
            del values[field.name]
    return values
