"""Claim: with its teacher's outputs cached, distillation costs little more than training the student alone.

    python benchmarks/distillation.py
    python benchmarks/distillation.py --frame-size 224 288 --frames 32

Frames a second of an epoch, data pipeline and augmentation included, VGG-16 → SqueezeNet 1.1 ×0.45, batch 32, float32:
the student alone, this project's Distiller (soft targets, attention maps of one tap, gaze) with the cache and with the
live teacher, `keras.distillation.Distiller` with its logits and its feature loss (the same attention maps), and a plain
PyTorch loop of the same nets (cross-entropy and KL; left out, with a note, without requirements-bench.txt), all on the
same batches. The arms take turns in one run, so that other load on the machine touches all alike; arms without a
teacher go through several epochs in each turn. "Batches alone" are those of the cached arm, read and augmented with
nobody to train; the CPU time per frame says what a core does of each. What counts is the ratios. "With filling" adds
the filling of the cache, of which three views are measured, to the epochs that a training has.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from benchmarks import shown  # noqa: E402
from common import quiet  # noqa: E402, F401  (before TensorFlow)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from training.stages import Stage
    from training.teacher_cache import TeacherCache

CLASSES = ("abdomen", "femur", "head", "background")
TEACHER, STUDENT, STUDENT_OPTIONS = "vgg16", "squeezenet_1_1", {"width": 0.45}
BATCH, TAP = 32, "stride16"
# That of configs/fetal_planes.yaml.
AUGMENT = {
    "flip_vertical": True, "rotation_deg": 28, "zoom": 0.15, "shift": 0.08,
    "brightness": 0.1, "contrast": 0.3, "gamma": 0.3,
}  # fmt: skip
_EPOCHS_A_TURN, _EPOCHS_ALONE = 4, 100  # of the arms that are fast, and of batches without a training
_ALONE = "batches alone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frame-size", type=int, nargs=2, default=[112, 144], metavar=("H", "W"))
    parser.add_argument("--frames", type=int, default=64, help="of the training split")
    parser.add_argument("--views", type=int, default=8, help="of the cache")
    parser.add_argument("--epochs", type=int, default=50, help="of the training that the filling is spread over")
    parser.add_argument("--turns", type=int, default=2, help="of each arm")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), tuple(flags.frame_size), flags)


def _measure(folder: Path, size: tuple[int, int], flags: argparse.Namespace) -> None:
    stage, teacher = _prepare(folder, size, flags)
    thrice = np.median([_filled(stage, teacher, 3)[1] for _ in range(flags.turns)])
    fills = [_filled(stage, teacher, 1) for _ in range(flags.turns)]
    cache, once = fills[-1][0], np.median([seconds for _, seconds in fills])
    filling = float(once + (flags.views - 1) * (thrice - once) / 2)  # starting is paid once, each view again
    arms = {
        _ALONE: _batches(stage, cache),
        "student alone": _ours(stage, None, None),
        "Distiller, cached": _ours(stage, teacher, cache),
        "Distiller, live": _ours(stage, teacher, None),
        "keras.distillation": _keras(stage, teacher),
        **_torch(stage),
    }
    for run in arms.values():
        run()  # fills what is cached
    measured = {name: np.median(times, axis=0) for name, times in _in_turns(arms, flags.turns).items()}
    print(_markdown({name: (float(wall), float(cpu)) for name, (wall, cpu) in measured.items()}, flags, filling))


def _markdown(measured: dict[str, tuple[float, float]], flags: argparse.Namespace, filling: float) -> str:
    seconds = {name: wall for name, (wall, _) in measured.items()}
    cached = seconds["Distiller, cached"]
    seconds["Distiller, cached, with filling"] = cached + filling / flags.epochs
    reference, alone = seconds["keras.distillation"], seconds["student alone"]
    height, width = flags.frame_size
    head = (
        f"{height}×{width}",
        "frames/s",
        "ratio to keras.distillation",
        "ratio to student alone",
        "CPU, ms per frame",
    )
    rows = [
        (
            name,
            f"{flags.frames / value:.1f}",
            f"{reference / value:.2f}",
            f"{alone / value:.2f}",
            f"{1000 * measured[name][1] / flags.frames:.2f}" if name in measured else "",
        )
        for name, value in seconds.items()
    ]
    said = (
        f"VGG-16 → SqueezeNet 1.1 ×{STUDENT_OPTIONS['width']}, {height}×{width}, {flags.frames} frames; "
        f"{flags.views} views of the cache take {filling:.1f} s to fill, spread over {flags.epochs} epochs."
    )
    return "\n".join([shown.measured_on("torch"), "", said, "", shown.table(head, rows)])


def _prepare(folder: Path, size: tuple[int, int], flags: argparse.Namespace) -> tuple[Stage, keras.Model]:
    """A data set of noise, an untrained teacher on disk, and the student's stage."""
    import keras

    import models
    from common.grid import map_size
    from data.dataset import FrameRecord, open_dataset, write_dataset
    from evaluation.artefacts import Metadata, save_keras
    from training import TrainConfig
    from training.stages import Stage, stage_fingerprints

    noise = np.random.default_rng(0)
    source = {"kind": "noise", "simulated": True, "checksum": "0"}
    with write_dataset(folder / "data", classes=CLASSES, frame_size=size, source=source, seed=0) as writer:
        for split, count in (("train", flags.frames), ("val", len(CLASSES))):
            for index in range(count):
                frame, name = noise.integers(0, 256, size, dtype=np.uint8), f"{split}{index // 16}"
                writer.add(
                    split, FrameRecord(frame, index % len(CLASSES), name, name, index, float(index), [0.5], [0.5])
                )
    keras.utils.set_random_seed(0)
    teacher = models.create(TEACHER, (*size, 1), len(CLASSES))
    metadata = Metadata(
        TEACHER, CLASSES, size, "logits", "teacher", ("frame", "gaze"), gaze_map_size=map_size(size), sigma=0.03
    )
    save_keras(teacher, folder / "teacher.keras", metadata)
    config = TrainConfig(
        folder / "data",
        folder / "run",
        teacher_path=(folder / "teacher.keras",),
        sigma=0.03,
        student=STUDENT,
        student_options=STUDENT_OPTIONS,
        distil={"epochs": flags.epochs, "views": 1, "batch_size": BATCH},
        loss={"attention_taps": [TAP]},
        augment=AUGMENT,
    )
    data = open_dataset(config.data)
    prints = stage_fingerprints(config, data)
    return Stage("student", config, data, Path(config.run), prints["student"], prints), teacher


