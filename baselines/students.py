"""Pruned and clustered students, in float and in 8 bits, each as a folder of artefacts."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import keras

from baselines.bench import Bench, load_heads, open_bench, student_options
from baselines.record import NAME, Record
from common.console import console
from common.errors import InputError
from common.files import whole_folder
from evaluation.artefacts import metadata_path, save_keras
from models.distiller import build_objective


def prune_student(flags) -> None:
    """`compress.py prune`: a folder for each sparsity."""
    targets = [
        {"sparsity": value, **({"clusters": flags.clusters} if flags.clusters else {})} for value in flags.sparsity
    ]
    _compress(flags, "prune", targets)


def cluster_student(flags) -> None:
    """`compress.py cluster`: a folder for each number of clusters."""
    _compress(flags, "cluster", [{"clusters": value} for value in flags.clusters])


def _compress(flags, command: str, targets: list[dict]) -> None:
    with whole_folder(flags.out, overwrite=flags.overwrite, marker=NAME) as folder:
        bench = open_bench(flags, "student", needs_labels=flags.teacher is None)
        options, teacher = student_options(bench), _teacher(bench)
        _fine_tuning(bench, teacher)  # what it refuses is known before any training
        record = Record(folder, command, bench)
        for target in targets:
            start = time.perf_counter()
            student = _smaller(bench, options, teacher, target)
            place = folder / "_".join(f"{name}_{_short(value)}" for name, value in target.items())
            place.mkdir()
            metadata = bench.describe(student, " and ".join(_STAGES[name] for name in target), **target)
            path = place / "student.keras"
            save_keras(student, path, metadata)
            record.add_model(path, student, _METHODS[tuple(target)], target, time.perf_counter() - start)
            with console.status("exporting"):
                _export_float(bench, student, place, metadata, record)
            if flags.int8_epochs:
                _export_int8(bench, student, options, teacher, target, place, metadata, record)
        record.write()
    record.show(flags.out)


_STAGES = {"sparsity": "pruned", "clusters": "clustered"}
_METHODS = {
    ("sparsity",): "magnitude pruning",
    ("clusters",): "weight clustering",
    ("sparsity", "clusters"): "magnitude pruning, sparsity-preserving clustering",
}
# As TF-MOT calls quantization-aware training that keeps zeros, clusters, or both.
_PRESERVING = {("sparsity",): "PQAT", ("clusters",): "CQAT", ("sparsity", "clusters"): "PCQAT"}


def _smaller(bench: Bench, options: dict, teacher, target: dict) -> keras.Model:
    from quantization.cluster import cluster
    from quantization.prune import prune

    name, student = bench.metadata.name, bench.model
    if "sparsity" in target:
        student = prune(student, name, options, target["sparsity"], _fine_tuning(bench, teacher))
    if "clusters" in target:
        tuning = _fine_tuning(bench, teacher)
        student = cluster(student, name, options, target["clusters"], tuning, keep_sparsity="sparsity" in target)
    return student


def _fine_tuning(bench: Bench, teacher, epochs: int | None = None, **changes):
    from quantization.finetune import FineTuning

    flags = bench.flags
    # Without a teacher it is plain labels, and nothing beside them.
    loss = flags.loss if teacher is not None else dataclasses.replace(flags.loss.without_teacher(), gaze=0.0)
    objective = build_objective(bench.model, teacher, loss)
    load_heads(bench, objective)
    return FineTuning(
        objective=objective,
        batches=bench.batches,
        steps=bench.steps_per_epoch * (epochs or flags.epochs),
        steps_per_epoch=bench.steps_per_epoch,
        teacher=teacher,
        seed=flags.seed,
        **{"learning_rate": flags.learning_rate, **changes},
    )


def _teacher(bench: Bench):
    from training.teacher import load_teacher

    if bench.flags.teacher is None:
        return None
    teacher = load_teacher(bench.flags.teacher, bench.data)
    if teacher.output_shape[-1] != bench.model.output_shape[-1]:
        raise InputError(f"--teacher {bench.flags.teacher}: gives other classes than {bench.source}: name another")
    return teacher


def _export_float(bench, student, place: Path, metadata, record: Record) -> None:
    from quantization.tflite import export_float_tflite, post_training_int8

    path = place / "student.tflite"
    size = export_float_tflite(student, path, metadata)
    record.add_file(path)
    if "sparsity" in metadata.extra["baselines"]:
        _keep_if_smaller(
            place / "student_sparse.tflite",
            size,
            record,
            lambda p: export_float_tflite(student, p, metadata, sparse=True),
        )
    path = place / "student_ptq.tflite"
    post_training_int8(student, [features["frame"] for features in bench.calibration()], path, metadata)
    record.add_file(path, "post-training int8")


def _export_int8(bench, student, options, teacher, target, place: Path, metadata, record: Record) -> None:
    from quantization.preserve import quantize_preserving
    from quantization.tflite import export_int8

    flags = bench.flags
    quantized = quantize_preserving(
        student,
        bench.metadata.name,
        options,
        sparse="sparsity" in target,
        clustered="clusters" in target,
        calibration=[features["frame"] for features in bench.calibration()],
        training=_fine_tuning(
            bench,
            teacher,
            flags.int8_epochs,
            learning_rate=flags.int8_learning_rate,
            freeze_batch_norm_from=2 / 3,
        ),
    )
    path, method = place / "student_int8.tflite", _PRESERVING[tuple(target)]
    size = export_int8(quantized, path, metadata)
    record.add_file(path, method)
    if "sparsity" in target:
        _keep_if_smaller(
            place / "student_int8_sparse.tflite",
            size,
            record,
            lambda p: export_int8(quantized, p, metadata, sparse=True),
            method,
        )


def _keep_if_smaller(path: Path, dense: int, record: Record, export, method: str | None = None) -> None:
    """Places cost bytes too: below some sparsity the dense file is the smaller one."""
    if export(path) < dense:
        record.add_file(path, method, "sparse")
        return
    path.unlink()
    metadata_path(path).unlink()


def _short(value: float) -> str:
    return f"{100 * value:g}" if isinstance(value, float) else str(value)
