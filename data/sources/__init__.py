"""Where data sets come from: recordings by a manifest, and public image sets.

    from data.sources import RecordingsConfig, prepare_recordings
    from data.sources import ImageSetConfig, image_sources, prepare_images
    from data.sources import MergeConfig, merge_datasets

The functions are loaded when they are asked for: they bring TensorFlow along.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from data.sources.config import ImageSetConfig, MergeConfig, RecordingsConfig
from data.sources.registry import ImageSource, image_source, image_sources

if TYPE_CHECKING:
    from data.sources.images import example_images, prepare_images
    from data.sources.merge import merge_datasets
    from data.sources.recordings import prepare_recordings

__all__ = [
    "ImageSetConfig",
    "ImageSource",
    "MergeConfig",
    "RecordingsConfig",
    "example_images",
    "image_source",
    "image_sources",
    "merge_datasets",
    "prepare_images",
    "prepare_recordings",
]

_LATE = {
    "example_images": "data.sources.images",
    "merge_datasets": "data.sources.merge",
    "prepare_images": "data.sources.images",
    "prepare_recordings": "data.sources.recordings",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
