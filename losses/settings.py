"""`LossSettings`: a frozen dataclass with a field for each term's weight and each of its options."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from common.errors import InputError
from common.typed import check_fields
from losses.registry import SCHEDULE, TERMS, Option, Term, ordered_terms

for _module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    importlib.import_module(f"losses.{_module.name}")  # each declares its terms


def all_options() -> tuple[Option, ...]:
    """The options of all terms, each once, and those of the schedule."""
    options = {option.name: option for term in ordered_terms() for option in term.options}
    return (*options.values(), *SCHEDULE)


# A dataclass too: jsonargparse makes flags of the fields of a class only where all of its bases are dataclasses.
@dataclasses.dataclass(frozen=True)
class _Settings:
    """What `LossSettings` can do; its fields come from the terms."""

    def __post_init__(self) -> None:
        check_fields(self, "loss")
        bounds = {term.setting: term.bounds for term in ordered_terms()}
        bounds |= {option.name: option.bounds for option in all_options() if not option.names_taps}
        for name, bound in bounds.items():
            if not bound.hold(getattr(self, name)):
                raise InputError(f"loss.{name} must be {bound}, not {getattr(self, name)}")
        for term in self.active():
            if isinstance(term.taps, str) and not self._taps_of(term):
                raise InputError(f"loss.{term.taps} names no layer: name one, or set loss.{term.setting} to 0")

    def active(self) -> tuple[Term, ...]:
        """The terms that are switched on."""
        return tuple(term for term in ordered_terms() if getattr(self, term.setting))

    def weight(self, name: str) -> float:
        """A term's weight in the sum, after warm-up and before it fades; `name` is that of the term."""
        term = TERMS[name]
        return float(getattr(self, term.setting) if term.factor is None else term.factor(self))

    def without_teacher(self) -> Self:
        """The settings with every term that needs a teacher switched off."""
        off = {term.setting: 0.0 for term in ordered_terms() if term.needs_teacher}
        return dataclasses.replace(self, **off)

    def without_gaze(self) -> Self:
        """The settings with every term that is a mean over the frames with gaze switched off."""
        return dataclasses.replace(self, **{term.setting: 0.0 for term in ordered_terms() if term.over == "gaze"})

    def only(self, **weights: float) -> Self:
        """The settings with these terms at these weights, and every other term switched off.

        Args:
            weights: {setting of a term: its weight}.
        """
        off = {term.setting: 0.0 for term in ordered_terms()}
        return dataclasses.replace(self, **off | weights)

    def is_empty(self, labels: bool = True) -> bool:
        """Whether no term is left to learn from; without labels those that need one are none."""
        return not any(self.weight(term.name) for term in self.active() if labels or not term.needs_label)

    def refuse_without_teacher(self, cure: str) -> None:
        """Refuse a weight that was set and needs a teacher, where there is none.

        One at its default is only left out, so that no teacher is enough for the student alone.

        Args:
            cure: what to do about it, such as "name one by teacher".

        Raises:
            InputError: naming the setting.
        """
        for term in self.active():
            value = getattr(self, term.setting)
            if term.needs_teacher and value != term.default:
                raise InputError(
                    f"loss.{term.setting} {value:g}: needs a teacher, and there is none: {cure}, or set it to 0"
                )

    def refuse_beside_labels(self, cure: str) -> None:
        """Refuse a weight that was set, where the labels alone are learned from; one at its default is left out.

        Args:
            cure: what to do about it, such as "set teacher".

        Raises:
            InputError: naming the setting.
        """
        self.refuse_without_teacher(cure)
        for term in self.active():
            value = getattr(self, term.setting)
            if not term.needs_label and value != term.default:
                raise InputError(
                    f"loss.{term.setting} {value:g}: without a teacher the labels alone are learned from: {cure}, or "
                    "leave it out"
                )

    def uses_teacher(self) -> bool:
        """Whether any term that is switched on needs a teacher."""
        return any(term.needs_teacher for term in self.active())

    def needs_features(self) -> str | None:
        """Name of a term that is switched on and needs the teacher's features themselves; None without one."""
        found = (term.name for term in self.active() if term.needs_teacher and term.taps and term.needs_features)
        return next(found, None)

    def taps(self) -> tuple[str, ...]:
        """Names of the layers that the terms need of the student, each once."""
        return tuple(dict.fromkeys(tap for term in self.active() for tap in self._taps_of(term)))

    def teacher_taps(self) -> tuple[str, ...]:
        """Names of the layers that the terms need of the teacher, each once."""
        used = (tap for term in self.active() if term.needs_teacher for tap in self._taps_of(term))
        return tuple(dict.fromkeys(used))

    def named_taps(self) -> dict[str, tuple[str, ...]]:
        """{option: the taps it names}, also of terms that are switched off: a name that is none is a slip."""
        return {option.name: getattr(self, option.name) for option in all_options() if option.names_taps}

    def _taps_of(self, term: Term) -> tuple[str, ...]:
        return getattr(self, term.taps) if isinstance(term.taps, str) else term.taps


def _make() -> type:
    terms = ordered_terms()
    fields: list = [(term.setting, float, dataclasses.field(default=term.default)) for term in terms]
    described = [(term.setting, f"weight of the term {term.name}: {term.help} ({term.source})") for term in terms]
    for option in all_options():
        kind = tuple[str, ...] if option.names_taps else float
        fields.append((option.name, kind, dataclasses.field(default=option.default)))
        described.append((option.name, option.help))
    made = dataclasses.make_dataclass("LossSettings", fields, bases=(_Settings,), frozen=True)
    made.__module__ = __name__
    made.__doc__ = "Weights and options of the loss; a weight of 0 leaves its term out.\n\nAttributes:\n" + "".join(
        f"    {name}: {text}.\n" for name, text in described
    )
    return made


if TYPE_CHECKING:

    class LossSettings(_Settings):
        """Weights and options of the loss: the fields are those that the terms declare."""

        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field]]

        def __init__(self, **settings: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

else:
    LossSettings = _make()
