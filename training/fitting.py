"""What both Keras stages share: optimizer, precision, checkpoints, the call of `fit`."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import tensorflow as tf

from training.checkpoint import Checkpoint, restore
from training.history import History, Reporter
from training.settings import FitSettings


def build_optimizer(settings: FitSettings, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """AdamW with a linear warm-up and a half-cosine decay to 0."""
    total = settings.epochs * steps_per_epoch
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 100 if warmup else settings.learning_rate,
        max(1, total - warmup),
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "strength"])
    return optimizer


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Layers made in the block compute in this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def resolve_precision(name: str) -> str:
    """ "auto" → "mixed_bfloat16" where the machine computes in bfloat16, else "float32"."""
    if name != "auto":
        return name
    devices = tf.config.list_physical_devices("GPU")
    if devices:
        capability = tf.config.experimental.get_device_details(devices[0]).get("compute_capability", (0, 0))
        return "mixed_bfloat16" if capability >= (8, 0) else "float32"
    with contextlib.suppress(FileNotFoundError):  # no /proc: not Linux, and float32 is right everywhere
        flags = Path("/proc/cpuinfo").read_text()
        if "avx512_bf16" in flags or "amx_bf16" in flags:
            return "mixed_bfloat16"
    return "float32"


def fit(
    model: keras.Model,
    stage: str,
    settings: FitSettings,
    batches: Callable[[int], tf.data.Dataset],
    validation: tf.data.Dataset | None,
    steps_per_epoch: int,
    history: History,
    checkpoint: Path,
    seed: int,
) -> None:
    """Fit a compiled, built model; go on from `checkpoint` if an interrupted run left one.

    Args:
        batches: number of batches to skip → endless training batches.
        checkpoint: file, written after every epoch. Who saves the model removes it after that.
        seed: of dropout.
    """
    model.optimizer.build(model.trainable_variables)
    done = restore(checkpoint, model)
    history.start(stage, done)
    reporter = Reporter(history, stage)
    try:
        model.fit(
            batches(done * steps_per_epoch),
            initial_epoch=done,
            epochs=settings.epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation,
            shuffle=False,  # the batches are shuffled where they are made
            verbose=0,
            callbacks=[EpochSeeds(seed), reporter, Checkpoint(checkpoint)],
        )
    finally:
        reporter.close()


class EpochSeeds(keras.callbacks.Callback):
    """Dropout draws that depend on seed, layer and epoch alone.

    Keras does not store the state of its draws with the weights; without this a resumed
    run would drop other units than the run that was not interrupted.
    """

    def __init__(self, seed: int):
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self.model._flatten_layers(include_self=False):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                generator.state.assign([zlib.crc32(f"{self._seed} {layer.name}".encode()), epoch << 16])
