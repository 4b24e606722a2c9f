"""How a loss term declares itself: one decorated function in a file of its own, and no other edit.

Settings, validation, flags and their help, logged names, the table of the documentation and
the generic tests are all made from these declarations.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras

from common.errors import InputError

Shapes = Mapping[str, tuple[int, ...]]
# `losses.settings.LossSettings`, whose fields come from the terms declared here.
Settings = Any


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Where a number must lie; `low_open` and `high_open` leave the ends out."""

    low: float = 0.0
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def hold(self, value: float) -> bool:
        """Whether the value lies there; a NaN or an infinity never does."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"above {self.low:g}" if self.low_open else f"a number of at least {self.low:g}"
        if self.low_open or self.high_open:
            low = "above" if self.low_open else "at least"
            return f"{low} {self.low:g} and {'below' if self.high_open else 'at most'} {self.high:g}"
        return f"from {self.low:g} to {self.high:g}"


SHARE = Bounds(0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Option:
    """A setting besides the weights: a number within `bounds`, or names of taps.

    Several terms may share one option; they then list the same object.

    Attributes:
        name: of the field in `LossSettings`.
        default: a float, or a tuple of the names of layers.
        help: one line.
        bounds: of a number.
    """

    name: str
    default: float | tuple[str, ...]
    help: str
    bounds: Bounds = Bounds()

    @property
    def names_taps(self) -> bool:
        """Whether it is names of taps and no number."""
        return isinstance(self.default, tuple)


@dataclasses.dataclass(frozen=True)
class Given:
    """What a term sees of one batch (of one replica's part of it).

    Attributes:
        batch: `label` int [B] (−1 = unlabelled), `weight` float [B], `gaze` float [B, h, w],
            `gaze_valid` bool [B].
        student: `logits` [B, K] and the maps [B, h, w, C] of the taps.
        teacher: the same of the teacher, without gradient; empty without one. Of several
            teachers also `soft_logits` and `mean_logits`, see `models.ensemble`.
        settings: of the whole loss.
        heads: the trainable layers that the terms declare, by name.
    """

    batch: Mapping[str, Any]
    student: Mapping[str, Any]
    teacher: Mapping[str, Any]
    settings: Settings
    heads: Mapping[str, keras.layers.Layer] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Term:
    """One term of the loss.

    Attributes:
        name: under which it is logged.
        default: its weight unless another is set; 0 leaves it out.
        help: one line, what it is of student and teacher.
        source: paper or equation.
        unit: of its value, as figures show it, such as "nats".
        function: `Given` → float32 [B], one value per frame, not weighted.
        setting: the field of `LossSettings` that holds the weight; `name` unless given.
        bounds: of that field.
        factor: `LossSettings` → the weight in the sum, where it is not the field itself.
        needs_teacher: whether it is left out without one.
        needs_features: whether the attention maps of the teacher's taps, which a teacher cache keeps, are
            not enough for it.
        needs_label: whether it has nothing to say about unlabelled frames.
        over: the frames over which it is a mean: all "frames", or those with valid "gaze".
        taps: the maps that it needs of the student, and of the teacher if it needs one: their
            names, or the option that has them.
        options: settings besides the weight.
        heads: (settings, student's shapes, teacher's shapes) → built layers that train with the
            student and are no part of it. The shapes are (h, w, C) by tap, and `frame`.
        warms_up: whether its weight grows from 0 over the first steps.
        fades: whether its weight falls to a tenth over the last steps.
        zero_at_teacher: whether it is 0, and flat, where the student gives what the teacher gives.
        frame_by_frame: whether the value of a frame does not depend on the rest of the batch.
        invariances: functions `Given` → `Given` that change no value.
    """

    name: str
    default: float
    help: str
    source: str
    unit: str
    function: Callable[[Given], Any]
    setting: str
    bounds: Bounds = Bounds()
    factor: Callable[[Settings], float] | None = None
    needs_teacher: bool = False
    needs_features: bool = True
    needs_label: bool = False
    over: Literal["frames", "gaze"] = "frames"
    taps: str | tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    heads: Callable[[Settings, Shapes, Shapes], Sequence[keras.layers.Layer]] | None = None
    warms_up: bool = False
    fades: bool = False
    zero_at_teacher: bool = False
    frame_by_frame: bool = True
    invariances: tuple[Callable[[Given], Given], ...] = ()


TERMS: dict[str, Term] = {}

# The settings that belong to no term: how the weights change over a training.
SCHEDULE = (
    Option("warmup", 0.1, "share of the steps over which the terms that warm up grow from 0", SHARE),
    Option("decay_from", 0.7, "share of the steps after which the terms that fade fall to a tenth", SHARE),
)


def loss_term(
    name: str, *, default: float, help: str, source: str, unit: str, setting: str | None = None, **declared: Any
) -> Callable[[Callable[[Given], Any]], Callable[[Given], Any]]:
    """Declare the decorated function a term of the loss; the arguments are the fields of `Term`.

    Raises:
        InputError: another term or setting has the name already.
    """

    def declare(function: Callable[[Given], Any]) -> Callable[[Given], Any]:
        add_term(Term(name, default, help, source, unit, function, setting or name, **declared))
        return function

    return declare


def add_term(term: Term) -> None:
    """Add a term to `TERMS`.

    Raises:
        InputError: another term or setting has the name already.
    """
    weights = {term.setting: term.name}
    options: dict[str, tuple[Option, str]] = {}
    for other in TERMS.values():
        taken = {other.name, other.setting}
        if taken & {term.name, term.setting}:
            raise InputError(f"loss term {term.name}: there is one of the name {other.name} ({other.setting}) already")
        weights[other.setting] = other.name
        options |= {option.name: (option, other.name) for option in other.options}
    schedule = {option.name for option in SCHEDULE}
    if term.setting in {*options, *schedule}:
        raise InputError(f"loss term {term.name}: its setting {term.setting} is the name of an option: choose another")
    for own in term.options:
        if own.name in weights or own.name in schedule:
            of = f"the weight of {weights[own.name]}" if own.name in weights else "of the schedule"
            raise InputError(f"loss term {term.name}: its option {own.name} has the name of a setting, {of}")
        if own.name in options and own != options[own.name][0]:
            raise InputError(f"loss term {term.name}: its option {own.name} is declared by {options[own.name][1]}")
    TERMS[term.name] = term


def ordered_terms() -> tuple[Term, ...]:
    """All terms: those without a teacher first, then by their default weight, the largest first, then by name."""
    return tuple(sorted(TERMS.values(), key=lambda term: (term.needs_teacher, -term.default, term.name)))
