"""A trained student quantized without training: dynamic range, float16, int8."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from baselines.config import StudentConfig, distinct
from baselines.record import NAME, Record
from baselines.registry import Baseline
from baselines.source import open_source, student_options
from common.console import console
from common.files import whole_folder
from common.typed import one_of

FILES = {
    "dynamic": "student_dynamic.tflite",
    "float16": "student_float16.tflite",
    "int8": "student_ptq.tflite",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PostTrainingConfig(StudentConfig):
    """Quantize a trained student without training it.

    Attributes:
        kinds: any of dynamic, float16, int8, one file each.
    """

    kinds: tuple[str, ...] = tuple(FILES)

    def __post_init__(self) -> None:
        super().__post_init__()
        distinct("kinds", self.kinds)
        for kind in self.kinds:
            one_of("kinds", kind, tuple(FILES))


def quantize_after_training(config: PostTrainingConfig) -> Record:
    """A file for each kind.

    Raises:
        InputError: a source or data set that does not fit, or an output folder that is there.
    """
    from quantization.tflite import export_dynamic_range, export_float16, post_training_int8

    with whole_folder(config.out, overwrite=config.overwrite, marker=NAME) as folder:
        source = open_source(config, "student")
        student_options(source, config)  # other options than those of the file are refused
        student, record = source.model, Record(folder, "ptq", source)
        for kind in config.kinds:
            start, path = time.perf_counter(), folder / FILES[kind]
            metadata = source.describe(student, "ptq", kind=kind)
            with console.status(f"converting: {kind}"):
                if kind == "int8":
                    post_training_int8(student, source.calibration_frames(), path, metadata)
                else:
                    (export_dynamic_range if kind == "dynamic" else export_float16)(student, path, metadata)
            record.add_export(path, student, f"post-training {kind}", {"kind": kind}, time.perf_counter() - start)
        record.write()
    record.show(Path(config.out))
    return record


BASELINE = Baseline("ptq", "quantize a student without training it", PostTrainingConfig, quantize_after_training)
