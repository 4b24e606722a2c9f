"""What a convolution costs in 8 bits by its channels, kernel and kind, and what rounder channels would buy.

    python benchmarks/channels.py

Single convolutions on a grid of the students as int8 `.tflite` files, one thread of LiteRT: ns per 1,000
multiply-adds, so that a count of channels that wastes a part of the processor's vectors, or a kernel that the engine
is slow at, costs more. Then students of 112×144 whose channels are multiples of 4, as they are, of 8 and of 16: more
channels take more multiply-adds, so both times stand there. All times of a row are taken in turns inside one run.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from benchmarks import shown  # noqa: E402
from benchmarks.timed import in_turns, int8_file, litert  # noqa: E402
from common import quiet  # noqa: E402, F401  (before TensorFlow)

if TYPE_CHECKING:
    import keras

SHAPE, CLASSES = (112, 144, 1), ("abdomen", "femur", "head", "background")
GRID = (14, 18)  # stride 8 of 112×144
COUNTS = (20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 56, 64)
KERNELS = (1, 3, 5, 7)
FAMILIES = {"squeezenet_1_1": {}, "squeezenet_1_0": {}, "sononet_4": {"width": 0.9}, "sononet_8": {"width": 0.95}}
DIVISORS = (4, 8, 16)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(shown.measured_on("ai-edge-litert"))
        print(f"\n{_layers(folder)}\n\n{_kernels(folder)}\n\n{_students(folder)}")


def _layers(folder: Path) -> str:
    """Time per multiply-add of convolutions from as many channels to as many."""
    kinds: dict[str, Callable] = {
        "1×1": lambda layers, n: layers.Conv2D(n, 1, activation="relu"),
        "3×3": lambda layers, n: layers.Conv2D(n, 3, padding="same", activation="relu"),
        "3×3, depthwise": lambda layers, n: layers.DepthwiseConv2D(3, padding="same", activation="relu"),
    }
    macs = {"1×1": lambda n: n * n, "3×3": lambda n: 9 * n * n, "3×3, depthwise": lambda n: 9 * n}
    rows = []
    for kind, make in kinds.items():
        files = [_one(make, n, folder / f"{len(rows)}_{n}.tflite") for n in COUNTS]
        times = in_turns([litert(path) for path in files])
        costs = [1e9 * ms / (np.prod(GRID) * macs[kind](n)) for n, ms in zip(COUNTS, times)]
        rows.append([kind, *(f"{cost:.0f}" for cost in costs)])
    return shown.table([f"ns per 1,000 MACs, {GRID[0]}×{GRID[1]}", *map(str, COUNTS)], rows)


def _one(make: Callable, count: int, path: Path) -> Path:
    import keras

    given = keras.Input((*GRID, count), batch_size=1)
    return int8_file(keras.Model(given, make(keras.layers, count)(given)), path)


def _kernels(folder: Path) -> str:
    """Time per multiply-add of a first convolution, stride 2, by its kernel."""
    import keras

    def stem(size: int) -> Path:
        given = keras.Input(SHAPE, batch_size=1)
        layer = keras.layers.Conv2D(32, size, strides=2, padding="same", activation="relu")
        return int8_file(keras.Model(given, layer(given)), folder / f"stem_{size}.tflite")

    times = in_turns([litert(stem(size)) for size in KERNELS])
    cells = SHAPE[0] * SHAPE[1] // 4
    costs = [f"{1e9 * ms / (cells * 32 * size**2):.0f}" for size, ms in zip(KERNELS, times)]
    head = ["first convolution, stride 2, 32 channels", *(f"{size}×{size}" for size in KERNELS)]
    return shown.table(head, [["ms", *(f"{ms:.3f}" for ms in times)], ["ns per 1,000 MACs", *costs]])


def _students(folder: Path) -> str:
    """Students with their channels rounded to other multiples."""
    rows = []
    for family, options in FAMILIES.items():
        built = [_export(family, options, divisor, folder) for divisor in DIVISORS]
        times = in_turns([litert(path) for path, _ in built])
        for divisor, (path, macs), ms in zip(DIVISORS, built, times):
            cost = 1e9 * ms / macs
            rows.append([f"{family}, multiples of {divisor}", f"{path.stat().st_size:,}", f"{macs / 1e6:.1f}",
                         f"{ms:.3f}", f"{cost:.0f}"])  # fmt: skip
    return shown.table(["112×144, int8", "bytes", "M MACs", "LiteRT, ms", "ns per 1,000 MACs"], rows)


def _export(family: str, options: dict, divisor: int, folder: Path) -> tuple[Path, int]:
    """The int8 file and the MACs of an untrained student whose channels are multiples of a number."""
    import models
    from evaluation.complexity import count_macs
    from models import sononet, squeezenet
    from models.layers import channels

    rounded = functools.partial(channels, divisor=divisor)
    with mock.patch.object(squeezenet, "channels", rounded), mock.patch.object(sononet, "channels", rounded):
        student = models.create(family, SHAPE, len(CLASSES), **options)
    return _written(student, folder / f"{family}_{divisor}.tflite"), count_macs(student)


def _written(student: keras.Model, path: Path) -> Path:
    from evaluation.artefacts import Metadata
    from quantization.tflite import post_training_int8

    frames: Sequence = np.random.default_rng(0).uniform(size=(16, *SHAPE)).astype(np.float32)
    post_training_int8(student, [frames], path, Metadata(path.stem, CLASSES, SHAPE[:2], "probabilities", "student"))
    return path


if __name__ == "__main__":
    main()
