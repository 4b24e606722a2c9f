"""The machine on which a number was measured, without its name."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from importlib.metadata import version
from pathlib import Path


@functools.cache
def machine() -> dict:
    """{"processor", "cores", "memory_gib", "gpus", "python", "tensorflow", "keras"}; no host name."""
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": _memory_gib(),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
    }


def describe(found: dict) -> str:
    """One line of it."""
    memory = f", {found['memory_gib']} GiB" if found.get("memory_gib") else ""
    gpus = f"{found['gpus']} GPU" if found.get("gpus") else "no GPU"
    cores = "1 core" if found["cores"] == 1 else f"{found['cores']} cores"
    return (
        f"{cores} of {found['processor']}{memory}, {gpus}; Python {found['python']}, "
        f"TensorFlow {found['tensorflow']}, Keras {found['keras']}"
    )


def _processor() -> str:
    with contextlib.suppress(OSError):  # not Linux
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (ValueError, OSError, AttributeError):
        return None
