"""A trained student quantized without training: dynamic range, float16, int8."""

from __future__ import annotations

import time

from baselines.bench import open_bench
from baselines.record import NAME, Record
from common.console import console
from common.files import whole_folder

FILES = {
    "dynamic": "student_dynamic.tflite",
    "float16": "student_float16.tflite",
    "int8": "student_ptq.tflite",
}


def quantize_student(flags) -> None:
    """`compress.py ptq`: a file for each kind."""
    from quantization.tflite import export_dynamic_range, export_float16, post_training_int8

    with whole_folder(flags.out, overwrite=flags.overwrite, marker=NAME) as folder:
        bench = open_bench(flags, "student")
        student, record = bench.model, Record(folder, "ptq", bench)
        for kind in flags.kinds:
            start, path = time.perf_counter(), folder / FILES[kind]
            metadata = bench.describe(student, "ptq", kind=kind)
            with console.status(f"converting: {kind}"):
                if kind == "int8":
                    frames = [features["frame"] for features in bench.calibration()]
                    post_training_int8(student, frames, path, metadata)
                else:
                    (export_dynamic_range if kind == "dynamic" else export_float16)(student, path, metadata)
            record.add_export(path, student, f"post-training {kind}", {"kind": kind}, time.perf_counter() - start)
        record.write()
    record.show(flags.out)
