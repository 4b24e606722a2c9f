"""Fit what an artefact's metadata hold: when it answers, and which frames are unlike its training frames."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import keras

from common.console import notice
from common.errors import InputError
from common.typed import StrPath
from data.dataset import Dataset, diagnosed, open_dataset
from data.splits import SPLITS
from evaluation.artefacts import (
    Artefact,
    Metadata,
    OutOfDistribution,
    check_matches,
    load_artefact,
    read_metadata,
    write_metadata,
)
from evaluation.artefacts.runners import keras_runner
from evaluation.config import EvaluateConfig
from evaluation.decision import TARGET, fit_decision
from evaluation.ood import chunks, fit_ood, share_flagged
from evaluation.predictions import predict_split


def fitted(metadata: Metadata, model: keras.Model, data: Dataset) -> Metadata:
    """The metadata of a Keras model that is about to be saved, with `decision` and `ood`.

    Args:
        metadata: of the model. model: frame, or frame and gaze → logits.
        data: the data set that it was trained on.
    """
    named = Path(metadata.stage) / f"{metadata.stage}.keras"
    return _fitted(Artefact(named, "keras", metadata, model, keras_runner(model, metadata)), data, TARGET)


def fit_artefact(path: str | os.PathLike, data: Dataset, target: float = TARGET, *, trust: bool = False) -> Metadata:
    """Fit an artefact that is on disk and write its metadata again; give them.

    What the data set has too few frames to fit stays as it was.

    Args:
        path: of the artefact. data: of its classes and frame size; its training and validation splits are used.
        target: accuracy asked for on the frames that are kept. trust: as for `load_artefact`.

    Raises:
        InputError: an artefact that can't be loaded, or that does not match the data set.
    """
    before = read_metadata(path)
    check_matches(before, data, path)
    metadata = _fitted(load_artefact(path, trust=trust), data, target)
    if metadata.ood is None and before.ood is not None:
        notice(
            f"{path}: keeps its rule for frames unlike the training frames: the training split of {data.path} has too "
            "few frames or patients to fit one"
        )
    metadata = dataclasses.replace(
        metadata, decision=metadata.decision or before.decision, ood=metadata.ood or before.ood
    )
    write_metadata(path, metadata)
    return metadata


def fit_artefacts(config: EvaluateConfig, target: float = TARGET) -> Iterator[tuple[StrPath, Metadata]]:
    """Fit thresholds, filters and the rule for unlike frames on the data set's own splits, into artefacts' metadata.

    Args:
        config: names the artefacts and the data set. target: accuracy asked for on the frames that are kept.

    Yields:
        (path, its new metadata) of each artefact, once they are written.

    Raises:
        InputError: a data set without a labelled validation frame; else as `fit_artefact`.
    """
    data = open_dataset(config.data, verify=config.verify or None)
    if not can_fit_threshold(data):
        raise InputError(
            f"{data.path}: has no labelled frame in its validation split to fit a threshold on: give another data set, "
            "or leave fit out"
        )
    for path in config.artefacts:
        with diagnosed(data.path):
            metadata = fit_artefact(path, data, target, trust=config.trust)
        yield path, metadata


def can_fit_threshold(data: Dataset) -> bool:
    """Whether the validation split has a labelled frame."""
    return bool(data.info["splits"].get(SPLITS[1], {}).get("frames") and data.labelled_frames(SPLITS[1]))


def _fitted(artefact: Artefact, data: Dataset, target: float) -> Metadata:
    """A teacher is fitted without gaze: whoever predicts on a video has none."""
    ood, decision = _ood(data.path, data.checksum), None
    if can_fit_threshold(data):
        table = predict_split(artefact, data, SPLITS[1], gaze="none", show=False)
        decision = fit_decision(table, data.classes, target)
    return dataclasses.replace(artefact.metadata, decision=decision, ood=ood)


@functools.lru_cache(maxsize=4)
def _ood(path: Path, checksum: str) -> OutOfDistribution | None:
    """Every artefact of a data set has the same rule, which knows frames alone."""
    data = open_dataset(path, verify=False)
    if not data.info["splits"].get(SPLITS[0], {}).get("frames"):
        return None
    ood = fit_ood(data)
    if ood is None or not data.info["splits"].get(SPLITS[1], {}).get("frames"):
        return ood
    flagged = share_flagged(ood, (frames for _, frames in chunks(data, SPLITS[1])))
    return dataclasses.replace(ood, flagged_validation=flagged)
