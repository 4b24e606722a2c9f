"""Magnitude pruning: the smallest weights of each kernel become 0 while the student trains on.

Zhu and Gupta 2017 (arXiv 1710.01878): the share of zeros grows from 0 to the target s by
s·(1 − (1 − t/T)³), so that most weights go early, while the others can still make up for it.
"""

from __future__ import annotations

import keras

from common.errors import InputError
from quantization.finetune import FineTuning, fine_tune
from quantization.legacy import tf_keras, tfmot
from quantization.twin import build_twin, copy_weights

# Share of the steps over which the sparsity grows; the rest is training at the target.
_RAMP = 0.6
_UPDATES = 50


def prune(student: keras.Model, name: str, options: dict, sparsity: float, training: FineTuning) -> keras.Model:
    """A student of the same layers whose kernels are sparse.

    Every Conv2D and Dense kernel keeps round((1 − sparsity)·size) weights, those of the
    largest magnitude. Depthwise kernels stay dense: TF-MOT does not prune them, and they are
    few. Biases and batch normalisation are no kernels.

    Args:
        student: trained Keras 3 student; it is not changed.
        name, options: what it was built with.
        sparsity: share of zeros in each kernel, above 0 and below 1.
        training: how it is trained on; see `FineTuning`.

    Returns:
        Keras 3 model.

    Raises:
        InputError: a sparsity out of range, or options that the student was not built with.
    """
    if not 0 < sparsity < 1:
        raise InputError(f"--sparsity {sparsity}: must be above 0 and below 1")
    keras_module, pruning = tf_keras(), tfmot().sparsity.keras
    twin = build_twin(name, student.input_shape[1:], student.output_shape[-1], student, **options)
    schedule = _schedule(sparsity, training.steps)

    def wrapped(layer):
        if type(layer) in (keras_module.layers.Conv2D, keras_module.layers.Dense):
            return pruning.prune_low_magnitude(layer, pruning_schedule=schedule)
        return layer

    model = keras_module.models.clone_model(twin, clone_function=wrapped)
    masks = pruning.UpdatePruningStep()
    masks.set_model(model)
    masks.on_train_begin()
    # Each step masks before it learns: what the last one moved is masked once more.
    fine_tune(model, training, f"pruning to {100 * sparsity:g} %", lambda epoch, _: masks.on_epoch_end(epoch))
    result = keras.models.clone_model(student)
    copy_weights(pruning.strip_pruning(model), result)
    return result


def _schedule(sparsity: float, steps: int):
    """From 0 to the target by s·(1 − (1 − t)³) (Zhu and Gupta 2017)."""
    frequency, end = _ramp(steps)
    return tfmot().sparsity.keras.PolynomialDecay(
        0.0, sparsity, begin_step=0, end_step=end, power=3, frequency=frequency
    )


def _ramp(steps: int) -> tuple[int, int]:
    """(steps between two updates of the masks, step of the last one, which is a multiple of them).

    TF-MOT counts the first step as 1 and updates only where the difference to the begin is
    a multiple: any other end would be passed by, below the target.
    """
    end = max(1, round(_RAMP * steps))
    frequency = max(1, end // _UPDATES)
    return frequency, end // frequency * frequency
