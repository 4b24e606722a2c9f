"""What every stage needs to know, and the order in which they run."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path

import keras
import tensorflow as tf

from common.files import sha256_of
from common.settings import identity
from data.dataset import Dataset
from data.pipeline import PipelineSettings, evaluation_batches, training_batches
from data.saliency import map_size
from evaluation.artefacts import Metadata
from models.ensemble import shares
from training.config import teacher_paths
from training.run_folder import fingerprint
from training.settings import FitSettings, QuantizeSettings

# Raised whenever a change of the code changes what training gives: older runs are not reused.
TRAINING_VERSION = "1"
# More frames do not move the ranges of activations.
_CALIBRATION_BATCHES = 8


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of one run.

    Attributes:
        name: "teacher", "pretrain" (the first part of the student's training), "student" or "int8".
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

    @property
    def labelled_only(self) -> bool:
        """Whether frames without a label are left out: a teacher has nothing to learn from them."""
        return self.name == "teacher"

    def steps_per_epoch(self, settings: FitSettings | QuantizeSettings) -> int:
        frames = self.data.labelled_frames("train") if self.labelled_only else self.data.frames("train")
        return -(-frames // settings.batch_size)

    def training_batches(self, settings: FitSettings | QuantizeSettings, skip: int = 0) -> tf.data.Dataset:
        return training_batches(self.data, "train", self._pipeline(settings), self.config.augment, skip)

    def calibration_features(self) -> list[dict]:
        """Features of a few training batches, without augmentation: enough frames for ranges, or for a refit."""
        pipeline = dataclasses.replace(self._pipeline(self.config.distil), batch_size=32)
        return [features for features, *_ in training_batches(self.data, "train", pipeline).take(_CALIBRATION_BATCHES)]

    def validation_batches(self, settings: FitSettings | QuantizeSettings) -> tf.data.Dataset:
        pipeline = self._pipeline(settings)
        return evaluation_batches(
            self.data,
            "val",
            batch_size=64,
            sigma=pipeline.sigma,
            gaze=pipeline.gaze,
            seed=pipeline.seed,
            labelled_only=self.labelled_only,
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

    def _pipeline(self, settings: FitSettings | QuantizeSettings) -> PipelineSettings:
        config = self.config
        return PipelineSettings(
            settings.batch_size, config.sigma, config.gaze, config.seed, config.class_weights, self.labelled_only
        )


def stage_fingerprints(config, data: Dataset) -> dict[str, str]:
    """A fingerprint for each stage: its own settings, the data, and those of the stage before."""
    shared = [TRAINING_VERSION, data.checksum, config.seed, config.gaze, config.sigma, config.class_weights]
    shared.append(identity(config.augment))
    teacher = _teacher_fingerprint(config, shared)
    student_settings = [config.student, config.student_options]
    if config.student_start != "drawn":  # older runs keep their fingerprints
        source = Path(config.student_start)
        start = sha256_of([source]) if source.is_file() else config.student_start
        student_settings += [f"start: {start}", teacher]
    pretrain = fingerprint(shared, *student_settings, identity(config.pretrain), config.loss.gaze_uniform_share)
    student = fingerprint(
        shared,
        teacher,
        *student_settings,
        identity(config.distil),
        identity(config.loss),
        *(["pretrained by", pretrain] if config.pretrain.epochs else []),
    )
    int8 = fingerprint(student, identity(config.quantize))
    return {"teacher": teacher, "pretrain": pretrain, "student": student, "int8": int8}


def _teacher_fingerprint(config, shared: list) -> str:
    paths = teacher_paths(config)
    if len(paths) == 1:
        return fingerprint("given", sha256_of(paths))
    if paths:
        found = [sha256_of([path]) for path in paths]
        return fingerprint("given", found, shares(len(paths), config.teacher_weights))
    parts = [shared, config.teacher, config.teacher_options, identity(config.teach)]
    if config.pretrained is not None:
        source = Path(config.pretrained)
        parts += ["pretrained", sha256_of([source]) if source.is_file() else config.pretrained]
    return fingerprint(*parts)
