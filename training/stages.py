"""What every stage needs to know, and the order in which they run."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path

import keras
import tensorflow as tf

from common.files import sha256_of
from data.dataset import Dataset
from data.pipeline import PipelineSettings, evaluation_batches, training_batches
from data.saliency import map_size
from models.metadata import Metadata
from training.config import FitSettings, QuantiseSettings
from training.run_folder import fingerprint

# Raised whenever a change of the code changes what training gives: older runs are not reused.
TRAINING_VERSION = "1"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of one run.

    Attributes:
        name: "teacher", "student" or "int8".
        config: the resolved configuration.
        data: the opened data set.
        run: the run folder.
        fingerprint: of all that decides the outcome; stored in the artefacts.
    """

    name: str
    config: object
    data: Dataset
    run: Path
    fingerprint: str

    @property
    def folder(self) -> Path:
        return self.run / self.name

    @property
    def checkpoint(self) -> Path:
        """Of an interrupted training; its name holds the fingerprint, so only the same run resumes."""
        return self.run / "checkpoints" / f"{self.name}-{self.fingerprint}.npz"

    def steps_per_epoch(self, settings: FitSettings | QuantiseSettings) -> int:
        return -(-self.data.frames("train") // settings.batch_size)

    def training_batches(self, settings: FitSettings | QuantiseSettings, skip: int = 0) -> tf.data.Dataset:
        return training_batches(self.data, "train", self._pipeline(settings), self.config.augment, skip)

    def validation_batches(self, settings: FitSettings | QuantiseSettings) -> tf.data.Dataset:
        pipeline = self._pipeline(settings)
        return evaluation_batches(
            self.data, "val", batch_size=64, sigma=pipeline.sigma, gaze=pipeline.gaze, seed=pipeline.seed
        ).cache()

    def metadata(self, model: keras.Model, name: str, output: str, macs: int | None = None, **extra) -> Metadata:
        """What goes beside an artefact of this stage."""
        return Metadata(
            name=name,
            classes=self.data.classes,
            frame_size=self.data.frame_size,
            output=output,
            stage=self.name,
            inputs=tuple(getattr(tensor, "name", "frame") for tensor in model.inputs),
            gaze_map_size=map_size(self.data.frame_size),
            sigma=self.config.sigma,
            params=model.count_params(),
            macs=macs,
            version=f"tensorflow {version('tensorflow')}, keras {version('keras')}",
            dataset_checksum=self.data.checksum,
            extra={
                "fingerprint": self.fingerprint,
                "gaze": self.config.gaze,
                "seed": self.config.seed,
                **extra,
            },
        )

    def _pipeline(self, settings: FitSettings | QuantiseSettings) -> PipelineSettings:
        config = self.config
        return PipelineSettings(settings.batch_size, config.sigma, config.gaze, config.seed, config.class_weights)


def stage_fingerprints(config, data: Dataset) -> dict[str, str]:
    """A fingerprint for each stage: its own settings, the data, and those of the stage before."""
    shared = [TRAINING_VERSION, data.checksum, config.seed, config.gaze, config.sigma, config.class_weights]
    shared.append(dataclasses.asdict(config.augment))
    if config.teacher_path is not None:
        teacher = fingerprint("given", sha256_of([config.teacher_path]))
    else:
        teacher = fingerprint(shared, config.teacher, config.teacher_options, dataclasses.asdict(config.teach))
    student = fingerprint(
        shared,
        teacher,
        config.student,
        config.student_options,
        dataclasses.asdict(config.distil),
        dataclasses.asdict(config.loss),
    )
    int8 = fingerprint(student, dataclasses.asdict(config.quantise))
    return {"teacher": teacher, "student": student, "int8": int8}
