"""A student that starts as the best channels of its teacher, where both are of one family.

Structured pruning (He et al. 2017) gives a sub-network of the teacher; here it is no result of its own
but the start of a distillation, in a network of the student's own widths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from common.errors import InputError
from models.channel_pruning import best_channels, prunable_layers, remove_channels
from models.layers import standardises
from models.preprocess import STANDARD_DEVIATION
from models.reconstruction import reconstruct


def check_inheritable(student: keras.Model, teacher: keras.Model) -> None:
    """Refuse a pair whose layers are not the same but for their channels.

    Raises:
        InputError: naming the first layer that differs.
    """
    if standardises(student) and not standardises(teacher):
        raise InputError(
            f"student_init 'teacher': student {student.name} standardises its frames, and teacher {teacher.name} takes "
            "them as they are: build both with standardise true, or the student with false"
        )
    there = {layer.name: layer for layer in teacher.layers}
    free = {layer.name for layer in prunable_layers(teacher)}
    first = next(layer for layer in student.layers if layer.weights)
    for layer in student.layers:
        if not layer.weights:
            continue
        found = f"student_init 'teacher': student {student.name} has a layer {layer.name}"
        if layer.name not in there:
            raise InputError(
                f"{found}, and teacher {teacher.name} has none of that name: take a student of the teacher's family, "
                "such as sononet_8 for sononet_16"
            )
        own, other = (_channels(one) for one in (layer, there[layer.name]))
        if own[0] != other[0] or own[1] > other[1]:
            raise InputError(
                f"{found} of {_size(own)}, and teacher {teacher.name} one of {_size(other)}: a narrower student, by "
                "width in student_options, fits in"
            )
        if layer is first and layer.kernel.shape[-2] != there[layer.name].kernel.shape[-2]:
            raise InputError(
                f"{found} that sees the frame alone, and in teacher {teacher.name} it sees the gaze too (fusion "
                "early): take a teacher with fusion multiply or none"
            )
        if own[1] < other[1] and isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) and layer.name not in free:
            raise InputError(
                f"{found} whose channels in teacher {teacher.name} are read by a layer that needs all of them: take a "
                "teacher with fusion multiply or none"
            )


def inherit(student: keras.Model, teacher: keras.Model, batches: Iterable[Mapping], seed: int = 0) -> None:
    """Give a student the weights of its teacher's best channels, each layer refitted to the teacher's outputs.

    Which channels are the best is decided by the sum of their absolute weights (Li et al. 2017).
    Where the teacher standardises its frames and the student takes them as they are, the student's first
    convolution takes in the mean of that over the frames given.

    Args:
        student: its weights change. teacher: frame, and gaze if fused → logits; stays as it is.
        batches: a few, {"frame" [B, H, W, 1] in [0, 1], "gaze" [B, h, w]}.
        seed: of the places at which layers are compared.

    Raises:
        InputError: see `check_inheritable`.
    """
    check_inheritable(student, teacher)
    batches = list(batches)
    kept = {}
    for layer in prunable_layers(teacher):
        count = _channels(student.get_layer(layer.name))[1]
        if count < _channels(layer)[1]:
            kept[layer.name] = best_channels(teacher, layer, count)
    smaller = remove_channels(teacher, kept)
    reconstruct(smaller, teacher, kept, batches, seed=seed)
    for layer in student.layers:
        if layer.weights:
            layer.set_weights(smaller.get_layer(layer.name).get_weights())
    if standardises(student):
        first = next(layer for layer in student.layers if layer.weights)
        first.kernel.assign(STANDARD_DEVIATION * first.kernel)
    elif standardises(teacher):
        _take_frames_as_they_are(student, np.concatenate([np.asarray(batch["frame"]) for batch in batches]))


def _take_frames_as_they_are(student: keras.Model, frames: np.ndarray) -> None:
    """Fold `models.preprocess.Standardise` into the first convolution and the normalisation behind it."""
    first, norm = (
        next(layer for layer in student.layers if isinstance(layer, kind))
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    )
    gain = STANDARD_DEVIATION / np.maximum(frames.std(axis=(1, 2, 3)), 1e-4)
    offset = float(np.mean(gain * frames.mean(axis=(1, 2, 3))))
    kernel = first.get_weights()[0]
    first.kernel.assign(float(gain.mean()) * kernel)
    norm.moving_mean.assign(norm.moving_mean + offset * kernel.sum(axis=(0, 1, 2)))


def _channels(layer: keras.layers.Layer) -> tuple[tuple, int]:
    """(what must be equal, channels that it gives)."""
    shapes = [tuple(weight.shape) for weight in layer.weights]
    return (type(layer).__name__, tuple(shape[:-2] for shape in shapes)), shapes[0][-1]


def _size(found: tuple[tuple, int]) -> str:
    (kind, sizes), count = found
    size = "×".join(map(str, sizes[0]))
    return f"{count} channels ({kind}{' ' + size if size else ''})"
