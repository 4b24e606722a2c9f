"""A trained model without some of its channels: chosen, refitted, trained further by labels, saved."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import keras
import tensorflow as tf

from baselines.config import BaselineConfig, at_least, distinct, one_of, rates
from baselines.record import NAME, Record
from baselines.registry import Baseline
from baselines.source import Source, open_source
from baselines.unfinished import Unfinished, remove_finished
from common.console import console
from common.errors import InputError
from common.files import whole_folder
from data.augment import Augmentation
from data.pipeline import GAZE_MODES
from evaluation.artefacts import save_keras
from models.channel_pruning import CRITERIA, choose_channels, remove_channels
from models.inputs import inputs_of
from models.reconstruction import reconstruct


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChannelsConfig(BaselineConfig):
    """Remove whole channels of a trained model, conventional or student, and train the smaller dense model by labels.

    OUT/keep_50/model.keras and so on, and OUT/baseline.json.

    Attributes:
        keep: shares of the channels kept in each layer, one model each.
        criterion: which channels stay; l1 (the largest kernels) or scale (the largest scales of batch normalisation).
        reconstruct: refit each layer by least squares before training (He et al. 2017).
        epochs: passes over the training split; 0 for none.
        learning_rate: its peak.
        batch_size: frames a step.
        gaze: what the model sees; real, none, shuffled or centre; without it, as the source was trained.
        augment: augmentation.
    """

    keep: tuple[float, ...] = (0.5,)
    criterion: str = "l1"
    reconstruct: bool = True
    epochs: int = 6
    learning_rate: float = 1e-4
    batch_size: int = 16
    gaze: str | None = None
    augment: Augmentation = dataclasses.field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        super().__post_init__()
        distinct("keep", self.keep)
        for value in self.keep:
            if not 0 < value <= 1:
                raise InputError(f"keep must be in (0, 1], not {value}")
        one_of("criterion", self.criterion, tuple(CRITERIA))
        at_least(self, epochs=0, batch_size=1)
        rates(self, "learning_rate")
        if self.gaze is not None:
            one_of("gaze", self.gaze, GAZE_MODES)


def prune_channels(config: ChannelsConfig) -> Record:
    """A folder for each share that is kept.

    Raises:
        InputError: a source or data set that does not fit, or an output folder that is there.
    """
    remove_finished(config)
    with whole_folder(config.out, overwrite=config.overwrite, marker=NAME) as folder:
        source = open_source(config, needs_labels=bool(config.epochs))
        record, unfinished = Record(folder, "channels", source), Unfinished(source)
        for keep in config.keep:
            start = time.perf_counter()
            kept = choose_channels(source.model, keep, config.criterion)
            smaller = remove_channels(source.model, kept)
            if config.reconstruct:
                reconstruct(smaller, source.model, kept, source.calibration(), seed=config.seed)
            place = f"keep_{100 * keep:g}"
            if config.epochs:
                _train(source, config, smaller, f"keeping {100 * keep:g} %", unfinished.file(place))
            target = {"keep": keep, "criterion": config.criterion, "reconstruct": config.reconstruct}
            path = folder / place / "model.keras"
            path.parent.mkdir()
            save_keras(smaller, path, source.describe(smaller, "channels", **target))
            record.add_model(path, smaller, "channel pruning", target, time.perf_counter() - start)
        record.write()
    unfinished.remove()
    record.show(Path(config.out))
    return record


def _train(source: Source, config: ChannelsConfig, model: keras.Model, what: str, checkpoint: Path) -> None:
    from training.checkpoint import Checkpoint, restore
    from training.fitting import EpochSeeds, build_optimizer
    from training.settings import FitSettings

    classes, steps = len(source.data.classes), source.steps_per_epoch(config.batch_size)
    settings = FitSettings(
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        weight_decay=0.02,
        warmup_epochs=0.5,
    )

    def select(
        features: dict[str, tf.Tensor], label: tf.Tensor, weight: tf.Tensor
    ) -> tuple[tf.Tensor | dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        # An unlabelled frame has nothing to teach here; its one-hot row is all zeros.
        return inputs_of(model, features), tf.one_hot(label, classes), weight * tf.cast(label >= 0, tf.float32)

    def log(epoch: int, logs: dict[str, float]) -> None:
        if not tf.math.is_finite(logs["loss"]):
            raise InputError(
                f"{what}, epoch {epoch + 1}: the loss is {logs['loss']}: lower learning_rate "
                f"(now {config.learning_rate:g})"
            )
        values = f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.4f}"
        console.print(f"{what}, epoch {epoch + 1}/{config.epochs}: {values}", highlight=False)

    keras.utils.set_random_seed(config.seed)
    model.compile(
        optimizer=build_optimizer(settings, steps),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    model.optimizer.build(model.trainable_variables)
    done = restore(checkpoint, model)
    model.fit(
        source.batches(config.batch_size, config.augment, skip=done * steps).map(select),
        initial_epoch=done,
        epochs=config.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[
            EpochSeeds(config.seed),
            keras.callbacks.LambdaCallback(on_epoch_end=log),
            Checkpoint(checkpoint),
        ],
    )


BASELINE = Baseline("channels", "whole channels of any trained model", ChannelsConfig, prune_channels)
