"""What every baseline starts from: a trained model, its metadata, the data set that it is trained on further."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import models
from baselines.config import BaselineConfig, LearningConfig, StudentConfig, TrainedConfig
from common.console import notice
from common.errors import InputError
from common.shown import shown_path
from common.typed import convert
from data.augment import Augmentation
from data.dataset import Dataset, open_dataset
from data.labels import limit_labels
from data.pipeline import PipelineSettings, frames_taken, training_batches
from data.simulation import TRAINING, combined, simulated
from evaluation.artefacts import Metadata, read_metadata
from evaluation.compression import teacher_of
from evaluation.describing import described
from models.layers import standardises
from models.objective import Objective
from models.registry import check_options
from training.config import check_budget
from training.frames import calibration_features, learned_from, settings_of
from training.stored_config import settings_of_artefact


@dataclasses.dataclass(frozen=True)
class Source:
    """A trained model and the data set of a baseline.

    Attributes:
        path: its `.keras` file.
        model: Keras 3 model.
        metadata: of the file.
        data: the opened data set, of the same classes and frame size.
        trained: settings of the batches that trained the model.
        config: of the baseline.
    """

    path: Path
    model: keras.Model
    metadata: Metadata
    data: Dataset
    trained: PipelineSettings
    config: BaselineConfig

    @property
    def gaze(self) -> str:
        """What the model sees: as configured, else as it was trained."""
        return getattr(self.config, "gaze", None) or self.trained.gaze

    @property
    def unlabelled(self) -> str:
        """Which frames without a label are gone through; see `LearningConfig.unlabelled`."""
        if not isinstance(self.config, LearningConfig):
            return self.trained.unlabelled
        if self.config.unlabelled != "auto":
            return self.config.unlabelled
        found = learned_from(self.config.learned, self.gaze, self.data)
        return found if "none" in (found, self.trained.unlabelled) else self.trained.unlabelled

    def pipeline(self, batch_size: int) -> PipelineSettings:
        """What shapes the batches of a further training; classes and labels are weighed as the model's own were."""
        seed, unlabelled = self.config.seed, self.unlabelled
        return dataclasses.replace(
            self.trained, batch_size=batch_size, gaze=self.gaze, unlabelled=unlabelled, seed=seed
        )

    def batches(self, batch_size: int, augment: Augmentation, skip: int = 0) -> tf.data.Dataset:
        """Endless augmented training batches without the first `skip`, the same ones each time it is called."""
        return training_batches(self.data, "train", self.pipeline(batch_size), augment, skip)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Steps of a pass over the training frames that are learned from."""
        return -(-frames_taken(self.data, "train", self.unlabelled) // batch_size)

    def calibration(self) -> list[dict]:
        """Features of the frames that the run of the source calibrated on too, whatever the seed of the baseline."""
        return calibration_features(self.data, dataclasses.replace(self.trained, gaze=self.gaze))

    def calibration_frames(self) -> list[tf.Tensor]:
        """The frames [B, H, W, 1] of these."""
        return [features["frame"] for features in self.calibration()]

    def describe(self, model: keras.Model, stage: str, teacher: keras.Model | None = None, **target: Any) -> Metadata:
        """Metadata of what came out.

        Args:
            model: that came out.
            stage: how.
            teacher: that it was distilled from; without one, what taught the source is named.
            target: what was asked for.
        """
        # The fingerprint is of the run that trained the source, and would pass for this one's.
        extra = {name: value for name, value in self.metadata.extra.items() if name not in ("fingerprint", "tensors")}
        before, here = self.metadata.extra.get(TRAINING), simulated(self.data.info, "train")
        return dataclasses.replace(
            self.metadata,
            stage=stage,
            **described(model, self.data),
            teacher=teacher_of(teacher) or self.metadata.teacher,
            decision=None,  # of the source's answers
            extra={
                **extra,
                TRAINING: here if before is None else combined((before, here)),
                "baseline": {"source": shown_path(self.path), "seed": self.config.seed, **target},
            },
        )


def open_source(config: BaselineConfig, role: str | None = None, learns: bool = False) -> Source:
    """Read the source and the data set, and refuse what does not fit.

    Args:
        config: names them.
        role: "student" if only a registered student will do.
        learns: it is trained further.

    Raises:
        InputError: a missing or wrong file, a model of other classes or frames, or no frame to learn from.
    """
    from training.teacher import load_teacher

    path = Path(config.source)
    if path.suffix != ".keras":
        raise InputError(f"{path}: a .keras file is needed, such as student/student.keras in a run folder")
    metadata = read_metadata(path)
    trained = settings_of(metadata, path)
    if role is not None:
        models.find(metadata.name, role)
    data = open_dataset(config.data, verify=config.verify or None)
    name = f"{path}: extra.labelled_patients"
    budget = convert(metadata.extra.get("labelled_patients"), float | None, name)
    check_budget(budget, name)
    if budget is not None:  # no label that the source was trained without
        data = limit_labels(data, budget, trained.seed)
    source = Source(path, load_teacher(path, data), metadata, data, trained, config)
    if learns and not data.labelled_frames("train"):
        _check_unlabelled(source)
    return source


def _check_unlabelled(source: Source) -> None:
    """Refuse frames without labels from which nothing is learned."""
    config, cure = source.config, None
    if isinstance(config, LearningConfig) and learned_from(config.learned, source.gaze, source.data) == "none":
        if not isinstance(config, TrainedConfig):
            cure = "label some, or set epochs to 0"
        else:
            cure = "give a teacher" if config.teacher is None else "set a weight of loss that needs no label"
    elif not frames_taken(source.data, "train", source.unlabelled):
        cure = "leave unlabelled at 'auto'"
    if cure is not None:
        raise InputError(f"{source.data.path}: has no labelled frame in its training split to learn from: {cure}")


def student_options(source: Source, config: StudentConfig) -> dict:
    """What the student was built with: as configured, or as `config.yaml` of its stage says, or the defaults.

    Raises:
        InputError: they build another network than the one in the file.
    """
    options = config.student_options
    if options is None:
        stored = settings_of_artefact(source.path)
        if stored.get("student") == source.metadata.name:
            options = stored.get("student_options")
    options = options or {}
    check_options(source.metadata.name, options)
    shape, classes = source.model.input_shape[1:], source.model.output_shape[-1]
    built = models.create(source.metadata.name, shape, classes, **options)
    if _shapes(built) != _shapes(source.model) or standardises(built) != standardises(source.model):
        raise InputError(
            f"{source.path}: is no {source.metadata.name} with the options {options or 'that are its defaults'}: "
            "give the ones that it was trained with as student_options"
        )
    return options


def load_heads(source: Source, objective: Objective, say: bool = True) -> None:
    """Heads of the distillation that trained the student, where they lie next to it and fit.

    Args:
        source: the student.
        objective: its heads start at random where those of the student are of another loss.
        say: that they do.

    Raises:
        InputError: a damaged file.
    """
    from training import heads

    file = source.path.with_name(heads.HEADS)
    if file.is_file():
        try:
            heads.load_heads(objective, file)
        except heads.OtherHeads:
            if say and objective.weights:
                notice(f"{file}: holds the heads of another loss, so those of this one start at random")


def _shapes(model: keras.Model) -> dict[str, list]:
    return {
        layer.name: [tuple(v.shape) for v in layer.weights if v.shape] for layer in model.layers if layer.count_params()
    }
