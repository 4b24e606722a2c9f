"""What the benchmarks print: Markdown tables, and a line that says when and on what they were measured."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; its first column is text, the others are aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def measured_on(*packages: str) -> str:
    """The date, the machine, and the versions of more packages, in one line."""
    from common.machine import describe, machine

    found = [f"{name} {_version(name)}" for name in packages]
    return "; ".join(
        [f"{datetime.date.today():%Y-%m-%d}, {describe(machine())}", *([", ".join(found)] if found else [])]
    )


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, thousands separated."""
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{float(text):g}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
