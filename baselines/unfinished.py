"""What an interrupted baseline goes on from: the state of each of its trainings after their last whole epochs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

from baselines.config import BaselineConfig
from baselines.record import NAME
from baselines.source import Source
from common.console import notice, say
from common.files import sha256_of
from training.stages import TRAINING_VERSION


class Unfinished:
    """The folder `<out>.unfinished`: there while a baseline trains, removed once `<out>` is whole.

    A file in it is named by its training and by all that decides the outcome: configuration,
    source, teacher, data, how the source was trained on them and the version of the training. The same
    command goes on from it, another one does not see it.

    Args:
        source: what the baseline starts from, and its configuration.
    """

    def __init__(self, source: Source) -> None:
        config = source.config
        self.folder = _folder(config)
        settings = {
            name: value
            for name, value in dataclasses.asdict(config).items()
            if name not in ("source", "data", "out", "teacher", "overwrite", "verify", *_TARGETS)
        }
        teacher = getattr(config, "teacher", None)
        files = [Path(config.source), *([] if teacher is None else [Path(teacher)])]
        patients = sorted(source.data.labelled_patients or ())
        batches = [dataclasses.asdict(source.pipeline(0)), patients]
        decisive = [TRAINING_VERSION, settings, batches, source.data.checksum, sha256_of(files)]
        words = json.dumps(decisive, sort_keys=True, default=str)
        self._fingerprint = hashlib.sha256(words.encode()).hexdigest()[:16]
        if self.folder.is_dir() and any(self.folder.glob(f"*-{self._fingerprint}.npz")):
            say(f"going on from {self.folder}")

    def file(self, training: str) -> Path:
        """Of one training, such as "sparsity_80-prune"; it need not be there."""
        return self.folder / f"{training}-{self._fingerprint}.npz"

    def remove(self) -> None:
        """Remove the folder: what was trained is on disk."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_finished(config: BaselineConfig) -> None:
    """Remove states older than the whole folder that came of them: their command was killed at its very end."""
    folder, record = _folder(config), Path(config.out) / NAME
    if not folder.is_dir() or not record.is_file():
        return
    if all(file.stat().st_mtime <= record.stat().st_mtime for file in folder.iterdir()):
        shutil.rmtree(folder)
        notice(f"{folder}: left by an interrupted command, removed")


def _folder(config: BaselineConfig) -> Path:
    return Path(config.out).with_name(f"{Path(config.out).name}.unfinished")


# The target of a training is in its file's name: another list of targets still finds those that are done.
_TARGETS = ("sparsity", "clusters", "keep")