def _filled(stage: Stage, teacher: keras.Model, views: int) -> tuple[TeacherCache, float]:
    """A new cache of so many views, and the seconds that its filling took."""
    from training.teacher_cache import teacher_cache

    distil = dataclasses.replace(stage.config.distil, views=views)
    stage = dataclasses.replace(stage, config=dataclasses.replace(stage.config, distil=distil))
    shutil.rmtree(stage.config.teacher_path[0].parent / "cache", ignore_errors=True)
    start = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        cache = teacher_cache(stage, teacher)
    return cache, time.perf_counter() - start


def _batches(stage: Stage, cache: TeacherCache) -> Callable[[], None]:
    """One epoch of the training's batches with their augmentation, and no training.

    Some batches lie ready before the first turn, so it goes through many epochs at once.
    """
    steps = _EPOCHS_ALONE * stage.steps_per_epoch(stage.config.distil)
    iterator = iter(stage.training_batches(stage.config.distil, 0, cache))

    def run() -> None:
        for _ in range(steps):
            next(iterator)

    return run


def _ours(stage: Stage, teacher: keras.Model | None, cache: TeacherCache | None) -> Callable[[], None]:
    """One epoch of this project's Distiller; without a teacher, of the student alone."""
    from models.distiller import Distiller
    from training.fitting import build_optimizer
    from training.student import build_student

    config = stage.config
    loss = config.loss if teacher is not None else dataclasses.replace(config.loss.without_teacher(), gaze=0.0)
    steps = stage.steps_per_epoch(config.distil)
    distiller = Distiller(build_student(config, stage.data), teacher, loss, total_steps=steps * config.distil.epochs)
    distiller.compile(optimizer=build_optimizer(config.distil, steps))
    return _epoch(distiller, stage.training_batches(config.distil, 0, cache), steps)


