"""Names that people type: when two spellings are one name."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from common.console import notice
from common.errors import InputError

MAX_NAME = 200
# Unicode categories without a shape of their own: controls, formats (zero width), surrogates.
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")
# Characters of other categories that are drawn as nothing: fillers and variation selectors.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))


def spelling_key(name: str) -> str:
    """The same for all spellings of one name.

    Compatibility forms (NFKC: full width, composed accents), invisible characters, case and
    blanks (at the ends, and how many between words) make no difference.
    """
    text = unicodedata.normalize("NFKC", name)
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _invisible(c))
    return " ".join(unicodedata.normalize("NFKC", text.casefold()).split())


def spellings(names: Iterable[str]) -> dict[str, list[str]]:
    """{key: its different spellings, in order of appearance}, of keys that have more than one."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        found[spelling_key(name)].append(name)
    return {key: each for key, each in found.items() if len(each) > 1}


def leading_zero_groups(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ alone in leading zeros ("1" and "01", "P7" and "P007") and the like.

    A spreadsheet's ".0", digits of another script, and other dashes make no difference either.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[_without_leading_zeros(spelling_key(name))].append(name)
    return [group for group in groups.values() if len({spelling_key(name) for name in group}) > 1]


def say_leading_zeros(patients: Iterable[str], where: object) -> None:
    """Name the patients who may be one, see `leading_zero_groups`."""
    for group in leading_zero_groups(sorted(set(patients))):
        notice(
            f"{where}: patients {', '.join(group)} differ only in leading zeros, '.0', or in kinds of digits and "
            "dashes: are they one?"
        )


def refuse_spellings(names: Iterable[str], where: object, what: str) -> None:
    """Refuse ids of which two are one but for spelling: a patient could be in two splits.

    Raises:
        InputError: names both, with their code points where they look alike.
    """
    for first, second, *_ in spellings(names).values():
        raise InputError(
            f"{where}: {what} {shown(first)} and {shown(second)} differ only in case, blanks or characters that look "
            "alike: write each id in one way"
        )


def one_spelling(counts: Mapping[str, int], preferred: Iterable[str] = ()) -> dict[str, str]:
    """{name: the spelling to use}, for every name counted.

    Args:
        counts: how often each spelling was found, in order of appearance.
        preferred: spellings that win whatever their count.
    """
    chosen = {spelling_key(name): name for name in reversed(list(preferred))}
    for name in sorted(counts, key=lambda n: -counts[n]):
        chosen.setdefault(spelling_key(name), name)
    return {name: chosen[spelling_key(name)] for name in counts}


def say_spellings(names: Iterable[str], where: object, what: str) -> dict[str, str]:
    """{name: the spelling to use}, see `one_spelling`; names every group of spellings that is read as one."""
    counts = Counter(names)
    chosen = one_spelling(counts)
    for group in spellings(counts).values():
        notice(f"{where}: {what} {', '.join(map(shown, group))} differ only in spelling: read as {chosen[group[0]]!r}")
    return chosen


def name_fault(name: str) -> str | None:
    """What is wrong with a name: too long, or with characters that a terminal or a file name can't show."""
    if len(name) > MAX_NAME:
        return f"has {len(name)} characters, more than {MAX_NAME}"
    for character in name:
        if unicodedata.category(character) in ("Cc", "Cs") or character in "\u2028\u2029":
            return f"holds the control character U+{ord(character):04X}"
    return None


def shown(name: str) -> str:
    """A name for messages: quoted, with the code points of what is no plain ASCII."""
    odd = [c for c in name if not " " <= c <= "~"]
    if not odd:
        return repr(name)
    points = " ".join(f"U+{ord(c):04X}" for c in dict.fromkeys(odd))
    return f"{name!r} (with {points})"


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE or character in _BLANK


def _without_leading_zeros(key: str) -> str:
    out, digits = [], ""
    for character in re.sub(r"(?<=[0-9])\.0$", "", key) + "\0":
        if character.isdecimal():
            digits += str(unicodedata.decimal(character))
            continue
        if unicodedata.category(character) == "Pd":
            character = "-"
        if digits:
            out.append(digits.lstrip("0") or "0")
            digits = ""
        out.append(character)
    return "".join(out)
