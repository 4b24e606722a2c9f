"""A function over many items in processes, with results in the items' order."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from common.errors import InputError

A = TypeVar("A")
B = TypeVar("B")

MAX_JOBS = 1024
_AHEAD = 4  # items for each process that may be begun before their turn


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(function: Callable[[A], B], items: Iterable[A], jobs: int) -> Iterator[B]:
    """`map`, in `jobs` processes; with one in this process.

    The first error in the items' order is raised, as `map` would raise it; when an error or an interrupt
    ends the iteration, the processes are ended at once. A script that calls this with more
    than one job needs `if __name__ == "__main__":`, as Python's own process pools do.

    Args:
        function: of a module, and so are its arguments and results: they are pickled.
        items: taken as they are needed. jobs: processes, at least 1.

    Raises:
        InputError: a process was ended from outside.
    """
    if jobs == 1:
        yield from map(function, items)
        return
    before = set(multiprocessing.active_children())
    # Spawned, not forked: a process that has loaded TensorFlow can't be forked safely.
    pool = concurrent.futures.ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    waiting: collections.deque[concurrent.futures.Future[B]] = collections.deque()
    finished = False
    try:
        for item in items:
            with _interrupts_held_back():
                waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        finished = True
    except BrokenProcessPool as error:
        raise InputError(
            "a process was ended from outside, perhaps because the memory is full: run it again with fewer jobs"
        ) from error
    finally:
        if not finished:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes started in this block never see Ctrl-C: this process ends them, and says what there is to say."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
