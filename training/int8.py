"""Stage 3: the fake-quantized student goes on learning from the same teacher, then is written in 8 bits."""

from __future__ import annotations

import dataclasses

import keras

from common.console import console
from common.files import whole_folder
from common.state_file import epochs_done
from evaluation.artefacts import load_keras_model
from evaluation.fitting import fit_artefact
from models.distiller import build_objective
from quantization.finetune import FineTuning
from quantization.qat import FREEZE_BATCH_NORM_FROM, quantize_aware_train
from quantization.saved_model import export_saved_model
from quantization.tflite import export_int8, post_training_int8
from training.heads import HEADS, load_heads
from training.history import History, show_epoch
from training.run_folder import artefacts
from training.stages import Stage
from training.stored_config import write_config
from training.teacher_cache import teacher_cache


def quantize_student(stage: Stage, teacher: keras.Model | None, history: History) -> None:
    """Quantization-aware distillation, then the int8 file, its SavedModel and, to compare, the PTQ file."""
    config = stage.config
    keras.utils.set_random_seed(config.seed)
    source = artefacts(stage.run, "student")[0]
    student = load_keras_model(source)
    stage.check_source("student")
    asked = teacher if config.loss.uses_teacher() else None
    objective = build_objective(student, asked, config.loss)
    load_heads(objective, source.with_name(HEADS))
    cache = teacher_cache(stage, asked)
    steps = stage.steps_per_epoch(config.quantize)
    history.start("int8", epochs_done(stage.checkpoint))
    frames = [features["frame"] for features in stage.calibration_features()]

    def log(epoch: int, logs: dict) -> None:
        history.add("int8", epoch + 1, logs)
        show_epoch("int8", epoch + 1, config.quantize.epochs, logs)

    quantized = quantize_aware_train(
        student,
        config.student,
        config.student_options,
        calibration=frames,
        training=FineTuning(
            objective=objective,
            batches=lambda skip: stage.training_batches(config.quantize, skip, cache),
            steps=steps * config.quantize.epochs,
            steps_per_epoch=steps,
            teacher=asked,
            learning_rate=config.quantize.learning_rate,
            freeze_batch_norm_from=FREEZE_BATCH_NORM_FROM,
            seed=config.seed,
            validation=stage.validation_batches(config.quantize, cache),
            checkpoint=stage.checkpoint,
        ),
        on_epoch=log,
    )
    metadata = stage.metadata(student, config.student, "probabilities", teacher)
    with console.status("converting to 8 bits"), whole_folder(stage.folder, overwrite=True) as folder:
        export_int8(quantized, folder / "student_int8.tflite", metadata)
        post_training_int8(student, frames, folder / "student_ptq.tflite", metadata)
        # The threshold is that of the 8-bit answers; the fake-quantized SavedModel gives them in float.
        fit_artefact(folder / "student_ptq.tflite", stage.data)
        fit = fit_artefact(folder / "student_int8.tflite", stage.data)
        metadata = dataclasses.replace(metadata, decision=fit.decision, ood=fit.ood)
        export_saved_model(quantized.model, folder / "saved_model", metadata)
        write_config(folder, config)
    stage.forget_checkpoints()  # only now: the stage is on disk
