"""Runs a property on random input: a short run that is always the same, or as long as FUZZ_MINUTES says."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase

from common.errors import InputError, run_command

MINUTES = float(os.environ.get("FUZZ_MINUTES") or 0)
HANGS_AFTER_S = 30
# Seconds of each test of a long run, when it is known how many there are.
share_s = [0.0]
# Inputs tried by the tests that have run.
tried = [0]


def fuzz(check: Callable[..., None], *, examples: int, **inputs: Any) -> None:
    """Call `check` with values drawn from strategies by name.

    Args:
        check: raises where the property does not hold.
        examples: of the short run; a long one draws until its time is over.
        inputs: strategies.
    """
    if not MINUTES:
        _draw(check, examples, 0, inputs)
        return
    end = time.monotonic() + share_s[0]
    while time.monotonic() < end:
        _draw(check, 4 * examples, random.randrange(2**32), inputs)


def _draw(check: Callable[..., None], examples: int, seed: int, inputs: dict[str, Any]) -> None:
    def limited(**values: Any) -> None:
        tried[0] += 1
        with _time_limit():
            check(**values)

    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    hypothesis.seed(seed)(settings(hypothesis.given(**inputs)(limited)))()


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"still running after {HANGS_AFTER_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANGS_AFTER_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def accepted(call: Callable[[], Any]) -> Any:
    """What `call` gives, or None where it refuses its input; any other exception is a fault."""
    try:
        return call()
    except InputError as error:
        assert "\n" not in " ".join(str(error).split())
        return None


def run(main: Callable[[list[str]], int | None], words: list[str]) -> int:
    """The exit code of a command: 0, or 2 with one line on standard error.

    What libraries in C write to file descriptor 2 counts too; notes do not.
    """
    said, noise, out = io.StringIO(), "", io.StringIO()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(out):
                code = run_command(main, words)
        except SystemExit as end:  # --help
            code = end.code
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        log.seek(0)
        noise = log.read().decode(errors="replace")
    lines = [line for line in (said.getvalue() + noise).splitlines() if not line.startswith("note: ")]
    assert code in (0, 2), (code, lines)
    assert len(lines) == (code == 2), lines
    assert all(line.startswith("error: ") and line.isprintable() for line in lines), lines
    return code
