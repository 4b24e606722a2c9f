"""What can be known to be wrong before any training and needs files: sources, data, models."""

from __future__ import annotations

from pathlib import Path

import models
from common.console import console, notice
from common.errors import InputError
from data.dataset import Dataset
from data.parts import Part
from data.pipeline import check_parts, evaluation_batches, frames_taken
from models.distiller import Distiller
from models.inherit import check_inheritable
from models.teaching import BlindLearner, TeacherLearner
from training.config import TrainConfig
from training.frames import learned_from, takes_gaze, unlabelled_of
from training.settings import FitSettings
from training.student import build_student, gaze_alone
from training.teacher import build_teacher, load_teachers
from training.teacher_data import check_teacher_data


def check_sources(config: TrainConfig) -> None:
    """Refuse weights to start from that are not there or are of another model.

    Raises:
        InputError: naming the weights.
    """
    if config.starts_from_weights:
        models.check_pretrained(config.student, config.student_init, config.student_options, parameter="student_init")
    if config.pretrained is not None:
        models.check_pretrained(config.teacher, config.pretrained, config.teacher_options)


def check_data(config: TrainConfig, data: Dataset) -> None:
    """Refuse a data set from which this configuration can't learn.

    Raises:
        InputError: a split that is missing, no labels without a trained teacher, no gaze for
            what learns from gaze.
    """
    for split in ("train", "val"):
        data.frames(split)
    if config.gaze == "shuffled":
        for split in (name for name, found in data.info["splits"].items() if found["frames"]):
            evaluation_batches(data, split, gaze=config.gaze, seed=config.seed)  # can it be shuffled at all?
    if not data.labelled_frames("train"):
        _check_unlabelled(config, data)
    check_teacher_data(config, data)
    if config.labelled_share is not None and "student" in config.stages:
        taken = frames_taken(data, "train", unlabelled_of("student", config, data))
        known = data.labelled_frames("train")
        if not 0 < known < taken:
            notice(
                f"labelled_share {config.labelled_share:g} has no effect: {known} of the {taken} frames that the "
                "student goes through have a label"
            )
    blind = config.gaze == "none" or not data.gaze_frames("train")
    if blind and config.trains_teacher and models.find(config.teacher).predicts_gaze:
        found = "gaze is 'none'" if config.gaze == "none" else f"{data.path} has no gaze in its training split"
        raise InputError(f"teacher {config.teacher} learns to predict gaze, and {found}: choose another teacher")
    loss = config.loss if config.has_teacher else config.loss.without_teacher()
    if blind and "student" in config.stages and loss.without_gaze().is_empty():
        found = "gaze is 'none'" if config.gaze == "none" else f"{data.path} has no gaze in its training split"
        raise InputError(
            f"loss: gaze is all that is left to learn from, and {found}: set another weight, such as loss.hard"
        )
    for name, settings in (("pretrain", config.pretrain), ("pretrain_teacher", config.pretrain_teacher)):
        if settings.epochs and not data.gaze_frames("train"):
            raise InputError(
                f"{name}.epochs must be 0 without gaze, not {settings.epochs}, and {data.path} has none in its "
                "training split"
            )
        if settings.epochs and not takes_gaze(name, config, data):
            raise InputError(
                f"{name}.epochs must be 0 without gaze, not {settings.epochs}: with unlabelled "
                f"{unlabelled_of(name, config, data)!r} no frame that is left of {data.path} has any, so leave "
                "unlabelled at 'auto'"
            )


def _check_unlabelled(config: TrainConfig, data: Dataset) -> None:
    found = f"{data.path}: has no labelled frame in its training split"
    if config.trains_teacher:
        raise InputError(f"{found} for the teacher {config.teacher}: give a trained one by teacher_path")
    if not config.has_teacher:
        raise InputError(f"{found}, and teacher is 'none': give a trained teacher by teacher_path, or label some")
    if config.unlabelled != "auto" and not frames_taken(data, "train", config.unlabelled):
        raise InputError(
            f"{found}, and unlabelled is {config.unlabelled!r}: there is nothing to learn from, so leave it at 'auto'"
        )
    if learned_from(config.loss, config.gaze, data) == "none":
        raise InputError(
            f"{found}, and every weight of loss that needs no label is 0, or needs gaze that is not there: set one of "
            "them, such as loss.alpha"
        )


def check_shares(config: TrainConfig, data: Dataset, part: Part) -> None:
    """Refuse batches that the devices, and frames that the workers can't share equally; the int8 stage stays on one.

    Raises:
        InputError: naming the stage's batch size, the share of labelled frames, or the split.
    """
    # Group of settings, and the stage that they are of.
    shared: dict[str, tuple[str, FitSettings]] = {"distil": ("student", config.distil)}
    if config.pretrain.epochs:
        shared["pretrain"] = ("pretrain", config.pretrain)
    if config.trains_teacher:
        shared["teach"] = ("teacher", config.teach)
        if config.pretrain_teacher.epochs:
            shared["pretrain_teacher"] = ("pretrain_teacher", config.pretrain_teacher)
    for name, (stage, settings) in shared.items():
        if ("teacher" if stage in ("teacher", "pretrain_teacher") else "student") not in config.stages:
            continue
        part.share(settings.batch_size, f"{name}.batch_size")
        unlabelled = unlabelled_of(stage, config, data)
        share = config.labelled_share if stage == "student" else None
        check_parts(data, "train", unlabelled, part, settings.batch_size, share)
        if data.info["splits"]["val"]["frames"] and frames_taken(data, "val", unlabelled):
            check_parts(data, "val", unlabelled, part)


def check_models(config: TrainConfig, data: Dataset, say: bool = False) -> None:
    """Build everything once, so that a tap, an option or a layer that can't work is known now.

    Args:
        config, data: of the run.
        say: print what TF-MOT takes, not only what it refuses.

    Raises:
        InputError: what the models, the distiller or TF-MOT refuse.
    """
    student = build_student(config, data)
    if config.teacher_path:
        teacher = load_teachers(config, data, Path(config.run))
    else:
        teacher = build_teacher(config, data) if config.trains_teacher else None
        if teacher is not None:
            TeacherLearner(teacher, config.teach.gaze)
            if config.pretrain_teacher.epochs:
                BlindLearner(teacher)
    Distiller(student, teacher, config.loss)
    if config.student_init == "teacher":
        check_inheritable(student, teacher)
    if config.pretrain.epochs:
        Distiller(student, None, gaze_alone(config.loss))
    if "int8" in config.stages:
        _check_quantizable(config, data, say)


def _check_quantizable(config: TrainConfig, data: Dataset, say: bool) -> None:
    from quantization.check import dry_run

    refused = dry_run(config.student, (*data.frame_size, 1), len(data.classes), **config.student_options)
    for name, kind, reason in refused:
        console.print(f"TF-MOT refuses layer {name} ({kind}): {reason}")
    if refused:
        raise InputError(
            f"student {config.student}: TF-MOT refuses {len(refused)} of its layers ({refused[0][0]}, …): choose "
            "another student or leave int8 out of stages"
        )
    if say:
        console.print(f"{config.student}: TF-MOT takes all of its layers")
