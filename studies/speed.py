"""How long a model takes for a frame on this machine, measured by a few steps of training."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import time
from pathlib import Path
from typing import Annotated, Any

import pydantic

from common.console import track
from common.documents import checked, read_json
from common.errors import InputError
from common.files import write_text
from common.machine import machine

_BATCH = 8
_STEPS = 2


@dataclasses.dataclass(frozen=True)
class Load:
    """One kind of work on one frame.

    Attributes:
        does: "train" (a step of training) or "forward" (a frozen teacher's answer).
        model, options: registered name, and its options as JSON.
        frame_size: (H, W).
        precision: of the layers.
    """

    does: str
    model: str
    options: str
    frame_size: tuple[int, int]
    precision: str = "float32"

    @property
    def key(self) -> str:
        height, width = self.frame_size
        return f"{self.does} {self.model} {self.options} {height}×{width} {self.precision}"


class _Stored(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, allow_inf_nan=False)
    machine: dict[str, Any]
    ms_per_frame: dict[str, Annotated[float, pydantic.Field(gt=0)]]


class Speeds:
    """ms per frame of each load; what was measured is kept in a file, for this machine."""

    def __init__(self, file: Path):
        self._file = file
        stored = None
        with contextlib.suppress(InputError):  # not there, or damaged: it is measured again
            found = read_json(file, "the file of speeds", "delete it")
            stored = checked(_Stored, found, file, "delete it")
        # Another machine has other speeds.
        self._known = stored.ms_per_frame if stored is not None and stored.machine == machine() else {}

    def measure(self, loads: list[Load]) -> None:
        """Measure those that are not known yet; a model that can't be built is left unknown."""
        new = [load for load in dict.fromkeys(loads) if load.key not in self._known]
        for load in track(new, "timing a few training steps of each model") if new else ():
            try:
                self._known[load.key] = measure_ms(load)
            except InputError:
                continue
        if new:
            value = {"machine": machine(), "ms_per_frame": self._known}
            write_text(self._file, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def __getitem__(self, load: Load) -> float | None:
        """ms per frame; None where it was not measured."""
        return self._known.get(load.key)


def measure_ms(load: Load) -> float:
    """Wall time of one frame, ms, as the mean over a few steps after one that builds the graph.

    Raises:
        InputError: the model can't be built with these options.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    import models
    from training.fitting import precision

    # Each model has functions of its own, and TensorFlow takes that for retracing.
    tf.get_logger().setLevel("ERROR")
    with precision(load.precision):
        model = models.create(load.model, (*load.frame_size, 1), 4, **json.loads(load.options))
    frames = np.random.default_rng(0).random((_BATCH, *load.frame_size, 1), dtype=np.float32)
    others = [np.ones((_BATCH, *tensor.shape[1:]), np.float32) for tensor in model.inputs[1:]]
    inputs = [frames, *others] if others else frames
    if load.does == "train":
        model.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        step = functools.partial(model.train_on_batch, inputs, np.arange(_BATCH) % 4)
    else:
        step = functools.partial(model.predict_on_batch, inputs)
    step()
    start = time.perf_counter()
    for _ in range(_STEPS):
        step()
    taken = time.perf_counter() - start
    keras.backend.clear_session()
    return 1000 * taken / (_STEPS * _BATCH)
