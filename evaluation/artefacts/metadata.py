"""The metadata of every artefact: `student.keras` has `student.keras.json` next to it.

A model file alone does not say which class output 2 is, nor that it takes frames in [0, 1].
The metadata does, in the same words for `.keras`, SavedModel folders (`saved_model/` has
`saved_model.json` next to it) and `.tflite`. It also holds the artefact's SHA-256.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic.dataclasses import dataclass

from common.documents import checked, read_json
from common.errors import InputError, disk_errors
from common.files import path_kind, write_text
from evaluation.artefacts.fitted import CONFIG, Decision, OutOfDistribution

_CURE = "correct the field or export the artefact again"
# A file must state these: a default would be a guess at how the model's frames are made, or no check of its bytes.
_STATED = ("fit", "fan", "sha256")

Text = Annotated[str, pydantic.Field(min_length=1, max_length=200)]
Pixels = Annotated[int, pydantic.Field(strict=True, ge=1, le=16384)]
Count = Annotated[int, pydantic.Field(strict=True, ge=0, le=10**13)]
Share = Annotated[float, pydantic.Field(strict=True, gt=0, le=0.5)]
Number = Annotated[float, pydantic.Field(strict=True)]


@dataclass(frozen=True, config=CONFIG)
class Teacher:
    """What taught a student.

    Attributes:
        name: the model's name in the registry; several are joined by " + ".
        params: parameters of all of them together.
    """

    name: Text
    params: Count


@dataclass(frozen=True, config=CONFIG)
class Metadata:
    """The contract of one artefact.

    Attributes:
        name: the model's name in the registry.
        classes: class names, in the order of the outputs.
        frame_size: (H, W) of the frames it takes, pixels.
        output: "logits" or "probabilities" [B, K], or "gaze_map" [B, h, w].
        stage: "teacher", "student", "int8", "gaze_map", ...
        inputs: ("frame",) or ("frame", "gaze").
        value_range: of the float frames, for who reads the file; always [0, 1]. An 8-bit artefact takes raw bytes.
        gaze_map_size: (h, w) of the gaze map it was trained with, or None.
        sigma: of that map's Gaussians, as a share of the frame width. Whoever runs the
            artefact renders its gaze maps with this sigma.
        params: number of parameters, or None if not counted.
        macs: multiply-accumulates per frame, or None if not counted.
        version: of the software that wrote it.
        dataset_checksum: of the data set that it was trained on.
        teacher: what taught it, or None.
        fit: how its frames are made of images: "pad" or "stretch", see `data.video.framing`.
        fan: "keep", or "blank" where what lies outside the fan was blanked.
        decision: when it answers, fitted on the validation split, or None.
        ood: which frames are unlike the training frames, or None.
        extra: anything else worth keeping, JSON-serialisable.
        sha256: of the artefact's bytes; `write_metadata` sets it.
    """

    name: Text
    classes: tuple[Text, ...]
    frame_size: tuple[Pixels, Pixels]
    output: Literal["logits", "probabilities", "gaze_map"]
    stage: Text
    inputs: tuple[Text, ...] = ("frame",)
    value_range: tuple[Number, Number] = (0.0, 1.0)
    gaze_map_size: tuple[Pixels, Pixels] | None = None
    sigma: Share = 0.03
    params: Count | None = None
    macs: Count | None = None
    version: Annotated[str, pydantic.Field(max_length=500)] = "0"
    dataset_checksum: Annotated[str, pydantic.Field(max_length=200)] = ""
    teacher: Teacher | None = None
    fit: Literal["pad", "stretch"] = "pad"
    fan: Literal["keep", "blank"] = "keep"
    decision: Decision | None = None
    ood: OutOfDistribution | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    sha256: Annotated[str, pydantic.Field(pattern="^([0-9a-f]{64})?$")] = dataclasses.field(default="", compare=False)

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Metadata:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes are {list(self.classes)[:20]}, expected two or more different names")
        if len(self.classes) > 10_000:
            raise ValueError(f"classes are {len(self.classes)}, at most 10000 were expected")
        if self.inputs not in (("frame",), ("frame", "gaze")):
            raise ValueError(f"inputs are {list(self.inputs)[:20]}, expected ['frame'] or ['frame', 'gaze']")
        if self.value_range != (0.0, 1.0):
            raise ValueError(f"value_range is {list(self.value_range)}, expected [0.0, 1.0]: no other is given here")
        if self.gaze_map_size is None and ("gaze" in self.inputs or self.output == "gaze_map"):
            raise ValueError("gaze_map_size is missing, and the model takes or gives gaze maps")
        return self


def metadata_path(artefact_path: str | os.PathLike) -> Path:
    """Where an artefact's metadata lies: its own name with `.json` behind it."""
    path = Path(artefact_path)
    return path.with_name(path.name + ".json")


def write_metadata(artefact_path: str | os.PathLike, metadata: Metadata) -> Path:
    """Write the metadata next to an existing artefact, with its SHA-256; give the path written.

    The metadata file is written whole or not at all.
    """
    path = metadata_path(artefact_path)
    fields = dataclasses.asdict(metadata) | {"sha256": artefact_sha256(artefact_path)}
    write_text(path, json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def read_metadata(artefact_path: str | os.PathLike) -> Metadata:
    """Read the metadata next to an artefact; the artefact itself is not looked at (`verify` does).

    Raises:
        InputError: no artefact, no metadata next to it, metadata that are not JSON, or a field that is missing,
            unknown or wrong.
    """
    path = metadata_path(artefact_path)
    if path_kind(path) != "file":
        if path_kind(artefact_path) is None:
            raise InputError(f"{artefact_path}: there is no such artefact: check the path")
        raise InputError(
            f"{path}: there is no metadata next to the artefact {Path(artefact_path).name}: copy this file "
            "together with the artefact from its run folder, or export it again with train.py"
        )
    content = read_json(path, "the metadata", _CURE)
    metadata = checked(Metadata, content, path, _CURE)
    for field in _STATED:
        if not content.get(field):
            raise InputError(f"{path}: {field} is missing: export the artefact again")
    return metadata


def verify(artefact_path: str | os.PathLike, metadata: Metadata) -> None:
    """Compare an artefact's bytes with the SHA-256 in its metadata.

    Raises:
        InputError: they differ.
    """
    found = artefact_sha256(artefact_path)
    if found != metadata.sha256:
        raise InputError(
            f"{artefact_path}: its SHA-256 is {found[:12]}…, {metadata_path(artefact_path).name} says "
            f"{metadata.sha256[:12] or 'nothing'}…: the file is damaged or the metadata belongs to another artefact, "
            "copy both again or export it again"
        )


def artefact_sha256(path: str | os.PathLike) -> str:
    """SHA-256 (hex) of a file's bytes, or of the names and bytes of all files in a folder."""
    path, digest = Path(path), hashlib.sha256()
    folder = path.is_dir()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if folder else [path]
    with disk_errors(path):
        for file in files:
            if folder:
                digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
