"""What every stage needs to know, and the order in which they run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import keras
import tensorflow as tf

import models
from common.errors import InputError
from common.files import sha256_of
from common.revision import revision
from data.dataset import Dataset, open_dataset
from data.pipeline import PipelineSettings, evaluation_batches, frames_taken, training_batches
from data.saliency import DEFAULT_SIGMA, map_size
from data.simulation import TRAINING, simulated
from evaluation.artefacts import Metadata
from evaluation.compression import teacher_of
from evaluation.describing import described
from models.ensemble import Ensemble, shares
from training.config import TrainConfig
from training.distribution import SINGLE, Distribution
from training.fitting import resolve_precision
from training.frames import calibration_features, kept_settings, unlabelled_of
from training.run_folder import fingerprint, holds
from training.settings import FitSettings, QuantizeSettings

if TYPE_CHECKING:
    from training.teacher_cache import TeacherCache

# Raised by one when a change of the code changes the results of a training: older runs are then not reused.
# tests/training/test_golden.py fails until it is.
TRAINING_VERSION = 2
_VALIDATION_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of one run.

    Attributes:
        name: "pretrain_teacher" and "pretrain" (the first parts of the teacher's and the student's training),
            "teacher", "student" or "int8".
        config: the configuration, `sigma` resolved.
        data: the opened data set.
        run: the run folder.
        fingerprint: of all that decides the outcome; stored in the artefacts.
        sources: {stage: its fingerprint} of those that this one may load from the run folder.
        distribution: the devices that train it.
    """

    name: str
    config: TrainConfig
    data: Dataset
    run: Path
    fingerprint: str
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    distribution: Distribution = SINGLE

    @property
    def folder(self) -> Path:
        return self.run / self.name

    @property
    def checkpoint(self) -> Path:
        """Of an interrupted training; its name holds the fingerprint, so only the same run resumes."""
        return self.run / "checkpoints" / f"{self.name}-{self.fingerprint}.npz"

    def forget_checkpoints(self) -> None:
        """Remove the stage's checkpoints and those of its first part, now that it is on disk.

        Also those of other settings, whose training was interrupted: this stage has taken its place.
        """
        for name in {"teacher": ("teacher", "pretrain_teacher"), "student": ("student", "pretrain")}.get(
            self.name, (self.name,)
        ):
            for file in self.checkpoint.parent.glob(f"{name}-{'[0-9a-f]' * 16}.npz"):
                file.unlink(missing_ok=True)

    @property
    def sigma(self) -> float:
        """Of the gaze map's Gaussians, as a share of the frame's width."""
        return DEFAULT_SIGMA if self.config.sigma is None else self.config.sigma

    @property
    def unlabelled(self) -> str:
        """Which frames without a label it goes through; see `unlabelled_of`."""
        return unlabelled_of(self.name, self.config, self.data)

    def steps_per_epoch(self, settings: FitSettings | QuantizeSettings) -> int:
        """Steps of a pass over the training frames that the stage learns from, or as many as the settings say."""
        return settings.steps_per_epoch or -(-frames_taken(self.data, "train", self.unlabelled) // settings.batch_size)

    def training_batches(
        self, settings: FitSettings | QuantizeSettings, skip: int = 0, cache: TeacherCache | None = None
    ) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        """Endless augmented batches; with a `cache` they bring the teacher's outputs."""
        pipeline = self.pipeline(settings, cache.views if cache else 0)
        lookup = cache.lookup("train") if cache else None
        return self.distribution.batches(
            lambda part: training_batches(self.data, "train", pipeline, self.config.augment, skip, lookup, part)
        )

    def calibration_features(self) -> list[dict]:
        """Features of the frames that every model of the run is calibrated on."""
        return calibration_features(self.data, self.pipeline(self.config.distil))

    def validation_batches(
        self, settings: FitSettings | QuantizeSettings, cache: TeacherCache | None = None
    ) -> tf.data.Dataset | tf.distribute.DistributedDataset | None:
        """Batches of the validation split; None if it has no frame that the stage looks at."""
        pipeline = self.pipeline(settings)
        if not frames_taken(self.data, "val", self.unlabelled):
            return None
        return self.distribution.batches(
            lambda part: evaluation_batches(
                self.data,
                "val",
                batch_size=_VALIDATION_BATCH,
                sigma=pipeline.sigma,
                gaze=pipeline.gaze,
                seed=pipeline.seed,
                unlabelled=self.unlabelled,
                keep=True,
                teacher=cache.lookup("val") if cache else None,
                part=part,
            )
        )

    def validation_steps(self) -> int | None:
        """Steps of a pass over the validation split; None where the batches know it themselves."""
        frames = frames_taken(self.data, "val", self.unlabelled)
        if self.distribution.strategy is None or not frames:
            return None
        return self.distribution.part.steps(frames, _VALIDATION_BATCH)

    def check_source(self, stage: str) -> None:
        """Refuse to go on from a stage that another process has replaced since this run began.

        Raises:
            InputError: what lies in the run folder was trained with other settings.
        """
        if not holds(self.run, stage, self.sources[stage]):
            raise InputError(
                f"{self.run / stage}: was replaced while this run went on: two runs share the folder, so name another "
                "run for one of them"
            )

    def metadata(
        self,
        model: keras.Model,
        name: str,
        output: Literal["logits", "probabilities", "gaze_map"],
        teacher: keras.Model | Ensemble | None = None,
        **extra: Any,
    ) -> Metadata:
        """The metadata of an artefact of this stage; the run's `teacher` is named where anything is taken from it."""
        return Metadata(
            name=name,
            output=output,
            stage=self.name,
            gaze_map_size=map_size(self.data.frame_size),
            sigma=self.sigma,
            teacher=teacher_of(teacher if self.config.takes_from_teacher else None),
            **described(model, self.data),
            extra={
                "fingerprint": self.fingerprint,
                **kept_settings(self.pipeline(self.config.distil)),
                "labelled_patients": self.config.labelled_patients,
                TRAINING: simulated(self.data.info, "train"),
                "commit": revision(),
                **extra,
            },
        )

    def pipeline(self, settings: FitSettings | QuantizeSettings, views: int = 0) -> PipelineSettings:
        """What shapes the batches of the stage; `views`: see `PipelineSettings`."""
        config = self.config
        return PipelineSettings(
            batch_size=settings.batch_size,
            sigma=self.sigma,
            gaze=config.gaze,
            seed=config.seed,
            # Gaze is learned without labels: their classes don't weigh its frames.
            class_weights=config.class_weights and self.name not in ("pretrain", "pretrain_teacher"),
            unlabelled=self.unlabelled,
            views=views,
            labelled_share=config.labelled_share if self.name in ("student", "int8") else None,
        )


def stage_fingerprints(config: TrainConfig, data: Dataset) -> dict[str, str]:
    """{stage: hash of all that decides its outcome}.

    That is the stage's own configuration, the data, the training version and what the stage goes
    on from. Weights that a stage starts from count by their content.

    Args:
        config: `sigma` resolved.
        data: the opened data set.
    """
    shared = {
        "version": TRAINING_VERSION,
        "data": data.checksum,
        **{name: getattr(config, name) for name in ("seed", "gaze", "sigma", "class_weights", "augment")},
        "labelled_patients": config.labelled_patients,
    }
    teacher = fingerprint(shared, **_teacher_settings(config, data))
    built = {
        "teacher": teacher,
        "student": config.student,
        "student_options": config.student_options,
        "student_init": content_of(config.student_init),
    }
    starts = {}
    if config.student_init == "teacher":  # its layers are refitted on the frames that the student will see
        starts = {"labelled_share": config.labelled_share, "seen": unlabelled_of("student", config, data)}
    pretrain = fingerprint(
        shared | {"class_weights": False},
        **starts,
        **{name: built[name] for name in built if name != "teacher" or config.student_init == "teacher"},
        pretrain=config.pretrain,
        gaze_uniform_share=config.loss.gaze_uniform_share,
        unlabelled=unlabelled_of("pretrain", config, data),
    )
    student = fingerprint(
        shared,
        **built,
        pretrained=pretrain if config.pretrain.epochs else None,
        distil=distil_settings(config),
        loss=config.loss,
        unlabelled=unlabelled_of("student", config, data),
        labelled_share=config.labelled_share,
    )
    int8 = fingerprint({}, student=student, quantize=config.quantize)
    return {"teacher": teacher, "pretrain": pretrain, "student": student, "int8": int8}


def distil_settings(config: TrainConfig) -> dict[str, Any]:
    """The settings of the distillation; the teacher's data set counts by its content."""
    settings = dataclasses.asdict(config.distil)
    path = settings.pop("teacher_data")
    return settings if path is None else {**settings, "teacher_data": open_dataset(path, verify=False).checksum}


def _gaze_pretraining(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """What decides the teacher's gaze pretraining; without an epoch of it its settings don't matter."""
    epochs = bool(config.pretrain_teacher.epochs)
    return {
        "pretrain": config.pretrain_teacher if epochs else None,
        # Only runs whose classes had weighed a pretraining are trained again; TRAINING_VERSION would be all runs.
        **({"pretrain_class_weights": False} if epochs and config.class_weights else {}),
        "pretrain_gaze_uniform_share": config.loss.gaze_uniform_share if epochs else None,
        "pretrain_unlabelled": unlabelled_of("pretrain_teacher", config, data) if epochs else None,
    }


def _teacher_settings(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    if config.teacher_path:
        weights = shares(len(config.teacher_path), config.teacher_weights)
        return {"given": [sha256_of([path]) for path in config.teacher_path], "shares": weights}
    if not config.trains_teacher:
        return {"teacher": None}
    return {
        "teacher": config.teacher,
        "teacher_options": config.teacher_options,
        # The precision that "auto" means on this machine: a teacher that was trained in another one is not reused.
        "teach": dataclasses.replace(config.teach, precision=resolve_precision(config.teach.precision)),
        "gaze_uniform_share": config.loss.gaze_uniform_share if models.find(config.teacher).predicts_gaze else None,
        "pretrained": content_of(config.pretrained),
        **_gaze_pretraining(config, data),
    }


def content_of(source: str | None) -> str | None:
    """A file's checksum; what is no file stands for itself."""
    return sha256_of([source]) if source is not None and Path(source).is_file() else source