def _keras(stage: Stage, teacher: keras.Model) -> Callable[[], None]:
    """One epoch of the built-in Distiller; its feature loss is given what compares maps of other widths."""
    import keras

    from losses.attention import attention_transfer_loss
    from training.fitting import build_optimizer
    from training.student import build_student

    config = stage.config
    steps = stage.steps_per_epoch(config.distil)
    distiller = keras.distillation.Distiller(
        teacher=_blind(teacher),
        student=build_student(config, stage.data),
        distillation_losses=[
            keras.distillation.LogitsDistillation(temperature=4.0),
            keras.distillation.FeatureDistillation(attention_transfer_loss, TAP, TAP),
        ],
    )
    distiller.compile(
        optimizer=build_optimizer(config.distil, steps),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    batches = stage.training_batches(config.distil).map(lambda features, label, weight: (features["frame"], label))
    return _epoch(distiller, batches, steps)


def _epoch(model: keras.Model, batches: tf.data.Dataset, steps: int) -> Callable[[], None]:
    """The steps of an epoch of `fit`, on batches that go on where the epoch before ended."""
    model.fit(batches, steps_per_epoch=1, epochs=1, verbose=0, shuffle=False)  # builds and traces
    iterator = iter(batches)

    def run() -> None:
        for _ in range(steps):
            logs = model.train_function(iterator)
        float(next(iter(logs.values())))

    return run


def _torch(stage: Stage) -> dict:
    """One epoch in plain PyTorch, with the teacher and without; nothing where torch is absent."""
    try:
        import torch

        from benchmarks import torch_loop
    except ImportError as error:
        print(f"PyTorch is left out: {error}", file=sys.stderr)
        return {}
    import models
    from models.layers import channels

    torch.set_num_threads(os.cpu_count() or 1)
    width, classes, size = STUDENT_OPTIONS["width"], len(CLASSES), stage.data.frame_size
    teacher = torch_loop.vgg16(size, classes, 4096)
    arms = {}
    for name, net in (("PyTorch loop", teacher), ("PyTorch, student alone", None)):
        student = torch_loop.squeezenet_1_1(classes, lambda count: channels(count, width))
        for ours, theirs in ((TEACHER, net), (STUDENT, student)):
            options = STUDENT_OPTIONS if ours == STUDENT else {"fusion": "none"}
            built = models.create(ours, (*size, 1), classes, **options)
            expected = sum(int(np.prod(weight.shape)) for weight in built.trainable_weights)
            if theirs is not None and torch_loop.parameters(theirs) != expected:
                raise SystemExit(f"{ours}: {torch_loop.parameters(theirs)} parameters in PyTorch, {expected} in Keras")
        arms[name] = torch_loop.epoch(
            net, student, iter(stage.training_batches(stage.config.distil)), stage.steps_per_epoch(stage.config.distil)
        )
    return arms


def _blind(teacher: keras.Model) -> keras.Model:
    """The same network without its gaze input: the built-in Distiller refuses a teacher with other inputs."""
    import models

    return models.create(TEACHER, teacher.inputs[0].shape[1:], len(CLASSES), fusion="none")


def _in_turns(arms: dict, turns: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of an epoch by the clock and of the processor, of each turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    for _ in range(turns):
        for name, run in arms.items():
            calls = _EPOCHS_A_TURN if "student alone" in name or name.endswith("cached") else 1
            count = _EPOCHS_ALONE if name == _ALONE else calls
            start, worked = time.perf_counter(), time.process_time()
            for _ in range(calls):
                run()
            times[name].append(((time.perf_counter() - start) / count, (time.process_time() - worked) / count))
            print(f"{name}: {times[name][-1][0]:.2f} s per epoch", file=sys.stderr)
    return times


if __name__ == "__main__":
    main()
