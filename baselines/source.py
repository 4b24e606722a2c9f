"""What every baseline starts from: a trained model, its metadata, the data set that it is trained on further."""

from __future__ import annotations

import contextlib
import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import models
from baselines.config import BaselineConfig, StudentConfig
from common.errors import InputError
from common.shown import shown_path
from common.strict_yaml import read_mapping
from data.augment import Augmentation
from data.dataset import Dataset, open_dataset
from data.labels import limit_labels
from data.pipeline import PipelineSettings, training_batches
from evaluation.artefacts import Metadata, read_metadata
from models.objective import Objective
from models.registry import check_options

# Enough frames for the ranges of activations; more do not move them.
CALIBRATION_BATCHES = 8


@dataclasses.dataclass(frozen=True)
class Source:
    """A trained model and the data set of a baseline.

    Attributes:
        path: its `.keras` file.
        model: Keras 3 model.
        metadata: of the file.
        data: the opened data set, of the same classes and frame size.
        config: of the baseline.
    """

    path: Path
    model: keras.Model
    metadata: Metadata
    data: Dataset
    config: BaselineConfig

    def batches(self, batch_size: int, augment: Augmentation, skip: int = 0) -> tf.data.Dataset:
        """Endless augmented training batches without the first `skip`, the same ones each time it is called."""
        return training_batches(self.data, "train", self._pipeline(batch_size), augment, skip)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Steps of a pass over the training split."""
        return -(-self.data.frames("train") // batch_size)

    def calibration(self) -> list[dict]:
        """Features of a few training batches, without augmentation: one set for all that is compared."""
        batches = training_batches(self.data, "train", self._pipeline(32)).take(CALIBRATION_BATCHES)
        return [features for features, *_ in batches]

    def calibration_frames(self) -> list[tf.Tensor]:
        """The frames [B, H, W, 1] of these."""
        return [features["frame"] for features in self.calibration()]

    def describe(self, model: keras.Model, stage: str, **target: Any) -> Metadata:
        """Metadata of what came out; `target` says what was asked for."""
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
            decision=None,  # of the source's answers
            extra={**extra, "baseline": {"source": shown_path(self.path), "seed": self.config.seed, **target}},
        )

    def _pipeline(self, batch_size: int) -> PipelineSettings:
        gaze = getattr(self.config, "gaze", None) or self.metadata.extra.get("gaze", "real")
        return PipelineSettings(batch_size, self.metadata.sigma, gaze, self.config.seed)


def open_source(config: BaselineConfig, role: str | None = None, needs_labels: bool = False) -> Source:
    """Read the source and the data set, and refuse what does not fit.

    Args:
        config: names them.
        role: "student" if only a registered student will do.
        needs_labels: it is to learn from labels alone.

    Raises:
        InputError: a missing or wrong file, a model of other classes or frames, or no labels to learn from.
    """
    from training.teacher import load_teacher

    path = Path(config.source)
    if path.suffix != ".keras":
        raise InputError(f"{path}: a .keras file is needed, such as student/student.keras in a run folder")
    metadata = read_metadata(path)
    if role is not None:
        models.find(metadata.name, role)
    data = open_dataset(config.data, verify=config.verify or None)
    if metadata.extra.get("labelled_patients") is not None:  # no label that the source was trained without
        data = limit_labels(data, metadata.extra["labelled_patients"], metadata.extra["seed"])
    if needs_labels and not data.labelled_frames("train"):
        cure = "give a teacher" if role == "student" else "label some, or set epochs to 0"
        raise InputError(f"{data.path}: has no labelled frame in its training split to learn from: {cure}")
    return Source(path, load_teacher(path, data), metadata, data, config)


def student_options(source: Source, config: StudentConfig) -> dict:
    """What the student was built with: as configured, or its run's `config.yaml`, or the defaults.

    Raises:
        InputError: they build another network than the one in the file.
    """
    options, stored_at = config.student_options, source.path.parent.parent / "config.yaml"
    if options is None and stored_at.is_file():
        stored = read_mapping(stored_at)
        if stored.get("student") == source.metadata.name:
            options = stored.get("student_options")
    options = options or {}
    check_options(source.metadata.name, options)
    shape, classes = source.model.input_shape[1:], source.model.output_shape[-1]
    built = models.create(source.metadata.name, shape, classes, **options)
    if _shapes(built) != _shapes(source.model):
        raise InputError(
            f"{source.path}: is no {source.metadata.name} with the options {options or 'that are its defaults'}: "
            "give the ones that it was trained with as student_options"
        )
    return options


def load_heads(source: Source, objective: Objective) -> None:
    """Heads of the distillation that trained the student, where they lie next to it and fit."""
    from training import heads

    file = source.path.with_name(heads.HEADS)
    if file.is_file():
        with contextlib.suppress(InputError):  # of another loss: the heads of this one start as they are
            heads.load_heads(objective, file)


def _shapes(model: keras.Model) -> dict[str, list]:
    return {
        layer.name: [tuple(v.shape) for v in layer.weights if v.shape] for layer in model.layers if layer.count_params()
    }
