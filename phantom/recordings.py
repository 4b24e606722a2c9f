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
from common.files import whole_folder, write_text
from data.gaze.writer import write_tobii_sdk_stream
from phantom.biometry import draw_fetus
from phantom.cast import CLASSES
from phantom.clip import Session, simulate_clip
from phantom.config import PhantomConfig
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
    config: PhantomConfig


def write_recordings(folder: str | os.PathLike[str], config: PhantomConfig, *, overwrite: bool = False) -> Path:
    """Simulate the recordings of some patients: four clips each, as files.

    Every patient has a seed of its own: the same seed gives the same bytes, whatever
    the number of workers and of patients.

    Args:
        folder: to make; whole or not at all.
        config: what to simulate. overwrite: replace `folder`.

    Returns:
        Path of the manifest.

    Raises:
        InputError: the folder can't be written.
    """
    with whole_folder(folder, overwrite=overwrite) as temporary:
        for name in ("video", "gaze", "labels"):
            (temporary / name).mkdir()
        # Absolute: a spawned worker starts in the folder in which this process started.
        orders = [Order(str(temporary.resolve()), patient, config) for patient in range(config.patients)]
        workers = worker_count(config)
        done = dict(track(_run(orders, workers), "simulating patients", total=config.patients))
        rows = [row for patient in sorted(done) for row in done[patient]]
        write_text(temporary / MANIFEST, _csv(COLUMNS, rows))
    return Path(folder) / MANIFEST


def worker_count(config: PhantomConfig, cores: int | None = None) -> int:
    """Processes to start: as many as are asked for, or one for each core, and never more than there are patients.

    Args:
        cores: of this machine; None counts those that this process may use.
    """
    if cores is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(config.patients, config.workers or cores)


def write_patient(order: Order) -> tuple[int, list[tuple]]:
    """Simulate and write one patient's clips; gives the patient and its rows of the manifest.

    The clips come in random order under running numbers, so that neither names nor
    order tell what they show.
    """
    config = order.config
    rng = np.random.default_rng([config.seed, order.patient])
    fetus = draw_fetus(rng)
    session = Session(draw_look(rng), draw_bias(rng), Screen(box=_image_box(config.frame_size, rng)))
    rows, level = [], config.level()
    for slot, index in enumerate(rng.permutation(len(CLASSES))):
        # The examination goes on between the clips that are kept, and the calibration drifts.
        bias = drift(session.bias_degree, rng.uniform(0.1, 0.4) * SESSION_S, rng)
        session = dataclasses.replace(session, bias_degree=bias)
        clip = simulate_clip(
            fetus,
            CLASSES[index],
            session,
            rng,
            level,
            frame_size=config.frame_size,
            fps=config.fps,
            duration_s=config.clip_s,
        )
        name = f"r{order.patient * len(CLASSES) + slot + 1:05d}"
        files = f"video/{name}.mkv", f"labels/{name}.csv", f"gaze/{name}.csv"
        folder = Path(order.folder)
        write_video(folder / files[0], clip.frames, config.fps)
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


def write_video(path: Path, frames: np.ndarray, fps: float) -> None:
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
