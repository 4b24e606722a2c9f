"""A trained model without some of its channels: chosen, refitted, trained further by labels, saved."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import keras

from baselines.config import LearningConfig, at_least, distinct, rates
from baselines.record import NAME, Record
from baselines.registry import Baseline
from baselines.source import Source, open_source
from baselines.unfinished import Unfinished, remove_finished
from common.files import whole_folder
from evaluation.artefacts import save_keras
from models.channel_pruning import check_choice, choose_channels, remove_channels
from models.reconstruction import reconstruct
from models.teaching import TeacherLearner


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChannelsConfig(LearningConfig):
    """Remove whole channels of a trained model, conventional or student, and train the smaller dense model by labels.

    OUT/keep_50/model.keras and so on, and OUT/baseline.json.

    Attributes:
        keep: shares of the channels kept in each layer, one model each.
        criterion: which channels stay; l1 (the largest kernels) or scale (the largest scales of batch normalisation).
        reconstruct: refit each layer by least squares before training (He et al. 2017).
        epochs: passes over the training split; 0 for none.
        learning_rate: its peak.
        batch_size: frames per step.
    """

    keep: tuple[float, ...] = (0.5,)
    criterion: str = "l1"
    reconstruct: bool = True
    epochs: int = 6
    learning_rate: float = 1e-4
    batch_size: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        distinct("keep", self.keep)
        for value in self.keep:
            check_choice(value, self.criterion)
        at_least(self, epochs=0, batch_size=1)
        rates(self, "learning_rate")


def prune_channels(config: ChannelsConfig) -> Record:
    """A folder for each share that is kept.

    Raises:
        InputError: a source or data set that does not fit, or an output folder that is there.
    """
    remove_finished(config)
    with whole_folder(config.out, overwrite=config.overwrite, marker=NAME) as folder:
        source = open_source(config, learns=bool(config.epochs))
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
    from training.checkpoint import restore
    from training.fitting import compile_learner, go_through
    from training.history import Reporter
    from training.settings import FitSettings

    settings = FitSettings(
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        weight_decay=0.02,
        warmup_epochs=0.5,
    )
    keras.utils.set_random_seed(config.seed)
    learner, steps = TeacherLearner(model), source.steps_per_epoch(config.batch_size)
    compile_learner(learner, settings, steps)
    done = restore(checkpoint, learner)
    go_through(
        learner,
        source.batches(config.batch_size, config.augment, skip=done * steps),
        epochs=range(done, config.epochs),
        steps=steps,
        seed=config.seed,
        reporter=Reporter(what),
        checkpoint=checkpoint,
    )


BASELINE = Baseline("channels", "whole channels of any trained model", ChannelsConfig, prune_channels)
