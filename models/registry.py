"""Every model by its name: one file per family, which registers its builders itself."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Literal, TypeVar

import keras

from common.errors import InputError
from models.imagenet import ImageNetWeights

Builder = TypeVar("Builder", bound=Callable)
# (frame shape, classes, options, parameters)
Published = tuple[tuple[int, int, int], int, Mapping[str, object], int]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered model.

    Attributes:
        build: (keras_module, frame_shape, num_classes, **options) → Functional model that gives
            logits. An option whose default is a dataclass, such as `GazeOptions`, is given by its fields.
        role: "student" (one input, quantizable) or "teacher" (gaze fusion possible).
        taps: names of the layers that distillation may tap.
        parameters: with default options, frames of 112×144×1 and 4 classes.
        small: options with which it is small enough to run in a test.
        least_side: shortest side of a frame that it takes, pixels.
        published: sizes from the literature, as (frame shape, classes, options, parameters).
        width_below: {number of parameters: a width at which a student stays below it}.
        learns_behind_taps: layers that learn on a tap's grid behind it, besides the gaze fusion.
        predicts_gaze: whether a teacher has a layer `saliency`, the logits of a gaze map that it predicts.
        imagenet: where `keras.applications` has trained weights for it.
    """

    build: Callable[..., keras.Model]
    role: str
    taps: tuple[str, ...]
    parameters: int | None = None
    small: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    least_side: int = 32
    published: Sequence[Published] = ()
    width_below: Mapping[int, float] = dataclasses.field(default_factory=dict)
    learns_behind_taps: tuple[str, ...] = ()
    predicts_gaze: bool = False
    imagenet: ImageNetWeights | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options that the builder takes, with their defaults."""
        options: dict[str, Any] = {}
        for name, default in self._keywords().items():
            options |= _fields(default) if dataclasses.is_dataclass(default) else {name: default}
        return options

    def arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The builder's keyword arguments for these options."""
        arguments = {}
        for name, default in self._keywords().items():
            if dataclasses.is_dataclass(default) and not isinstance(default, type):
                given = {field: options[field] for field in _fields(default) if field in options}
                arguments[name] = dataclasses.replace(default, **given)
            elif name in options:
                arguments[name] = options[name]
        return arguments

    def _keywords(self) -> dict[str, Any]:
        parameters = inspect.signature(self.build).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


MODELS: dict[str, Entry] = {}


def register(
    name: str, role: Literal["student", "teacher"], *, taps: tuple[str, ...], **declared: Any
) -> Callable[[Builder], Builder]:
    """Register the decorated builder; the arguments are the fields of `Entry`.

    `models` imports every file of its package, so that a family is registered where it stands.

    Raises:
        InputError: the name is taken.
    """

    def add(build: Builder) -> Builder:
        if name in MODELS:
            raise InputError(f"model {name}: there is one of this name already: choose another")
        MODELS[name] = Entry(build, role, taps, **declared)
        return build

    return add


def create(
    name: str,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    keras_module: ModuleType = keras,
    **options: Any,
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
    check_options(name, options)
    if num_classes < 2:
        raise InputError(f"model {name}: {num_classes} classes: at least two are needed")
    try:
        return entry.build(keras_module, tuple(frame_shape), num_classes, **entry.arguments(options))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        # Keras has refused a value; which one it was, its own words say best.
        given = ", ".join(f"{key}={value!r}" for key, value in options.items()) or "its default options"
        height, width = frame_shape[:2]
        raise InputError(
            f"model {name}: can't be built for frames of {height}×{width} with {given}: {error}"
        ) from error


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a family does not have, such as the arguments of `create` itself.

    Raises:
        InputError: an unknown model or option, true, false or text where a number is meant, anything else where true or
            false is, or a dropout that leaves nothing.
    """
    known = find(name).options
    for option, value in options.items():
        if option not in known:
            raise InputError(f"model {name}: has no option {option!r}; it has {', '.join(known)}")
        # Options given one by one, as in --student-options.width 0.3, come as text.
        cure = f": give all options as one, '{{{option}: {value}}}'" if isinstance(value, str) else ""
        if isinstance(value, bool | str) and isinstance(known[option], float):
            raise InputError(f"model {name}: option {option} must be a number, not {value!r}{cure}")
        if isinstance(known[option], bool) and not isinstance(value, bool):
            raise InputError(f"model {name}: option {option} must be true or false, not {value!r}{cure}")
        if option == "dropout" and isinstance(value, int | float) and not 0 <= value < 1:
            raise InputError(f"model {name}: option {option} must be at least 0 and below 1, not {value}")


def outline(name: str, frame_shape: tuple[int, int, int], num_classes: int, **options: Any) -> keras.Model:
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
    """The entry of a name.

    Raises:
        InputError: there is none in this role; it lists the names there are.
    """
    known = [key for key, entry in MODELS.items() if role in (None, entry.role)]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.4)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(f"there is no {role or 'model'} {name!r}{hint}: choose one of {', '.join(known)}")
    return MODELS[name]


def names(role: str) -> list[str]:
    """Names of all models in a role."""
    return [name for name, entry in MODELS.items() if entry.role == role]


def _fields(options: Any) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
