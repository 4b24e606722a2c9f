"""What travels with every artefact: `student.keras` has `student.keras.json` beside it.

A model file alone does not say which class output 2 is, nor that it wants frames
in [0, 1]. The metadata does, in the same words for `.keras`, SavedModel folders
(`saved_model/` has `saved_model.json` beside it) and `.tflite`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from common.errors import InputError, disk_errors
from common.files import write_text

OUTPUTS = ("logits", "probabilities")
INPUTS = (("frame",), ("frame", "gaze"))


@dataclasses.dataclass(frozen=True)
class Metadata:
    """The contract of one artefact.

    Attributes:
        name: the model's name in the registry.
        classes: class names, in the order of the outputs.
        frame_size: (H, W) of the frames it takes, pixels.
        output: "logits" or "probabilities".
        stage: "teacher", "student", "int8", ...
        inputs: ("frame",) or ("frame", "gaze").
        value_range: of the float frames. An 8-bit artefact takes the raw bytes instead.
        gaze_map_size: (h, w) of the gaze map it was trained with, or None.
        sigma: of that map's Gaussians, as a share of the frame width.
        params: number of parameters, or None if not counted.
        macs: multiply-accumulates per frame, or None if not counted.
        version: of the software that wrote it.
        dataset_checksum: of the data set that it was trained on.
        extra: anything else worth keeping, JSON-serialisable.
    """

    name: str
    classes: tuple[str, ...]
    frame_size: tuple[int, int]
    output: str
    stage: str
    inputs: tuple[str, ...] = ("frame",)
    value_range: tuple[float, float] = (0.0, 1.0)
    gaze_map_size: tuple[int, int] | None = None
    sigma: float = 0.03
    params: int | None = None
    macs: int | None = None
    version: str = "0"
    dataset_checksum: str = ""
    extra: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for name in ("classes", "inputs", "frame_size", "value_range", "gaze_map_size"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name} is {value!r}, expected a list")
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes are {list(self.classes)}, expected two or more different names")
        if len(self.frame_size) != 2 or min(self.frame_size) < 1:
            raise ValueError(f"frame_size is {list(self.frame_size)}, expected [height, width] in pixels")
        if self.output not in OUTPUTS:
            raise ValueError(f"output is {self.output!r}, expected one of {', '.join(OUTPUTS)}")
        if self.inputs not in INPUTS:
            raise ValueError(f"inputs are {list(self.inputs)}, expected ['frame'] or ['frame', 'gaze']")
        if "gaze" in self.inputs and self.gaze_map_size is None:
            raise ValueError("gaze_map_size is missing, and the model takes gaze")


def metadata_path(artefact_path: str | os.PathLike) -> Path:
    """Where an artefact's metadata lies: its own name with `.json` behind it."""
    path = Path(artefact_path)
    return path.with_name(path.name + ".json")


def write_metadata(artefact_path: str | os.PathLike, metadata: Metadata) -> Path:
    """Write the metadata beside an artefact, whole or not at all; give the path written."""
    path = metadata_path(artefact_path)
    write_text(path, json.dumps(dataclasses.asdict(metadata), indent=2, ensure_ascii=False) + "\n")
    return path


def read_metadata(artefact_path: str | os.PathLike) -> Metadata:
    """Read the metadata beside an artefact.

    Raises:
        InputError: missing, not JSON, or a field is missing, unknown or wrong.
    """
    path = metadata_path(artefact_path)
    if not path.is_file():
        raise InputError(
            f"{path}: there is no metadata beside the artefact {Path(artefact_path).name}: copy this file "
            "together with the artefact from its run folder, or export it anew with train.py"
        )
    try:
        with disk_errors(path):
            fields = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(fields, dict):
            raise TypeError(f"a {type(fields).__name__}, expected an object")
        return Metadata(**fields)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        text = str(error).replace("Metadata.__init__() ", "").replace("Metadata.__init__()", "")
        raise InputError(f"{path}: the metadata can't be read ({text}): export the artefact anew") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {error}: mend the field or export the artefact anew") from error
