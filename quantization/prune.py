"""Magnitude pruning: the smallest weights of each kernel become 0 while the student goes on training.

Zhu and Gupta 2017 (arXiv 1710.01878): the share of zeros grows from 0 to the target s by
s·(1 − (1 − t/T)³), so that most weights go early, while the others can still make up for it.
"""

from __future__ import annotations

from collections.abc import Callable

import keras

from common.errors import InputError
from data.traced import as_written
from quantization.finetune import FineTuning, fine_tune
from quantization.legacy import LegacyLayer, tf_keras, tfmot
from quantization.legacy_copy import build_legacy_copy, copy_weights

# Share of the steps over which the sparsity grows; the rest is training at the target.
_RAMP = 0.6
_UPDATES = 50


def check_sparsity(sparsity: float) -> None:
    """Refuse a share of zeros that can't be.

    Raises:
        InputError: naming it.
    """
    if not 0 < sparsity < 1:
        raise InputError(f"sparsity must be in (0, 1), not {sparsity}")


def prune(student: keras.Model, name: str, options: dict, sparsity: float, training: FineTuning) -> keras.Model:
    """A student of the same layers whose kernels are sparse.

    Every Conv2D and Dense kernel keeps round((1 − sparsity)·size) weights, those of the
    largest magnitude. Depthwise kernels stay dense: TF-MOT does not prune them, and they are
    few. Biases and batch normalisation are no kernels.

    Args:
        student: trained Keras 3 student; it is not changed.
        name, options: what it was built with.
        sparsity: share of zeros in each kernel, above 0 and below 1.
        training: data, loss, steps; see `FineTuning`.

    Returns:
        Keras 3 model.

    Raises:
        InputError: a sparsity out of range, or options that the student was not built with.
    """
    check_sparsity(sparsity)
    keras_module, pruning = tf_keras(), tfmot().sparsity.keras
    keras.utils.set_random_seed(training.seed)
    copy = build_legacy_copy(student, name, options)
    schedule, _ = schedule_of(sparsity, training.steps)

    def wrapped(layer: LegacyLayer) -> LegacyLayer:
        if type(layer) in (keras_module.layers.Conv2D, keras_module.layers.Dense):
            return pruning.prune_low_magnitude(layer, pruning_schedule=schedule)
        return layer

    model = as_written(keras_module.models.clone_model)(copy, clone_function=wrapped)
    masks = pruning.UpdatePruningStep()
    masks.set_model(model)
    masks.on_train_begin()
    # Each step masks before it learns: what the last one moved is masked once more.
    fine_tune(model, training, f"pruning to {100 * sparsity:g} %", lambda epoch, _: masks.on_epoch_end(epoch))
    result = keras.models.clone_model(student)
    copy_weights(as_written(pruning.strip_pruning)(model), result)
    return result


def schedule_of(sparsity: float, steps: int) -> tuple[Callable, int]:
    """From 0 to the target by s·(1 − (1 − t/T)³) (Zhu and Gupta 2017), and T, the step of the last update.

    TF-MOT counts the first step as 1 and updates the masks only where a step is a multiple of
    the frequency: T is such a multiple, or training would end below the target.

    Returns:
        The schedule of TF-MOT: step → (whether the masks are updated, share of zeros).
    """
    end = max(1, round(_RAMP * steps))
    frequency = max(1, end // _UPDATES)
    end = end // frequency * frequency
    decay = tfmot().sparsity.keras.PolynomialDecay
    return decay(0.0, sparsity, begin_step=0, end_step=end, power=3, frequency=frequency), end
