"""A trained model without some of its channels: chosen, refitted, trained on by labels, saved."""

from __future__ import annotations

import time

import keras
import tensorflow as tf

from baselines.bench import Bench, open_bench
from baselines.record import NAME, Record
from common.console import console
from common.errors import InputError
from common.files import whole_folder
from evaluation.artefacts import save_keras
from models.channel_pruning import choose_channels, remove_channels
from models.inputs import inputs_of
from models.reconstruction import reconstruct


def prune_model(flags) -> None:
    """`compress.py channels`: a folder for each share that is kept."""
    with whole_folder(flags.out, overwrite=flags.overwrite, marker=NAME) as folder:
        bench = open_bench(flags, needs_labels=bool(flags.epochs))
        record = Record(folder, "channels", bench)
        for keep in flags.keep:
            start = time.perf_counter()
            kept = choose_channels(bench.model, keep, flags.criterion)
            smaller = remove_channels(bench.model, kept)
            if flags.reconstruct:
                reconstruct(smaller, bench.model, kept, bench.calibration(), seed=flags.seed)
            if flags.epochs:
                _train(bench, smaller, f"keeping {100 * keep:g} %")
            target = {"keep": keep, "criterion": flags.criterion, "reconstruct": flags.reconstruct}
            path = folder / f"keep_{100 * keep:g}" / "model.keras"
            path.parent.mkdir()
            save_keras(smaller, path, bench.describe(smaller, "channels", **target))
            record.add_model(path, smaller, "channel pruning", target, time.perf_counter() - start)
        record.write()
    record.show(flags.out)


def _train(bench: Bench, model: keras.Model, what: str) -> None:
    from training.fitting import EpochSeeds, build_optimizer
    from training.settings import FitSettings

    flags, classes = bench.flags, len(bench.data.classes)
    settings = FitSettings(flags.epochs, flags.batch_size, flags.learning_rate, weight_decay=0.02, warmup_epochs=0.5)

    def select(features, label, weight):
        # An unlabelled frame has nothing to teach here; its one-hot row is all zeros.
        return inputs_of(model, features), tf.one_hot(label, classes), weight * tf.cast(label >= 0, tf.float32)

    def log(epoch, logs):
        if not tf.math.is_finite(logs["loss"]):
            raise InputError(f"{what}, epoch {epoch + 1}: the loss is {logs['loss']}: lower --learning-rate")
        console.print(
            f"{what}, epoch {epoch + 1}/{flags.epochs}: loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.4f}",
            highlight=False,
        )

    keras.utils.set_random_seed(flags.seed)
    model.compile(
        optimizer=build_optimizer(settings, bench.steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    model.fit(
        bench.batches().map(select),
        epochs=flags.epochs,
        steps_per_epoch=bench.steps_per_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[EpochSeeds(flags.seed), keras.callbacks.LambdaCallback(on_epoch_end=log)],
    )
