"""What the commands show on a terminal: one console, one kind of progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

# Piped output is not cut at 80 columns: a table in a log must keep its figures.
console = Console(width=None if sys.stdout.isatty() else 140, soft_wrap=not sys.stdout.isatty())


def notice(text: str) -> None:
    """One line on standard error: something worth knowing that is no error."""
    print("note: " + " ".join(text.splitlines()), file=sys.stderr)


def say(text: str) -> None:
    """A line as it is: a path with brackets in it is no markup."""
    console.print(text, markup=False, highlight=False)


def progress_bar() -> Progress:
    """A bar with a description, counts, elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=False,
    )


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` behind a progress bar; in a log, a line at the end with the time taken."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if not console.is_terminal:
        start, count = time.perf_counter(), 0
        for item in items:
            yield item
            count += 1
        console.print(f"{description}: {count} in {time.perf_counter() - start:.1f} s")
        return
    with progress_bar() as bar:
        yield from bar.track(items, total=total, description=description)
