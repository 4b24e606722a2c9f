"""The phantom as a data set: simulated recordings, read back through the door of real ones."""

from __future__ import annotations

import os
from pathlib import Path

from common.files import whole_folder
from data.splits import split_patients
from phantom.clip import CLASSES
from phantom.recordings import patient_name, write_recordings
from phantom.version import VERSION


def prepare_phantom(
    out: str | os.PathLike,
    *,
    patients: int = 60,
    seed: int = 0,
    frame_size: tuple[int, int] = (112, 144),
    fps: float = 10.0,
    val_fraction: float = 0.15,
    test_fraction: float = 0.2,
    difficulty: str = "default",
    overwrite: bool = False,
    keep_fps: float | None = None,
    workers: int | None = None,
):
    """Simulate recordings into `out/recordings` and make the data set `out` of them.

    Args:
        out: folder to make, whole or not at all.
        patients, seed, frame_size, fps, difficulty, workers: see `write_recordings`.
        val_fraction, test_fraction: of the patients; `seed` splits them too.
        overwrite: replace `out` if it exists.
        keep_fps: frames per s that the data set keeps of the videos; None keeps all.

    Returns:
        The opened `data.dataset.Dataset`; its classes are `CLASSES`, and `info["card"]` is
        its data card (`phantom.card`).

    Raises:
        InputError: a number out of range, too few patients for the split, or a folder
            that can't be written.
    """
    # Imported late: they load TensorFlow, which the worker processes must not.
    from data.dataset import open_dataset
    from data.sources.recordings import prepare_recordings
    from phantom.card import add_card

    out = Path(out)
    # An impossible split is refused here, before anything is simulated.
    names = [patient_name(patient) for patient in range(patients)]
    split_patients(names, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    source = {
        "kind": "phantom",
        "simulated": True,
        "generator_version": VERSION,
        "seed": seed,
        "patients": patients,
        "difficulty": difficulty,
        "frames_per_s": fps,
        "kept_frames_per_s": keep_fps or fps,
    }
    with whole_folder(out, overwrite=overwrite, marker="dataset.json") as folder:
        manifest = write_recordings(
            folder / "recordings",
            patients=patients,
            seed=seed,
            frame_size=frame_size,
            fps=fps,
            difficulty=difficulty,
            workers=workers,
        )
        # A data set takes a whole folder; it is made beside the recordings, then joins them.
        inner = folder / "dataset"
        data = prepare_recordings(
            manifest,
            inner,
            frame_size=frame_size,
            fps=keep_fps,
            classes=CLASSES,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            seed=seed,
            source=source,
        )
        add_card(data, {**source, "frame_size": list(frame_size)}, seed=seed)
        for file in sorted(inner.iterdir()):
            file.rename(folder / file.name)
        inner.rmdir()
    return open_dataset(out)
