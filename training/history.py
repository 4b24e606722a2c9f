"""What a run logs: `history.csv`, one row per epoch and stage, and TensorBoard scalars.

Columns: `stage` (pretrain_teacher, teacher, pretrain, student, int8), `epoch` (from 1), then what the stage's epoch
gave, empty where a stage has no such figure:

- `loss`, the total, and each term of it by its name, as the mean over the frames that the term is
  over (`gaze`: those with valid gaze; the others: all); `regularisation`, the model's own losses;
- `accuracy`, the share of the labelled frames whose class is right, each counting one;
- `agreement`, the share of the frames for which student and teacher name the same class, if a term needs the teacher;
- `val_…`, the same over the validation split, without augmentation;
- `learning_rate`, of the last step of the epoch, of the int8 stage.

The training figures are taken while the weights change, the validation ones at the epoch's end.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import keras
import pandas as pd
import tensorflow as tf
from rich.progress import Progress
from tensorflow.core.framework.summary_pb2 import Summary
from tensorflow.core.util.event_pb2 import Event

from common.console import console, progress_bar
from common.files import whole_file
from evaluation.history import read_history
from models.finite import check_finite


class History:
    """Collects epochs; every one is on disk before the next begins.

    Args:
        run: the run folder.
        writes: whether this process writes there; of several machines one does.
    """

    def __init__(self, run: Path, writes: bool = True) -> None:
        self._run, self._writes = run, writes
        self._file = run / "history.csv"
        self._rows = read_history(self._file, "move it away").to_dict("records") if self._file.is_file() else []

    def start(self, stage: str, first_epoch: int = 0) -> None:
        """Drop what an earlier run of the stage logged after `first_epoch`."""
        if not first_epoch and self._writes:
            shutil.rmtree(self._run / "logs" / stage, ignore_errors=True)
        self._rows = [row for row in self._rows if row["stage"] != stage or row["epoch"] <= first_epoch]

    def add(self, stage: str, epoch: int, logs: dict) -> None:
        """Log one epoch (from 1) by name; values are plain numbers."""
        logs = {name: float(value) for name, value in logs.items()}
        self._rows.append({"stage": stage, "epoch": epoch, **logs})
        if not self._writes:
            return
        with whole_file(self._file) as temporary:
            pd.DataFrame(self._rows).to_csv(temporary, index=False)
        _write_events(self._run / "logs" / stage, epoch, logs)


def _write_events(folder: Path, epoch: int, logs: dict[str, float]) -> None:
    """One epoch for TensorBoard: a file of its own, whose name holds no host, unlike those of TensorFlow's writer."""
    values = [Summary.Value(tag=name, simple_value=value) for name, value in logs.items()]
    now = time.time()
    events = [
        Event(wall_time=now, file_version="brain.Event:2"),
        Event(wall_time=now, step=epoch, summary=Summary(value=values)),
    ]
    file = folder / f"events.out.tfevents.{epoch:010d}"
    with whole_file(file) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        for event in events:
            writer.write(event.SerializeToString())


class Reporter(keras.callbacks.Callback):
    """Shows progress, logs each epoch and stops a training whose loss is no longer a number.

    Args:
        stage: that is trained, or the training of a baseline.
        history: that logs its epochs, if any.
    """

    def __init__(self, stage: str, history: History | None = None) -> None:
        super().__init__()
        self.stage, self._history = stage, history
        self._bar: Progress | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        if console.is_terminal:
            bar = self._bar = progress_bar()
            self._task = bar.add_task(self.stage, total=self.params["epochs"] * self.params["steps"])
            bar.start()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch
        if self._bar:
            self._bar.update(self._task, completed=epoch * self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        check_finite(logs or {}, f"{self.stage}, step {self._epoch * self.params['steps'] + batch + 1}")
        if self._bar:
            self._bar.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        # The step's own check sees the loss before its update: after the last one only this sees what became of it.
        check_finite(logs or {}, f"{self.stage}, after epoch {epoch + 1}")
        if self._history is not None:
            self._history.add(self.stage, epoch + 1, logs or {})
        show_epoch(self.stage, epoch + 1, self.params["epochs"], logs or {})

    def on_train_end(self, logs: dict | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar off the terminal; also after an error."""
        if self._bar:
            self._bar.stop()
            self._bar = None


def show_epoch(stage: str, epoch: int, epochs: int, logs: dict) -> None:
    """One line per epoch: losses by name, accuracies."""
    values = "  ".join(f"{name} {float(value):.4f}" for name, value in logs.items())
    console.print(f"{stage} {epoch}/{epochs}  {values}", highlight=False)
