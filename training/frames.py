"""Which training frames are gone through: those without a label, and those of the calibration."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from common.typed import check_seed, convert, field_types
from data.dataset import Dataset
from data.pipeline import PipelineSettings, training_batches
from data.selection import gaze_frames_taken
from evaluation.artefacts import Metadata
from losses import LossSettings
from training.config import TrainConfig, check_share

# More frames do not move the ranges of activations.
CALIBRATION_BATCHES = 8
_CALIBRATION_BATCH = 32
# What an artefact's metadata keep of the batches that trained it, by the names of `PipelineSettings`.
_KEPT = ("gaze", "seed", "unlabelled", "labelled_share", "class_weights")


def learned_from(loss: LossSettings, gaze: str, data: Dataset) -> str:
    """Which frames without a label a loss learns from: "all" where one of its terms does, else "none".

    Args:
        loss: without terms that need a teacher where there is none.
        gaze: see `PipelineSettings`; without gaze the terms over frames with gaze are none.
        data: the opened data set.
    """
    if gaze == "none" or not data.gaze_frames("train"):
        loss = loss.without_gaze()
    return "none" if loss.is_empty(labels=False) else "all"


def unlabelled_of(stage: str, config: TrainConfig, data: Dataset) -> str:
    """Which frames without a label a stage goes through: "all", "patients", "withheld" or "none".

    A teacher learns from labels, so "none". For the others `config.unlabelled` decides; "auto" is what the
    loss learns from (`learned_from`).
    """
    if stage == "teacher":
        return "none"
    if config.unlabelled != "auto":
        return config.unlabelled
    if stage in ("pretrain", "pretrain_teacher"):
        return "all"
    return learned_from(config.loss if config.has_teacher else config.loss.without_teacher(), config.gaze, data)


def takes_gaze(stage: str, config: TrainConfig, data: Dataset) -> bool:
    """Whether any training frame that a stage goes through has gaze to learn from."""
    if config.gaze == "none":
        return False
    if config.gaze == "shuffled":  # frames without gaze get that of others
        return data.gaze_frames("train") > 0
    return gaze_frames_taken(data, "train", unlabelled_of(stage, config, data)) > 0


def calibration_features(data: Dataset, settings: PipelineSettings) -> list[dict]:
    """Features of a few training batches without augmentation: one set for all models that are compared.

    They are enough for the ranges of activations, and for a refit of layers by least squares.

    Args:
        data: the opened data set.
        settings: of the run that trained the model, or whose student it was made of. Seed, `unlabelled` and
            `labelled_share` decide which frames these are.
    """
    settings = dataclasses.replace(settings, batch_size=_CALIBRATION_BATCH, views=0)
    return [features for features, *_ in training_batches(data, "train", settings).take(CALIBRATION_BATCHES)]


def kept_settings(settings: PipelineSettings) -> dict[str, Any]:
    """What the metadata of an artefact keep, in `extra`, of the batches that trained it."""
    return {name: getattr(settings, name) for name in _KEPT}


def settings_of(metadata: Metadata, path: str | os.PathLike) -> PipelineSettings:
    """The settings of the batches that trained an artefact; the defaults for what its metadata do not say.

    Args:
        metadata: of the artefact.
        path: of it, for errors.

    Raises:
        InputError: a value of another type, or one that can't be.
    """
    types = field_types(PipelineSettings)
    found = {name: metadata.extra[name] for name in _KEPT if name in metadata.extra}
    found = {name: convert(value, types[name], f"{path}: extra.{name}") for name, value in found.items()}
    check_seed(found.get("seed", 0), f"{path}: extra.seed")
    check_share(found.get("labelled_share"), f"{path}: extra.labelled_share")
    return PipelineSettings(sigma=metadata.sigma, **found)
