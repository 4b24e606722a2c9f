"""The phantom as a data set: simulated recordings, read back as real ones are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.files import whole_folder
from data.splits import split_patients
from phantom.cast import CLASSES
from phantom.config import PhantomConfig
from phantom.recordings import patient_name, write_recordings
from phantom.version import VERSION

if TYPE_CHECKING:
    from data.dataset import Dataset


def prepare_phantom(
    out: str | os.PathLike[str], config: PhantomConfig | None = None, *, overwrite: bool = False
) -> Dataset:
    """Simulate recordings into `out/recordings` and make the data set `out` of them.

    Args:
        out: folder to make, whole or not at all.
        config: what to simulate; None is `PhantomConfig()`.
        overwrite: replace `out` if it exists.

    Returns:
        The opened `data.dataset.Dataset`; its classes are `CLASSES`, and `info["card"]` is
        its data card (`phantom.card`).

    Raises:
        InputError: too few patients for the split, or a folder that can't be written.
    """
    # Imported late: they load TensorFlow, which the worker processes must not.
    from data.dataset import open_dataset
    from data.sources import RecordingsConfig, prepare_recordings
    from phantom.card import add_card

    config, out = config or PhantomConfig(), Path(out)
    # An impossible split is refused here, before anything is simulated.
    names = [patient_name(patient) for patient in range(config.patients)]
    fractions: dict[str, Any] = {"val_fraction": config.val_fraction, "test_fraction": config.test_fraction}
    split_patients(names, seed=config.seed, **fractions)
    source = describe(config)
    with whole_folder(out, overwrite=overwrite, marker="dataset.json") as folder:
        manifest = write_recordings(folder / "recordings", config)
        # A data set takes a whole folder; it is made in one of its own, then moved next to the recordings.
        inner = folder / "dataset"
        recordings = RecordingsConfig(
            manifest=manifest,
            out=inner,
            frame_size=config.frame_size,
            fps=config.keep_fps,
            classes=tuple(CLASSES),
            seed=config.seed,
            **fractions,
        )
        data = prepare_recordings(recordings, source=source)
        add_card(data, {**source, "frame_size": list(config.frame_size)}, seed=config.seed)
        for file in sorted(inner.iterdir()):
            file.rename(folder / file.name)
        inner.rmdir()
    return open_dataset(out)


def describe(config: PhantomConfig) -> dict[str, Any]:
    """The section "source" of the data set's `dataset.json`, but for the checksum."""
    about = {
        "kind": "phantom",
        "simulated": True,
        "generator_version": VERSION,
        "seed": config.seed,
        "patients": config.patients,
        "difficulty": config.difficulty,
        "frames_per_s": config.fps,
        "kept_frames_per_s": config.keep_fps or config.fps,
        "clip_s": config.clip_s,
        "val_fraction": config.val_fraction,
        "test_fraction": config.test_fraction,
    }
    return about if config.rivals is None else {**about, "rivals": config.rivals}
