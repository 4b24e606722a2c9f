"""Stage 1: the teacher, which sees frames and, if fused, the sonographer's gaze."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import keras

import models
from common.console import say
from common.errors import InputError
from common.files import whole_folder
from data.dataset import Dataset
from data.saliency import DEFAULT_SIGMA
from evaluation.artefacts import check_matches, load_keras_model, read_metadata, save_keras
from evaluation.fitting import fitted
from models.ensemble import Ensemble, shares
from models.teaching import BlindLearner, TeacherLearner
from training.config import TrainConfig
from training.fitting import fit, precision, resolve_precision
from training.history import History
from training.stages import Stage
from training.stored_config import write_config
from training.teacher_data import teacher_data


def train_teacher(stage: Stage, history: History) -> None:
    """Train the teacher and write `teacher/teacher.keras` with its metadata."""
    config, data = stage.config, stage.data
    keras.utils.set_random_seed(config.seed)
    teacher = build_teacher(config, data, pretrained=True)
    if config.pretrain_teacher.epochs:
        _pretrain(dataclasses.replace(stage, name="pretrain_teacher"), teacher, history)
    else:
        history.start("pretrain_teacher")  # an earlier teacher's is no part of this one
    learner = TeacherLearner(teacher, config.teach.gaze, config.teach.label_smoothing, config.loss.gaze_uniform_share)
    fit(learner, stage, config.teach, history)
    if not stage.distribution.is_chief:
        return
    with whole_folder(stage.folder, overwrite=True) as folder:
        metadata = fitted(stage.metadata(teacher, config.teacher, "logits"), teacher, data)
        save_keras(teacher, folder / "teacher.keras", metadata)
        write_config(folder, config)
    stage.forget_checkpoints()  # only now: the stage is on disk


def _pretrain(stage: Stage, teacher: keras.Model, history: History) -> None:
    """Train the teacher's layers up to stride 8 on the gaze alone; its own gaze input is the uniform map.

    The checkpoint stays until the teacher is on disk: a run that is interrupted later finds all epochs of it done.
    """
    settings = stage.config.pretrain_teacher
    fit(BlindLearner(teacher, stage.config.loss.gaze_uniform_share), stage, settings, history)


def build_teacher(config: TrainConfig, data: Dataset, pretrained: bool = False) -> keras.Model:
    """The teacher that the configuration names, untrained, or with the weights that it starts from."""
    with precision(resolve_precision(config.teach.precision)):
        shape = (*data.frame_size, 1)
        teacher = models.create(config.teacher, shape, len(data.classes), **config.teacher_options)
        if pretrained and config.pretrained is not None:
            say(models.load_pretrained(teacher, config.teacher, config.pretrained))
    return teacher


def load_teachers(config: TrainConfig, data: Dataset, trained: Path) -> keras.Model | Ensemble | None:
    """The teacher of a student: the given ones, the one `trained` here, or None.

    Raises:
        InputError: see `load_teacher`.
    """
    if not config.has_teacher:
        return None
    if config.trains_teacher:
        return load_teacher(trained, data)
    seen = teacher_data(config, data)
    loaded = [load_teacher(path, seen) for path in config.teacher_path]
    return loaded[0] if len(loaded) == 1 else Ensemble(tuple(loaded), shares(len(loaded), config.teacher_weights))


def with_sigma(config: TrainConfig) -> TrainConfig:
    """The configuration with `sigma` set: its own, else that of the given teachers' gaze maps, else the default.

    Raises:
        InputError: two of these differ, or a teacher's metadata can't be read.
    """
    sigma = sigma_of(config.teacher_path, config.sigma, "sigma is", "leave sigma out, or give another teacher")
    return dataclasses.replace(config, sigma=DEFAULT_SIGMA if sigma is None else sigma)


def sigma_of(teachers: Sequence[Path], given: float | None, giver: str, cure: str) -> float | None:
    """The sigma of the gaze maps that a student and its teachers share; None if nothing sets it.

    Args:
        teachers: artefacts. Those that see no gaze set nothing.
        given: the student's own.
        giver: what set that, in words that end before a number, such as "sigma is".
        cure: of a conflict with it.

    Raises:
        InputError: two of these differ, or a teacher's metadata can't be read.
    """
    sigma = given
    for path in teachers:
        taught = read_metadata(path)
        if "gaze" not in taught.inputs:
            continue
        if sigma not in (None, taught.sigma):
            raise InputError(
                f"teacher {path}: was trained with gaze maps of sigma {taught.sigma:g}, and {giver} {sigma:g}: {cure}"
            )
        if sigma is None:
            sigma, giver, cure = taught.sigma, f"{path} with those of", "give teachers of one sigma"
    return sigma


def load_teacher(path: str | os.PathLike, data: Dataset) -> keras.Model:
    """A trained teacher; refused if its classes or frame size are not the data set's.

    Raises:
        InputError: no such file, a damaged one, not a Keras model, made for other data, or no classifier.
    """
    metadata = read_metadata(path)
    if metadata.output == "gaze_map":
        raise InputError(
            f"{path}: predicts gaze maps, not classes: give the classifier of its run, such as student.keras"
        )
    check_matches(metadata, data, path)
    return load_keras_model(path)
