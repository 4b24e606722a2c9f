"""What both Keras stages share: optimizer, precision, checkpoints, the call of `fit`."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from models.finite import check_finite
from models.learner import Learner
from training.checkpoint import Checkpoint, restore
from training.distribution import SINGLE, Distribution
from training.history import History, Reporter
from training.settings import FitSettings

if TYPE_CHECKING:
    from training.stages import Stage
    from training.teacher_cache import TeacherCache


def build_optimizer(settings: FitSettings, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """AdamW with a linear warm-up and a half-cosine decay to 0; it may keep a moving average of the weights."""
    total = settings.epochs * steps_per_epoch
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 100 if warmup else settings.learning_rate,
        max(1, total - warmup),
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=settings.weight_decay,
        use_ema=settings.weight_average > 0,
        ema_momentum=settings.weight_average,
    )
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
    learner: Learner, stage: Stage, settings: FitSettings, history: History, cache: TeacherCache | None = None
) -> None:
    """Fit a built learner on the devices of the stage; go on from its checkpoint if an interrupted run left one.

    Args:
        learner: has the trained weights afterwards.
        stage: gives batches, steps, devices and the checkpoint, which is written after every epoch; who saves the model
            removes it after that.
        settings: of the training.
        history: logs each epoch.
        cache: the teacher's outputs, if the learner takes them from there.
    """
    distribution, steps = stage.distribution, stage.steps_per_epoch(settings)
    model = distribution.place(learner)
    with distribution.scope():
        compile_learner(model, settings, steps)
    done = restore(stage.checkpoint, model)
    distribution.agree({"epochs of the checkpoint": done})
    history.start(stage.name, done)
    go_through(
        model,
        stage.training_batches(settings, done * steps, cache),
        epochs=range(done, settings.epochs),
        steps=steps,
        seed=stage.config.seed,
        reporter=Reporter(stage.name, history),
        checkpoint=stage.checkpoint,
        distribution=distribution,
        validation_data=stage.validation_batches(settings, cache),
        validation_steps=stage.validation_steps(),
    )
    if model is not learner:
        learner.take_weights(model)


def compile_learner(learner: Learner, settings: FitSettings, steps: int) -> None:
    """Give a learner its optimizer, with slots for all that it trains; an epoch has so many steps."""
    learner.compile(optimizer=build_optimizer(settings, steps))
    learner.optimizer.build(learner.trainable_variables)


def go_through(
    learner: Learner,
    batches: tf.data.Dataset | tf.distribute.DistributedDataset,
    *,
    epochs: range,
    steps: int,
    seed: int,
    reporter: Reporter,
    checkpoint: Path,
    distribution: Distribution = SINGLE,
    **validation: Any,
) -> None:
    """Train a compiled learner through its epochs.

    Args:
        learner: compiled, with the weights of the epochs that are done.
        batches: endless.
        epochs: those that are left, counted from 0.
        steps: of an epoch.
        seed: of dropout.
        reporter: shows each epoch.
        checkpoint: file that is written after every epoch.
        distribution: the devices that the learner lies on.
        validation: `validation_data` and `validation_steps` of `keras.Model.fit`.

    Raises:
        Diverged: a part of the loss is no number.
    """
    writes = [Checkpoint(checkpoint)] if distribution.is_chief else []
    try:
        learner.fit(
            batches,
            initial_epoch=epochs.start,
            epochs=epochs.stop,
            steps_per_epoch=steps,
            shuffle=False,  # the batches are shuffled where they are made
            verbose=0,
            callbacks=[EpochSeeds(seed, distribution), reporter, *writes],
            **validation,
        )
    finally:
        reporter.close()
    if not validation:
        # The last step's own loss is of the weights before it.
        learner.reset_metrics()
        for batch in batches.take(1):
            check_finite(learner.test_step(batch), f"{reporter.stage}, after epoch {epochs.stop}")


class EpochSeeds(keras.callbacks.Callback):
    """Dropout draws that depend on seed, layer and epoch alone.

    Keras does not store the state of its draws with the weights; without this a resumed
    run would drop other units than the run that was not interrupted. Every device has draws of its own.
    """

    def __init__(self, seed: int, distribution: Distribution = SINGLE) -> None:
        super().__init__()
        self._seed, self._distribution = seed, distribution

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        for layer in self.model._flatten_layers(include_self=False):
            generator = getattr(layer, "seed_generator", None)
            if generator is None:
                continue
            for device, state in self._distribution.copies(generator.state):
                name = f"{self._seed} {layer.name}" + (f" {device}" if device else "")
                state.assign([zlib.crc32(name.encode()), epoch << 16])
