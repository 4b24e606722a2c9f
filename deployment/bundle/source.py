"""The run that a bundle is made of: its 8-bit student, its settings, the data set that it is measured on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from common import strict_yaml
from common.errors import InputError
from common.files import path_kind
from data.dataset import Dataset, open_dataset
from data.reading import read_split
from data.splits import Split
from deployment.bundle.config import ExportConfig
from evaluation.artefacts import Metadata, check_matches, read_metadata, verify
from training.stored_config import settings_of_artefact

_TFLITE = Path("int8", "student_int8.tflite")
_MOST_FRAMES = 1000  # for the comparison of engines


@dataclasses.dataclass(frozen=True)
class Source:
    """An opened run.

    Attributes:
        run: its folder.
        tflite: the 8-bit student in it.
        content: the bytes of that file.
        metadata: of that file.
        settings: that file was trained with, resolved.
        data: what the model card is measured on.
        split: of it.
    """

    run: Path
    tflite: Path
    content: bytes
    metadata: Metadata
    settings: dict[str, Any]
    data: Dataset
    split: Split

    def frames(self) -> np.ndarray:
        """uint8 [n, H, W, 1]: the first frames of the split, a thousand at most."""
        examples = read_split(self.data, self.split).take(_MOST_FRAMES).as_numpy_iterator()
        return np.stack([example["frame"] for example in examples])


def open_source(config: ExportConfig) -> Source:
    """Open a run and check it against its data.

    Raises:
        InputError: no run folder, no 8-bit student in it, one that is damaged, takes and gives
            something else than bytes or has no settings of its training beside it, no data set, or one that does not
            match.
    """
    run = Path(config.run)
    if path_kind(run) != "folder":
        raise InputError(f"{run}: there is no such run folder: name one that train.py wrote")
    tflite = run / _TFLITE
    if path_kind(tflite) != "file":
        raise InputError(f"{tflite}: there is no 8-bit student: run train.py with the stage int8 in its stages")
    metadata = read_metadata(tflite)
    verify(tflite, metadata)
    if path_kind(run / "config.yaml") != "file":
        raise InputError(f"{run}: there is no config.yaml in it, so it is no run folder: name one that train.py wrote")
    if not (settings := settings_of_artefact(tflite)):
        raise InputError(f"{tflite.parent}: there is no config.yaml of this stage in it: let train.py train it again")
    data = open_dataset(_data_folder(config, strict_yaml.read_mapping(run / "config.yaml")))
    data.frames(config.split)
    if not data.labelled_frames(config.split):
        raise InputError(f"{data.path}: no frame of split {config.split!r} has a label: name another split")
    check_matches(metadata, data, tflite)
    content = tflite.read_bytes()
    _check_bytes(tflite, content, metadata)
    return Source(run, tflite, content, metadata, settings, data, config.split)


def _data_folder(config: ExportConfig, settings: dict[str, Any]) -> Path:
    if config.data is not None:
        return Path(config.data)
    found = Path(str(settings.get("data", "")))
    if path_kind(found / "dataset.json") != "file":
        raise InputError(
            f"{found}: the data set that {config.run} was trained on is not there, and the model card is measured on "
            "it: name it in data"
        )
    return found


def _check_bytes(path: Path, content: bytes, metadata: Metadata) -> None:
    from deployment.bundle.engines import litert

    source, target = litert(content)[1:]
    expected = (1, *metadata.frame_size, 1), (1, len(metadata.classes))
    for detail, shape in zip((source, target), expected):
        found = tuple(int(side) for side in detail["shape"])
        if found != shape or detail["dtype"] is not np.uint8:
            raise InputError(
                f"{path}: has a tensor of {np.dtype(detail['dtype']).name} {list(found)} where uint8 {list(shape)} was "
                "expected: export the int8 stage again with train.py"
            )
