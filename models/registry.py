"""Every model by its name: one file a family, one line here a model."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
from collections.abc import Callable
from types import ModuleType

import keras

from common.errors import InputError
from models import densenet, mobilenet, resnet, sonoeyenet, sononet, squeezenet, vgg


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered model.

    Attributes:
        build: (keras_module, frame_shape, num_classes, **options) → Functional model that gives logits.
        role: "student" (one input, quantizable) or "teacher" (gaze fusion possible).
        taps: names of the layers that distillation may tap.
    """

    build: Callable
    role: str
    taps: tuple[str, ...]

    @property
    def options(self) -> dict[str, object]:
        """The options that the builder takes, with their defaults."""
        parameters = inspect.signature(self.build).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


MODELS: dict[str, Entry] = {
    "mobilenet_v1": Entry(mobilenet.build_v1, "student", ("stride4", "stride8", "stride16", "stride32")),
    "mobilenet_v2": Entry(mobilenet.build_v2, "student", ("stride4", "stride8", "stride16", "stride32")),
    "squeezenet_1_0": Entry(squeezenet.build_1_0, "student", ("stride4", "stride8", "stride16")),
    "squeezenet_1_1": Entry(squeezenet.build_1_1, "student", ("stride4", "stride8", "stride16")),
    "sononet_4": Entry(functools.partial(sononet.build_student, 4), "student", ("stride4", "stride8", "stride16")),
    "sononet_8": Entry(functools.partial(sononet.build_student, 8), "student", ("stride4", "stride8", "stride16")),
    "sononet_16": Entry(functools.partial(sononet.build_teacher, 16), "teacher", ("stride4", "stride8", "stride16")),
    "sononet_32": Entry(functools.partial(sononet.build_teacher, 32), "teacher", ("stride4", "stride8", "stride16")),
    "sononet_64": Entry(functools.partial(sononet.build_teacher, 64), "teacher", ("stride4", "stride8", "stride16")),
    "sonoeyenet": Entry(sonoeyenet.build_sonoeyenet, "teacher", ("stride4", "stride8", "stride16")),
    "multitask_sonoeyenet": Entry(sonoeyenet.build_multitask, "teacher", ("stride4", "stride8", "stride16")),
    "resnet50": Entry(resnet.build_50, "teacher", ("stride4", "stride8", "stride16", "stride32")),
    "densenet121": Entry(densenet.build_121, "teacher", ("stride4", "stride8", "stride16", "stride32")),
    "vgg16": Entry(vgg.build_16, "teacher", ("stride4", "stride8", "stride16", "stride32")),
}


def create(
    name: str,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    keras_module: ModuleType = keras,
    **options,
) -> keras.Model:
    """Build a model by name.

    Args:
        name: a key of `MODELS`.
        frame_shape: (H, W, channels) of the frames, which hold values in [0, 1].
        num_classes: number of logits.
        keras_module: the Keras to build with: `keras`, or `tf_keras` in the quantization stage.
        options: of the family, such as `width`.

    Returns:
        A flat Functional model: input `frame` (and `gaze` for a teacher with fusion),
        output logits [B, num_classes]. The last activation at each stride is named
        `stride4`, `stride8` and so on.

    Raises:
        InputError: an unknown name or option, or a value the family can't build.
    """
    entry = find(name)
    for option in options:
        if option not in entry.options:
            raise InputError(f"model {name}: has no option {option!r}; it has {', '.join(entry.options)}")
    if num_classes < 2:
        raise InputError(f"model {name}: {num_classes} classes: at least two are needed")
    try:
        return entry.build(keras_module, tuple(frame_shape), num_classes, **options)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        # Keras has refused a value; which one it was, its own words say best.
        given = ", ".join(f"{key}={value!r}" for key, value in options.items()) or "its default options"
        height, width = frame_shape[:2]
        raise InputError(
            f"model {name}: can't be built for frames of {height}×{width} with {given}: {error}"
        ) from error


def outline(name: str, frame_shape: tuple[int, int, int], num_classes: int, **options) -> keras.Model:
    """The same model with shapes and no values: what is wrong with its options is known in a moment.

    Raises:
        InputError: as for `create`.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            return create(name, frame_shape, num_classes, **options)
    finally:
        # Or Keras would give them values, gigabytes, at its next chance.
        keras.utils.clear_session(free_memory=False)


def find(name: str, role: str | None = None) -> Entry:
    """The entry of a name, or an `InputError` that lists the names there are."""
    names = [key for key, entry in MODELS.items() if role in (None, entry.role)]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1, 0.4)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(f"there is no {role or 'model'} {name!r}{hint}: choose one of {', '.join(names)}")
    return MODELS[name]


def names(role: str) -> list[str]:
    """Names of all models in a role."""
    return [name for name, entry in MODELS.items() if entry.role == role]
