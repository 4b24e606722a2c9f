"""What can be known to be wrong before any training: flags, data, models."""

from __future__ import annotations

from pathlib import Path

import models
from common.console import console
from common.errors import InputError
from data.dataset import Dataset
from data.pipeline import GAZE_MODES, evaluation_batches
from data.saliency import map_size
from models.distiller import Distiller
from models.ensemble import shares
from models.inherit import check_inheritable
from training.config import STAGES, has_teacher, teacher_paths
from training.multitask import check_grid, predicts_gaze
from training.student import build_student, check_student_start, gaze_alone
from training.teacher import build_teacher, load_teachers


def check_flags(config) -> None:
    """Refuse what can be known to be wrong before any work.

    Raises:
        InputError: a missing folder, an unknown stage, model or gaze mode, or flags that
            contradict each other.
    """
    for flag in ("data", "run"):
        if config[flag] is None:
            raise InputError(f"--{flag} is missing: name the {'data set' if flag == 'data' else 'run'} folder")
    if not config.stages:
        raise InputError(f"--stages []: name any of {', '.join(STAGES)}")
    if not 0 <= config.seed < 2**32:
        raise InputError(f"--seed {config.seed}: must be at least 0 and below 2^32")
    for stage in config.stages:
        if stage not in STAGES:
            raise InputError(f"--stages {stage}: is none of {', '.join(STAGES)}")
    if config.gaze not in GAZE_MODES:
        raise InputError(f"--gaze {config.gaze}: is none of {', '.join(GAZE_MODES)}")
    if not 0 < config.sigma <= 0.5:
        raise InputError(f"--sigma {config.sigma}: must be above 0 and at most 0.5 of the frame's width")
    student = models.find(config.student, "student")
    for flag in ("attention_taps", "hint_taps"):  # whatever their weights: a name that is none is a slip
        for tap in getattr(config.loss, flag):
            if tap not in student.taps:
                raise InputError(
                    f"--loss.{flag} {tap}: {config.student} has no tap {tap!r}; it has {', '.join(student.taps)}"
                )
    if config.teacher != "none":
        models.find(config.teacher, "teacher")
    check_student_start(config)
    _check_teachers(config)
    if config.pretrain.epochs and config.gaze == "none":
        raise InputError(
            "--pretrain.epochs: the pretraining learns from gaze, and --gaze none takes it away: choose one of them"
        )


def check_data(config, data: Dataset) -> None:
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
    if not data.labelled_frames("train") and config.teacher_path is None:
        found = f"{data.path}: has no labelled frame in its training split"
        if config.teacher == "none":
            raise InputError(f"{found}, and --teacher is none: give a trained teacher by --teacher-path, or label some")
        raise InputError(f"{found} for the teacher {config.teacher}: give a trained one by --teacher-path")
    if not data.labelled_frames("train") and config.loss.is_empty(labels=False):
        raise InputError(
            f"{data.path}: has no labelled frame in its training split, and every weight of --loss that needs no label "
            "is 0: set one of them, such as --loss.alpha"
        )
    blind = config.gaze == "none" or not data.gaze_frames("train")
    if blind and config.teacher == "multitask_sonoeyenet" and config.teacher_path is None:
        found = "--gaze is none" if config.gaze == "none" else f"{data.path} has no gaze in its training split"
        raise InputError(f"--teacher {config.teacher}: learns to predict gaze, and {found}: choose another teacher")
    if config.pretrain.epochs and not data.gaze_frames("train"):
        raise InputError(
            f"--pretrain.epochs {config.pretrain.epochs}: {data.path} has no gaze in its training split: leave the "
            "pretraining out"
        )


def check_models(config, data: Dataset) -> None:
    """Build everything once, so that a tap, an option or a layer that can't work is known now.

    Raises:
        InputError: what the models, the distiller or TF-MOT refuse.
    """
    student = build_student(config, data)
    if config.teacher_path is not None:
        teacher = load_teachers(config, data, Path(config.run))
    else:
        if config.pretrained is not None:
            models.check_pretrained(config.teacher, config.pretrained, config.teacher_options)
        teacher = build_teacher(config, data) if config.teacher != "none" else None
        if teacher is not None and predicts_gaze(teacher):
            check_grid(teacher, map_size(data.frame_size))
    Distiller(student, teacher, config.loss)
    if config.student_start == "teacher":
        check_inheritable(student, teacher)
    if config.pretrain.epochs:
        Distiller(student, None, gaze_alone(config.loss))
    if "int8" not in config.stages:
        return
    from quantization.check import dry_run as quantization_dry_run

    shape = (*data.frame_size, 1)
    refused = quantization_dry_run(config.student, shape, len(data.classes), **config.student_options)
    for name, kind, reason in refused:
        console.print(f"TF-MOT refuses layer {name} ({kind}): {reason}")
    if refused:
        raise InputError(
            f"--student {config.student}: TF-MOT refuses {len(refused)} of its layers ({refused[0][0]}, …): choose "
            "another student or leave int8 out of --stages"
        )
    if config.dry_run:
        console.print(f"{config.student}: TF-MOT takes all of its {len(student.layers)} layers")


def _check_teachers(config) -> None:
    if isinstance(config.teacher_path, list) and not config.teacher_path:
        raise InputError("--teacher-path: no file is named: give one or several .keras files")
    if config.teacher_weights is not None and config.teacher_path is None:
        raise InputError("--teacher-weights: are of the teachers given by --teacher-path, and there are none")
    if config.teacher_weights is not None:
        shares(len(teacher_paths(config)), config.teacher_weights)
    if config.student_start == "teacher" and (not has_teacher(config) or len(teacher_paths(config)) > 1):
        given = "several are given" if has_teacher(config) else "there is --teacher none"
        raise InputError(f"--student-start teacher: takes one teacher's channels, and {given}: name one")
    if config.pretrained is not None and (config.teacher == "none" or config.teacher_path is not None):
        given = "--teacher none" if config.teacher == "none" else "--teacher-path"
        raise InputError(f"--pretrained {config.pretrained}: is for a teacher that is trained here, not for {given}")
    if has_teacher(config):
        return
    config.loss.refuse_without_teacher("and --teacher is none: name one, give --teacher-path")
