"""A student that was trained on simulated frames, and what a bundle of it says."""

import json
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

ROOT = Path(__file__).resolve().parents[2]
# The student of `make demo`, 90 kB, so that no test here has to train one.
STUDENT = Path(__file__).resolve().parent / "model" / "student_int8.tflite"


def self_test(height, width):
    """One frame by formula, and the bytes that Python answers, as a bundle brings them."""
    formula = {"x": 7, "y": 13, "plus": 5}
    rows, columns = np.mgrid[:height, :width]
    interpreter = Interpreter(str(STUDENT), num_threads=1)
    interpreter.allocate_tensors()
    frame = ((7 * columns + 13 * rows + 5) % 256).astype(np.uint8)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frame[None, :, :, None])
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    return [{"frame": formula, "output": answer.tolist()}]


def metadata_of(bundle):
    """What Python must know to answer as the page does."""
    about = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    height, width = about["input"]["shape"][1:3]
    return {"classes": about["classes"], "frame_size": (height, width), "fit": about["preparation"]["fit"]}
