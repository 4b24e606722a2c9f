"""Stage 2: the compact student, distilled from the teacher; it sees frames alone."""

from __future__ import annotations

import dataclasses

import keras

import models
from common.console import console, say
from common.files import whole_folder
from data.dataset import Dataset
from evaluation.artefacts import save_keras
from evaluation.fitting import fitted
from losses import LossSettings
from models.distiller import Distiller
from models.ensemble import Ensemble
from models.inherit import inherit
from training.config import TrainConfig
from training.fitting import fit
from training.frames import takes_gaze
from training.heads import HEADS, save_heads
from training.history import History
from training.stages import Stage
from training.stored_config import write_config
from training.teacher_cache import teacher_cache

GAZE_MAP = "gaze_map.keras"


def train_student(
    stage: Stage, teacher: keras.Model | Ensemble | None, history: History, before: Stage | None = None
) -> None:
    """Distil the student and write its `.keras`, SavedModel and float `.tflite`.

    With `before`, the stage "pretrain", the student first learns from the gaze alone.

    The deployable student holds neither heads nor teacher. What the gaze loss has trained is saved
    as a model of its own, `gaze_map.keras`: frame → gaze map; without a frame with gaze there is none,
    since its head was trained by nothing. The weights of all heads go into `heads.npz` for the int8
    stage, see `training.heads`.
    """
    config, data = stage.config, stage.data
    keras.utils.set_random_seed(config.seed)
    student = build_student(config, data, started=True)
    if config.student_init == "teacher":
        inherit(student, teacher, stage.calibration_features(), config.seed)
    asked = teacher if config.loss.uses_teacher() else None  # its channels may be all that is taken from it
    cache = teacher_cache(stage, asked)  # a damaged one, or a full disk, is known before any training
    if before is None:
        history.start("pretrain")  # an earlier student's is no part of this one
    pretrained = _pretrain(before, student, history) if before else None
    steps = stage.steps_per_epoch(config.distil) * config.distil.epochs
    distiller = Distiller(student, asked, config.loss, total_steps=steps)
    if pretrained and distiller.objective.saliency_head is not None:
        distiller.objective.saliency_head.set_weights(pretrained)
    fit(distiller, stage, config.distil, history, cache)
    if not stage.distribution.is_chief:
        return
    seen = any(takes_gaze(each.name, config, data) for each in (stage, before) if each is not None)
    _save(stage, distiller, teacher, distiller.gaze_model() if seen else None)
    stage.forget_checkpoints()  # only now: the stage is on disk


def _save(
    stage: Stage, distiller: Distiller, teacher: keras.Model | Ensemble | None, gaze_model: keras.Model | None
) -> None:
    from quantization.saved_model import export_saved_model
    from quantization.tflite import export_float_tflite

    config, data, student = stage.config, stage.data, distiller.student
    with console.status("exporting the student"), whole_folder(stage.folder, overwrite=True) as folder:
        described = fitted(stage.metadata(student, config.student, "logits", teacher), student, data)
        save_keras(student, folder / "student.keras", described)
        if gaze_model is not None:
            of_map = stage.metadata(gaze_model, config.student, "gaze_map", teacher)
            save_keras(gaze_model, folder / GAZE_MAP, dataclasses.replace(of_map, stage="gaze_map"))
        save_heads(distiller.objective, folder / HEADS)
        write_config(folder, config)
        metadata = dataclasses.replace(described, output="probabilities")
        export_saved_model(student, folder / "saved_model", metadata)
        export_float_tflite(student, folder / "student.tflite", metadata)


def _pretrain(stage: Stage, student: keras.Model, history: History) -> list:
    """Train the student on the gaze alone; the weights of the saliency head.

    The checkpoint stays until the student is on disk: a run that is interrupted later finds
    all epochs of it done.
    """
    config = stage.config
    settings = gaze_alone(config.loss)
    steps = stage.steps_per_epoch(config.pretrain) * config.pretrain.epochs
    distiller = Distiller(student, None, settings, total_steps=steps)
    fit(distiller, stage, config.pretrain, history)
    head = distiller.objective.saliency_head
    return head.get_weights() if head is not None else []


def gaze_alone(loss: LossSettings) -> LossSettings:
    """The loss of the pretraining: KL(G' ‖ softmax of the saliency head), at its full weight from the first step."""
    return dataclasses.replace(loss.only(gaze=1.0), **{"warmup": 0.0})


def build_student(config: TrainConfig, data: Dataset, started: bool = False) -> keras.Model:
    """The student that the configuration names, untrained; `started`: from the weights of student_init, if any."""
    student = models.create(config.student, (*data.frame_size, 1), len(data.classes), **config.student_options)
    if started and config.starts_from_weights:
        say(models.load_pretrained(student, config.student, config.student_init, parameter="student_init"))
    return student
