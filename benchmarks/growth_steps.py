"""The steps that `benchmarks/growth.py` measures, each run in a process of its own.

    python benchmarks/growth_steps.py STEP FOLDER FRAMES

prints one line of JSON: the seconds that the step took, the peak of resident memory, MiB, and what else it found out.
Frames are waves of 64×64 pixels, a clip for each patient; the first three pixels are the number of the patient.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

    from data.augment import Augmentation
    from data.dataset import Dataset

SIZE = (64, 64)
CLASSES = ("abdomen", "femur", "head", "background")
FPS = 25
STUDENT = "student_int8.tflite"
CLIP_FRAMES = 250
BATCH = 32
_MOST = 60_000  # frames of an epoch that are gone through: by then every buffer has long been full
_MIXED_BATCHES = 400
_WINDOW = 32  # batches


def idle(folder: Path, frames: int) -> dict[str, Any]:
    """What a process takes that does nothing but import the packages."""
    import evaluation.report  # noqa: F401
    import training.run  # noqa: F401

    return {}


def prepare(folder: Path, frames: int) -> dict[str, Any]:
    """What `prepare.py` does with each frame of a recording, from its pixels on: compare, encode, write."""
    from data.dataset import FrameRecord, open_dataset, write_dataset
    from data.duplicates import FrameRegister, frame_digest
    from data.frames import encode_png
    from data.video.framing import prepare_image

    random, register = np.random.default_rng(0), FrameRegister()
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    pool = [(127 + 90 * np.sin(x / a) * np.cos(y / b)).astype(np.uint8) for a, b in random.uniform(2, 9, (64, 2))]
    clips = frames // CLIP_FRAMES
    source = {"kind": "waves", "simulated": True, "checksum": "0"}
    about = {"classes": CLASSES, "frame_size": SIZE, "source": source, "seed": 0}
    with write_dataset(folder / "data", **about) as writer:
        for patient in range(clips + 2 * len(CLASSES)):
            split = ("val", "test")[(patient - clips) // len(CLASSES)] if patient >= clips else "train"
            recording, name = f"r{patient:06d}", f"p{patient:06d}"
            gaze = np.clip(0.5 + np.cumsum(random.normal(0, 0.005, (2 * CLIP_FRAMES, 2)), axis=0), 0, 1)
            for index, points in enumerate(gaze.reshape(CLIP_FRAMES, 2, 2)):
                image = pool[(patient + index) % len(pool)].copy()
                image[0, :3] = [patient >> 16, patient >> 8 & 255, patient & 255]
                image[0, 3:5] = [index >> 8, index & 255]
                frame = prepare_image(image, SIZE, "pad")
                register.add(recording, name, frame_digest(frame))
                record = FrameRecord(
                    encode_png(frame), patient % len(CLASSES), recording, name, index, index / FPS, *points.T.tolist()
                )
                writer.add(split, record)
            register.close(recording, recording)
    data = open_dataset(folder / "data")
    assert data.frames("train") == frames
    return {"bytes": sum(data.info["splits"]["train"]["shard_bytes"])}


def student(folder: Path, frames: int) -> dict[str, Any]:
    """A small untrained student as an int8 file."""
    import models
    from evaluation.artefacts import Metadata
    from quantization.tflite import post_training_int8

    made = models.create("mobilenet_v1", (*SIZE, 1), len(CLASSES), width=0.05)
    metadata = Metadata("mobilenet_v1", CLASSES, SIZE, "probabilities", "student")
    frames_shown = np.random.default_rng(0).random((16, *SIZE, 1), np.float32)
    post_training_int8(made, [frames_shown], folder / STUDENT, metadata)
    return {}


def open_(folder: Path, frames: int) -> dict[str, Any]:
    """Open the data set, as every command does first."""
    _data(folder)
    return {}


def epoch(folder: Path, frames: int) -> dict[str, Any]:
    """One epoch of the training pipeline, augmented."""
    from data.augment import Augmentation

    return _through(lambda: _batches(folder, Augmentation()), frames)


def shuffled_gaze(folder: Path, frames: int) -> dict[str, Any]:
    """The same with the gaze of other recordings."""
    from data.augment import Augmentation

    return _through(lambda: _batches(folder, Augmentation(), gaze="shuffled"), frames)


def evaluate(folder: Path, frames: int) -> dict[str, Any]:
    """evaluate.py of an 8-bit student on all frames: predictions, metrics, intervals."""
    from evaluation import EvaluateConfig, run_evaluation

    config = EvaluateConfig(artefacts=(folder / STUDENT,), data=folder / "data", split="train", latency=False)
    assert run_evaluation(config).report["artefacts"][0]["n_frames"] == frames
    return {}


def bootstrap(folder: Path, frames: int) -> dict[str, Any]:
    """Metrics and their intervals over patients, of a predictions table."""
    from evaluation.classification import classification_metrics, paired_difference_ci
    from evaluation.predictions import split_rows

    random, table = np.random.default_rng(0), split_rows(_data(folder), "train")
    for name, values in zip(CLASSES, random.dirichlet(np.ones(len(CLASSES)), len(table)).T):
        table[f"p_{name}"] = values.astype(np.float32)
    start = time.perf_counter()
    classification_metrics(table, CLASSES)
    paired_difference_ci(table, table, CLASSES)
    return {"seconds": time.perf_counter() - start}


def mixing(folder: Path, frames: int) -> dict[str, Any]:
    """Distinct patients in a batch, and in 32 batches after each other."""
    batches = _batches(folder, None).take(_MIXED_BATCHES).as_numpy_iterator()
    pixels = np.stack([np.rint(255 * features["frame"][:, 0, :3, 0]).astype(int) for features, *_ in batches])
    patients = pixels @ [1 << 16, 1 << 8, 1]
    windows = patients[: len(patients) // _WINDOW * _WINDOW].reshape(-1, _WINDOW * BATCH)
    return {
        "batch": float(np.mean([len(np.unique(row)) for row in patients])),
        "window": float(np.mean([len(np.unique(row)) for row in windows])),
    }


def perfect(frames: int, drawn: int) -> float:
    """Distinct patients to expect among frames that a perfect shuffle draws, of patients with `CLIP_FRAMES` each."""
    left = np.arange(drawn)
    absent = np.prod(np.maximum(frames - CLIP_FRAMES - left, 0) / (frames - left))
    return frames // CLIP_FRAMES * (1 - float(absent))


def _data(folder: Path) -> Dataset:
    from data.dataset import open_dataset

    return open_dataset(folder / "data")


def _batches(folder: Path, augmentation: Augmentation | None, gaze: str = "real") -> tf.data.Dataset:
    from data.pipeline import PipelineSettings, training_batches

    return training_batches(_data(folder), "train", PipelineSettings(batch_size=BATCH, gaze=gaze), augmentation)


def _through(make: Callable[[], tf.data.Dataset], frames: int) -> dict[str, Any]:
    """Make the batches, up to the first one, and from there on: {"first_s", "frames" gone through in the rest}."""
    begun = time.perf_counter()
    for number, _ in enumerate(make().take(-(-min(frames, _MOST) // BATCH))):
        if number == 0:
            first_s = time.perf_counter() - begun
    return {"first_s": first_s, "frames": number * BATCH}


STEPS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "idle": idle,
    "student": student,
    "prepare": prepare,
    "open": open_,
    "epoch": epoch,
    "shuffled gaze": shuffled_gaze,
    "evaluate": evaluate,
    "bootstrap": bootstrap,
    "mixing": mixing,
}


def _peak_mib() -> float:
    """Of this process alone: what `getrusage` gives starts at its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> None:
    from common import quiet  # noqa: F401  (before TensorFlow)

    step, folder, frames = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    idle(folder, frames)  # what importing takes is no part of a step
    begun = time.perf_counter(), time.process_time()
    found = STEPS[step](folder, frames)
    spent = {"seconds": time.perf_counter() - begun[0], "cpu_seconds": time.process_time() - begun[1]}
    print(json.dumps({**spent, **found, "peak_mib": _peak_mib()}))


if __name__ == "__main__":
    main()
