"""What every compression starts from: a trained model, its metadata, the data set it learns on from."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import yaml

import models
from common.errors import InputError, disk_errors
from data.dataset import Dataset, open_dataset
from data.pipeline import PipelineSettings, training_batches
from evaluation.artefacts import Metadata, read_metadata

# Enough frames for the ranges of activations; more do not move them.
CALIBRATION_BATCHES = 8


@dataclasses.dataclass(frozen=True)
class Bench:
    """A trained model on the bench.

    Attributes:
        source: its `.keras` file.
        model: Keras 3 model.
        metadata: of the source.
        data: the opened data set, of the same classes and frame size.
        flags: of the command.
    """

    source: Path
    model: keras.Model
    metadata: Metadata
    data: Dataset
    flags: object

    def batches(self, skip: int = 0) -> tf.data.Dataset:
        """Endless augmented training batches without the first `skip`, the same ones each time it is called."""
        return training_batches(self.data, "train", self._pipeline(self.flags.batch_size), self.flags.augment, skip)

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.data.frames("train") // self.flags.batch_size)

    def calibration(self) -> list[dict]:
        """Features of a few training batches, without augmentation."""
        batches = training_batches(self.data, "train", self._pipeline(32)).take(CALIBRATION_BATCHES)
        return [features for features, *_ in batches]

    def describe(self, model: keras.Model, stage: str, **compression) -> Metadata:
        """Metadata of what came out; `compression` says how."""
        from evaluation.complexity import count_macs

        # The fingerprint is of the run that trained the source, and would pass for this one's.
        extra = {name: value for name, value in self.metadata.extra.items() if name not in ("fingerprint", "tensors")}
        return dataclasses.replace(
            self.metadata,
            stage=stage,
            params=model.count_params(),
            macs=count_macs(model),
            version=f"tensorflow {version('tensorflow')}, keras {version('keras')}",
            dataset_checksum=self.data.checksum,
            extra={**extra, "baselines": {"source": str(self.source), "seed": self.flags.seed, **compression}},
        )

    def _pipeline(self, batch_size: int) -> PipelineSettings:
        gaze = self.flags.get("gaze") or self.metadata.extra.get("gaze", "real")
        return PipelineSettings(batch_size, self.metadata.sigma, gaze, self.flags.seed)


def open_bench(flags, role: str | None = None, needs_labels: bool = False) -> Bench:
    """Read the source and the data set, and refuse what does not fit.

    Args:
        flags: `source`, `data`, `seed`.
        role: "student" if only a registered student will do.
        needs_labels: it is to learn from labels alone.

    Raises:
        InputError: a missing or wrong file, a model of other classes or frames, or no labels to learn from.
    """
    from training.teacher import load_teacher

    if flags.source.suffix != ".keras":
        raise InputError(f"{flags.source}: a .keras file is needed, such as student/student.keras in a run folder")
    metadata = read_metadata(flags.source)
    if role is not None:
        models.find(metadata.name, role)
    data = open_dataset(flags.data)
    if needs_labels and not data.labelled_frames("train"):
        cure = "give a --teacher" if role == "student" else "label some, or --epochs 0"
        raise InputError(f"{data.path}: has no labelled frame in its training split to learn from: {cure}")
    model = load_teacher(flags.source, data)
    return Bench(flags.source, model, metadata, data, flags)


def student_options(bench: Bench) -> dict:
    """What the student was built with: the flag, or its run's `config.yaml`, or the defaults.

    Raises:
        InputError: they build another network than the one in the file.
    """
    options, config = bench.flags.student_options, bench.source.parent.parent / "config.yaml"
    if options is None and config.is_file():
        with disk_errors(config):
            stored = yaml.safe_load(config.read_text(encoding="utf-8"))
        if isinstance(stored, dict) and stored.get("student") == bench.metadata.name:
            options = stored.get("student_options")
    options = options or {}
    shape, classes = bench.model.input_shape[1:], bench.model.output_shape[-1]
    built = models.create(bench.metadata.name, shape, classes, **options)
    if _shapes(built) != _shapes(bench.model):
        raise InputError(
            f"{bench.source}: is no {bench.metadata.name} with the options {options or 'that are its defaults'}: "
            "give the ones it was trained with as --student-options"
        )
    return options


def load_heads(bench: Bench, objective) -> None:
    """Heads of the distillation that trained the student, where they lie beside it and fit."""
    file = bench.source.with_name("heads.npz")
    if not file.is_file():
        return
    with disk_errors(file), np.load(file) as heads:
        values = [heads[name] for name in heads.files]
    if [value.shape for value in values] == [value.shape for value in objective.get_weights()]:
        objective.set_weights(values)


def _shapes(model) -> dict[str, list]:
    return {
        layer.name: [tuple(v.shape) for v in layer.weights if v.shape] for layer in model.layers if layer.count_params()
    }
