"""Write simulated recordings: videos, gaze files, labels and the manifest that names them."""

from __future__ import annotations

import concurrent.futures
import csv
import dataclasses
import io
import multiprocessing
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from common.console import track
from common.errors import InputError
from common.files import whole_folder, write_text
from data.gaze.writer import write_tobii_sdk_stream
from phantom.biometry import draw_fetus
from phantom.clip import CLASSES, Session, simulate_clip
from phantom.difficulty import get_difficulty
from phantom.looks import draw_look
from phantom.tracker import SESSION_S, Screen, draw_bias, drift

MANIFEST = "manifest.csv"
COLUMNS = (
    "recording_id",
    "patient_id",
    "video",
    "labels",
    "gaze",
    "gaze_offset_s",
    "screen_width_px",
    "screen_height_px",
    "image_box_px",
)


@dataclasses.dataclass(frozen=True)
class Order:
    """What a worker needs to know to make one patient's recordings."""

    folder: str
    patient: int
    seed: int
    frame_size: tuple[int, int]
    fps: float
    clip_s: float
    difficulty: str


def write_recordings(
    folder: str | os.PathLike,
    *,
    patients: int,
    seed: int,
    frame_size: tuple[int, int] = (112, 144),
    fps: float = 10.0,
    clip_s: float = 4.0,
    difficulty: str = "default",
    overwrite: bool = False,
    workers: int | None = None,
) -> Path:
    """Simulate the recordings of some patients: four clips each, as files.

    Every patient has a seed of its own: the same seed gives the same bytes, whatever
    the number of workers and of patients.

    Args:
        folder: to make; whole or not at all.
        patients: how many. seed: of everything.
        frame_size: (H, W) of the videos, px. fps: of the videos. clip_s: length of each.
        difficulty: "easy", "default" or "hard".
        overwrite: replace `folder`. workers: processes; default one per core.

    Returns:
        Path of the manifest.

    Raises:
        InputError: a number out of range, or a folder that can't be written.
    """
    check_numbers(patients, seed, frame_size, fps, clip_s)
    get_difficulty(difficulty)
    workers = min(patients, workers or _cores())
    with whole_folder(folder, overwrite=overwrite) as temporary:
        for name in ("video", "gaze", "labels"):
            (temporary / name).mkdir()
        orders = [
            Order(str(temporary), patient, seed, tuple(frame_size), fps, clip_s, difficulty)
            for patient in range(patients)
        ]
        done = dict(track(_run(orders, workers), "simulating patients", total=patients))
        rows = [row for patient in sorted(done) for row in done[patient]]
        write_text(temporary / MANIFEST, _csv(COLUMNS, rows))
    return Path(folder) / MANIFEST


def write_patient(order: Order) -> tuple[int, list[tuple]]:
    """Simulate and write one patient's clips; gives the patient and its rows of the manifest.

    The clips come in random order under running numbers, so that neither names nor
    order tell what they show.
    """
    rng = np.random.default_rng([order.seed, order.patient])
    fetus = draw_fetus(rng)
    session = Session(draw_look(rng), draw_bias(rng), Screen(box=_image_box(order.frame_size, rng)))
    rows = []
    for slot, index in enumerate(rng.permutation(len(CLASSES))):
        # The examination goes on between the clips that are kept, and the calibration drifts.
        bias = drift(session.bias_degree, rng.uniform(0.1, 0.4) * SESSION_S, rng)
        session = dataclasses.replace(session, bias_degree=bias)
        clip = simulate_clip(
            fetus,
            CLASSES[index],
            session,
            rng,
            get_difficulty(order.difficulty),
            frame_size=order.frame_size,
            fps=order.fps,
            duration_s=order.clip_s,
        )
        name = f"r{order.patient * len(CLASSES) + slot + 1:05d}"
        files = f"video/{name}.mkv", f"labels/{name}.csv", f"gaze/{name}.csv"
        folder = Path(order.folder)
        _write_video(folder / files[0], clip.frames, order.fps)
        intervals = [(f"{i.start_s:.3f}", f"{i.end_s:.3f}", i.label) for i in clip.intervals]
        write_text(folder / files[1], _csv(("start_s", "end_s", "label"), intervals))
        offset_s = round(float(rng.uniform(2, 90)), 6)  # the tracker was switched on before the video
        gaze = clip.gaze
        write_tobii_sdk_stream(folder / files[2], gaze.time_s + offset_s, gaze.x, gaze.y, gaze.valid)
        screen = session.screen
        box = ",".join(str(n) for n in screen.box)
        rows.append((name, patient_name(order.patient), *files, offset_s, screen.width, screen.height, box))
    return order.patient, rows


def patient_name(patient: int) -> str:
    """The id of a patient, counted from 0."""
    return f"p{patient + 1:04d}"


def _run(orders: list[Order], workers: int) -> Iterator[tuple[int, list[tuple]]]:
    if workers == 1:
        yield from map(write_patient, orders)
        return
    # Spawned, not forked: a process that has loaded TensorFlow can't be forked safely.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(write_patient, order) for order in orders]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write_video(path: Path, frames: np.ndarray, fps: float) -> None:
    """Lossless grey video: FFV1 in Matroska, without date or random identifiers."""
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "gray"
        stream.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())


def _image_box(frame_size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Where this scanner shows the image on a 1920×1080 screen, px."""
    height, width = frame_size
    scale = min(1008 / width, 784 / height)
    box = round(width * scale), round(height * scale)
    left, top = int(rng.integers(380, 520)), int(rng.integers(90, 180))
    return left, top, *box


def _csv(columns: tuple, rows: list[tuple]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_numbers(patients: int, seed: int, frame_size: tuple[int, int], fps: float, clip_s: float) -> None:
    """Refuse what can't be simulated.

    Raises:
        InputError: naming the flag, what was given and what may be.
    """
    if patients < 1:
        raise InputError(f"--patients {patients}: must be at least 1")
    if seed < 0:
        raise InputError(f"--seed {seed}: must not be negative")
    if len(frame_size) != 2 or min(frame_size) < 48 or max(frame_size) > 1024:
        raise InputError(f"--frame-size {' '.join(map(str, frame_size))}: give H W, each from 48 to 1024 pixels")
    if not 1 <= fps <= 90:
        raise InputError(f"--fps {fps}: must be from 1 to 90 frames a second")
    if not 1 <= clip_s <= 20:
        raise InputError(f"the clip's length of {clip_s} s must be from 1 to 20")
