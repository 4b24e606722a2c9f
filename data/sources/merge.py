"""Training frames of one data set added to another one, whose validation and test stay its own.

Simulated frames may so serve the training of a model for real images. Frames, gaze points and times are kept byte for
byte. The ids of the added frames get a prefix, and their labels may be withheld.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common.console import track
from common.errors import InputError
from data.dataset import UNLABELLED, Dataset, FrameRecord, open_dataset, write_dataset
from data.duplicates import frame_digest
from data.names import spelling_key
from data.reading import stored_records
from data.simulation import PARTLY, by_split, combined, simulated
from data.sources.config import MergeConfig
from data.splits import SPLITS

SCANNER = "simulated"
ADDED = "warning: training frames that are simulated"


def merge_datasets(config: MergeConfig) -> Dataset:
    """Write a data set: all of `config.main`, and the training frames of `config.extra` in its training split.

    Ids of the added frames begin with a prefix that no id of the main data set has; simulated frames are of the scanner
    "simulated". `dataset.json` names both sources with their checksums and says which splits are simulated.

    Returns:
        The opened data set.

    Raises:
        InputError: one of them is no data set or has no training split; frame size, fit, fan or (with kept labels)
            classes differ; they are the same data set, or frames that would be added are in the validation or test.
    """
    main, extra = open_dataset(config.main), open_dataset(config.extra)
    _check_folders(config)
    _check_alike(main, extra, config.labels)
    there = [split for split in SPLITS if main.info["splits"][split]["frames"]]
    held = {_digest(record) for split in there if split != "train" for record in stored_records(main, split)}
    prefix = _prefix(main, extra, there)
    source = _source(config, main, extra, prefix, there)
    with write_dataset(
        config.out,
        classes=main.classes,
        frame_size=main.frame_size,
        source=source,
        seed=main.info["split_seed"],
        overwrite=config.overwrite,
        require_all_classes=False,
        rule=main.rule,
    ) as writer:
        for split in there:
            for record in track(stored_records(main, split), f"{split} frames of {main.path.name}"):
                writer.add(split, record)
        added = _added(extra, config, prefix, held)
        for record in track(added, f"train frames of {extra.path.name}"):
            writer.add("train", record)
        for what, count in main.info["refused"].items():
            writer.refuse(what, int(count))
        for what, count in main.info["notes"].items():
            writer.note(what, count)
        for what, count in extra.info["notes"].items():
            if what.startswith("warning: ") and what != ADDED:
                writer.note(f"warning: of the added frames: {what.removeprefix('warning: ')}", count)
        if simulated(extra.info, "train") and source["simulated"] == PARTLY:
            writer.note(ADDED, extra.frames("train"))
    return open_dataset(config.out)


def _check_folders(config: MergeConfig) -> None:
    """The new data set replaces neither of those that it is made of."""
    for given in (config.main, config.extra):
        if Path(config.out).resolve() == Path(given).resolve():
            raise InputError(f"{config.out}: is a data set that is merged: name another folder in out")


def _check_alike(main: Dataset, extra: Dataset, labels: str) -> None:
    """Frames of both must be made in one way, and kept labels mean the same."""
    extra.frames("train"), main.frames("train")
    if main.checksum == extra.checksum:
        raise InputError(f"{extra.path}: is the same data set as {main.path}: name another one")
    compared: dict[str, tuple[Any, Any]] = {
        "frame_size": ("{}×{}".format(*extra.frame_size), "{}×{}".format(*main.frame_size)),
        "fit": (extra.fit, main.fit),
        "fan": (extra.fan, main.fan),
    }
    for name, (found, wanted) in compared.items():
        if found != wanted:
            raise InputError(
                f"{extra.path}: was prepared with {name} {found}, and {main.path} with {wanted}: prepare one of them "
                f"again with the {name} of the other"
            )
    if labels == "keep" and extra.classes != main.classes:
        raise InputError(
            f"{extra.path}: its classes are {', '.join(extra.classes)}, and those of {main.path} "
            f"{', '.join(main.classes)}: prepare it with the same classes in the same order, or set labels to withhold"
        )


def _prefix(main: Dataset, extra: Dataset, splits: Iterable[str]) -> str:
    """With which no patient or recording of `main` begins, whatever the spelling."""
    taken = {spelling_key(name) for split in splits for name in main.info["splits"][split]["frames_per_patient"]}
    taken |= {spelling_key(record.recording_id) for split in splits for record in stored_records(main, split)}
    name = "phantom" if extra.info["source"].get("kind") == "phantom" else "extra"
    number = 1
    while any(key.startswith(f"{name}{number if number > 1 else ''}/") for key in taken):
        number += 1
    return f"{name}{number if number > 1 else ''}/"


def _added(extra: Dataset, config: MergeConfig, prefix: str, held: set[bytes]) -> Iterator[FrameRecord]:
    """The training frames of `extra` as they go into the new data set."""
    scanner: dict[str, Any] = {"scanner": SCANNER} if simulated(extra.info, "train") is True else {}
    label: dict[str, Any] = {"label": UNLABELLED} if config.labels == "withhold" else {}
    for record in stored_records(extra, "train"):
        if _digest(record) in held:
            raise InputError(
                f"{extra.path}: frame {record.frame_index} of recording {record.recording_id} is in the validation or "
                f"test split of {config.main} too: the two share patients, so name a data set that shares none"
            )
        ids: dict[str, Any] = {
            "recording_id": prefix + record.recording_id,
            "patient_id": prefix + record.patient_id,
        }
        yield dataclasses.replace(record, **ids, **scanner, **label)


def _digest(record: FrameRecord) -> bytes:
    """Of the pixels: two encoders give the same frame other bytes."""
    assert isinstance(record.frame, bytes)
    frame = cv2.imdecode(np.frombuffer(record.frame, np.uint8), cv2.IMREAD_UNCHANGED)
    assert frame is not None, "`stored_records` has checked it"
    return frame_digest(frame)


def _source(config: MergeConfig, main: Dataset, extra: Dataset, prefix: str, splits: list[str]) -> dict[str, Any]:
    """The section "source": name, licence and citation are those of the data set that is validated and tested on."""
    added = simulated(extra.info, "train")
    of = {split: simulated(main.info, split) for split in splits}
    of["train"] = combined([of["train"], added])
    own = main.info["source"]
    checksums = [main.checksum, extra.checksum, config.labels, prefix]
    return {
        "kind": "merged",
        **{name: own[name] for name in ("name", "licence", "citation") if own.get(name)},
        **by_split(of),
        "main": {"checksum": main.checksum, "frames": sum(main.frames(split) for split in splits), "source": own},
        "extra": {
            "checksum": extra.checksum,
            "frames": extra.frames("train"),
            "simulated": added,
            "labels": config.labels,
            "prefix": prefix,
            "classes": list(extra.classes),
            "source": extra.info["source"],
        },
        "checksum": hashlib.sha256(json.dumps(checksums).encode()).hexdigest(),
    }
