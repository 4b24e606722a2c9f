"""Pruned and clustered students, in float and in 8 bits, each as a folder of artefacts."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from baselines.config import TrainedConfig
from baselines.record import NAME, Record
from baselines.source import Source, load_heads, open_source, student_options
from baselines.unfinished import Unfinished, remove_finished
from common.console import console
from common.files import whole_folder
from evaluation.artefacts import Metadata, metadata_path, save_keras
from models.distiller import build_objective

if TYPE_CHECKING:
    from quantization.finetune import FineTuning

_STAGES = {"sparsity": "pruned", "clusters": "clustered"}
_METHODS = {
    ("sparsity",): "magnitude pruning",
    ("clusters",): "weight clustering",
    ("sparsity", "clusters"): "magnitude pruning, sparsity-preserving clustering",
}
# As TF-MOT calls quantization-aware training that keeps zeros, clusters, or both.
_PRESERVING = {("sparsity",): "PQAT", ("clusters",): "CQAT", ("sparsity", "clusters"): "PCQAT"}


def train_targets(config: TrainedConfig, command: str, targets: list[dict[str, Any]]) -> Record:
    """A folder of artefacts for each target.

    Args:
        config: of the baseline.
        command: its name.
        targets: `sparsity`, `clusters`, or both, of each.

    Raises:
        InputError: a source, data set or teacher that does not fit, or an output folder that is there.
    """
    remove_finished(config)
    with whole_folder(config.out, overwrite=config.overwrite, marker=NAME) as folder:
        source = open_source(config, "student", learns=True)
        job = _Job(source, config, student_options(source, config), _teacher(source, config), Unfinished(source))
        job.tuning()  # what it refuses is known before any training
        record = Record(folder, command, source)
        for target in targets:
            _train_target(job, target, folder, record)
        record.write()
    job.unfinished.remove()
    record.show(Path(config.out))
    return record


@dataclasses.dataclass(frozen=True)
class _Job:
    """What the trainings of one baseline share."""

    source: Source
    config: TrainedConfig
    options: dict
    teacher: Any
    unfinished: Unfinished

    def tuning(self, training: str | None = None, **changes: Any) -> FineTuning:
        """Data, loss and steps of one training; `training` names its checkpoint."""
        from quantization.finetune import FineTuning

        source, config = self.source, self.config
        # The heads start at random where none were kept: no training depends on the one before it.
        keras.utils.set_random_seed(config.seed)
        objective = build_objective(source.model, self.teacher, config.learned)
        load_heads(source, objective, say=training is None)
        steps = source.steps_per_epoch(config.batch_size)
        return FineTuning(
            objective=objective,
            batches=functools.partial(source.batches, config.batch_size, config.augment),
            steps=steps * changes.pop("epochs", config.epochs),
            steps_per_epoch=steps,
            teacher=self.teacher if config.learned.uses_teacher() else None,
            seed=config.seed,
            checkpoint=self.unfinished.file(training) if training else None,
            **{"learning_rate": config.learning_rate, **changes},
        )


def _train_target(job: _Job, target: dict[str, Any], folder: Path, record: Record) -> None:
    start = time.perf_counter()
    place = folder / "_".join(f"{name}_{_short(value)}" for name, value in target.items())
    place.mkdir()
    student = _smaller(job, place.name, target)
    taught = job.teacher if job.config.learned.uses_teacher() else None
    metadata = job.source.describe(student, " and ".join(_STAGES[name] for name in target), taught, **target)
    path = place / "student.keras"
    save_keras(student, path, metadata)
    record.add_model(path, student, _METHODS[tuple(target)], target, time.perf_counter() - start)
    with console.status("exporting"):
        _export_float(job, student, place, metadata, record)
    if job.config.int8_epochs:
        _export_int8(job, student, target, place, metadata, record)


def _smaller(job: _Job, place: str, target: dict[str, Any]) -> keras.Model:
    from quantization.cluster import cluster
    from quantization.prune import prune

    name, student = job.source.metadata.name, job.source.model
    if "sparsity" in target:
        student = prune(student, name, job.options, target["sparsity"], job.tuning(f"{place}-prune"))
    if "clusters" in target:
        tuning = job.tuning(f"{place}-cluster")
        keep = "sparsity" in target
        student = cluster(student, name, job.options, target["clusters"], tuning, keep_sparsity=keep)
    return student


def _teacher(source: Source, config: TrainedConfig) -> keras.Model | None:
    from training.teacher import load_teacher, sigma_of

    if config.teacher is None:
        return None
    path = Path(config.teacher)
    sigma_of([path], source.trained.sigma, f"{source.path} with those of", "name a teacher of the same sigma")
    return load_teacher(path, source.data)


def _export_float(job: _Job, student: keras.Model, place: Path, metadata: Metadata, record: Record) -> None:
    from quantization.tflite import export_float_tflite, post_training_int8

    path = place / "student.tflite"
    size = export_float_tflite(student, path, metadata)
    record.add_file(path)
    if "sparsity" in metadata.extra["baseline"]:
        sparse = functools.partial(export_float_tflite, student, metadata=metadata, sparse=True)
        _keep_if_smaller(place / "student_sparse.tflite", size, record, sparse)
    path = place / "student_ptq.tflite"
    post_training_int8(student, job.source.calibration_frames(), path, metadata)
    record.add_file(path, "post-training int8")


def _export_int8(
    job: _Job, student: keras.Model, target: dict, place: Path, metadata: Metadata, record: Record
) -> None:
    from quantization.preserve import quantize_preserving
    from quantization.qat import FREEZE_BATCH_NORM_FROM
    from quantization.tflite import export_int8

    quantized = quantize_preserving(
        student,
        job.source.metadata.name,
        job.options,
        sparse="sparsity" in target,
        clustered="clusters" in target,
        calibration=job.source.calibration_frames(),
        training=job.tuning(
            f"{place.name}-int8",
            epochs=job.config.int8_epochs,
            learning_rate=job.config.int8_learning_rate,
            freeze_batch_norm_from=FREEZE_BATCH_NORM_FROM,
        ),
    )
    path, method = place / "student_int8.tflite", _PRESERVING[tuple(target)]
    size = export_int8(quantized, path, metadata)
    record.add_file(path, method)
    if "sparsity" in target:
        sparse = functools.partial(export_int8, quantized, metadata=metadata, sparse=True)
        _keep_if_smaller(place / "student_int8_sparse.tflite", size, record, sparse, method)


def _keep_if_smaller(
    path: Path, dense: int, record: Record, export: Callable[[Path], int], method: str | None = None
) -> None:
    """Places cost bytes too: below some sparsity the dense file is the smaller one."""
    if export(path) < dense:
        record.add_file(path, method, "sparse")
        return
    path.unlink()
    metadata_path(path).unlink()


def _short(value: float) -> str:
    return f"{100 * value:g}" if isinstance(value, float) else str(value)
