"""`dataset.json` as a schema: what a data set says of itself, checked before any of it is used."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from data.splits import SPLITS
from data.video.framing import FrameRule

FORMAT_VERSION = 2
RULE_KEYS = tuple(field.name for field in dataclasses.fields(FrameRule))
_SHARD_KEYS = ("shards", "shard_bytes", "shard_sha256")
_STRICT = pydantic.ConfigDict(strict=True, allow_inf_nan=False)
_Count = Annotated[int, Field(ge=0, le=10**12)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Side = Annotated[int, Field(ge=1, le=65_536)]


class SplitInfo(pydantic.BaseModel):
    """What one split holds."""

    model_config = _STRICT
    shards: list[str]
    shard_bytes: list[_Count]
    shard_sha256: list[_Sha256]
    frames: _Count
    recordings: _Count
    patients: _Count
    frames_per_class: dict[str, _Count]
    gaze_frames: _Count
    gaze_frames_per_class: dict[str, _Count]
    frames_per_scanner: dict[str, _Count]
    frames_per_patient: dict[str, _Count]

    @pydantic.model_validator(mode="after")
    def _adds_up(self) -> SplitInfo:
        if not len(self.shards) == len(self.shard_bytes) == len(self.shard_sha256):
            raise ValueError("shards, shard_bytes and shard_sha256 must be as many")
        for name in ("frames_per_class", "frames_per_scanner", "frames_per_patient"):
            total = sum(getattr(self, name).values())
            if total != self.frames:
                raise ValueError(f"{name} add up to {total}, and frames is {self.frames}")
        if sum(self.gaze_frames_per_class.values()) != self.gaze_frames:
            raise ValueError("gaze_frames_per_class do not add up to gaze_frames")
        if any(count > self.frames_per_class.get(name, 0) for name, count in self.gaze_frames_per_class.items()):
            raise ValueError("a class has more frames with gaze than frames")
        if self.patients != len(self.frames_per_patient) or self.recordings > self.frames:
            raise ValueError("patients or recordings do not agree with the frames")
        if bool(self.frames) != bool(self.shards):
            raise ValueError("there are frames without shards, or shards without frames")
        return self


class Splits(pydantic.BaseModel):
    """The three splits."""

    model_config = _STRICT | pydantic.ConfigDict(extra="forbid")
    train: SplitInfo
    val: SplitInfo
    test: SplitInfo


class DatasetInfo(pydantic.BaseModel):
    """The whole of `dataset.json`."""

    model_config = _STRICT
    format: Annotated[int, Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)]
    classes: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1)]
    frame_size: Annotated[list[_Side], Field(min_length=2, max_length=2)]
    fit: Literal["pad", "stretch"]
    pixel_aspect: Annotated[float, Field(gt=0)]
    fan: Literal["keep", "blank"]
    source: dict[str, Any]
    split_seed: int | None
    splits: Splits
    refused: dict[str, int | float]
    notes: dict[str, int | float]
    checksum: _Sha256

    @pydantic.model_validator(mode="after")
    def _agrees(self) -> DatasetInfo:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class comes twice")
        known = {*self.classes, "unlabelled"}
        for split in SPLITS:
            info: SplitInfo = getattr(self.splits, split)
            for name in (*info.frames_per_class, *info.gaze_frames_per_class):
                if name not in known:
                    raise ValueError(f"splits.{split} counts frames of {name!r}, which is no class")
            missing = [name for name in self.classes if name not in info.frames_per_class]
            if missing or info.frames_per_class.keys() != info.gaze_frames_per_class.keys():
                raise ValueError(f"splits.{split} must count the frames of every class")
            for shard in info.shards:
                if not re.fullmatch(rf"{split}-[0-9]{{5}}\.tfrecord", shard):
                    raise ValueError(f"splits.{split}: {shard!r} is no name of a shard of this split")
            if len(set(info.shards)) != len(info.shards):
                raise ValueError(f"splits.{split}: a shard comes twice")
        return self


def checksum_of(info: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the shards' bytes, and of what tells them apart: splits, sizes, classes, frame size and rule."""
    shards = [
        [name, size, digest]
        for split in SPLITS
        for name, size, digest in zip(*(info["splits"][split][key] for key in _SHARD_KEYS))
    ]
    said = [shards, info["classes"], info["frame_size"], *(info[key] for key in RULE_KEYS)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
