"""python read_bundle.py BUNDLE [FRAME.npy]: self-test, then the answer for uint8 [H, W] at the model's own size."""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

folder = Path(sys.argv[1])
about = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
interpreter = Interpreter(str(folder / "student_int8.tflite"), num_threads=1)
interpreter.allocate_tensors()
entry, end = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]


def answer(frame: np.ndarray) -> np.ndarray:
    interpreter.set_tensor(entry, frame.astype(np.uint8).reshape(about["input"]["shape"]))
    interpreter.invoke()
    return interpreter.get_tensor(end)[0]


y, x = np.mgrid[: about["input"]["shape"][1], : about["input"]["shape"][2]]
for test in about["self_test"]:
    ramp = (test["frame"]["x"] * x + test["frame"]["y"] * y + test["frame"]["plus"]) % 256
    if np.abs(answer(ramp) - np.array(test["output"])).max() > 2:  # of 256: rounding differs a little
        sys.exit(f"{folder}: this engine gives other answers than those of the bundle")
if sys.argv[2:]:
    scores = answer(np.load(sys.argv[2]))  # their sum is 256 only nearly, and the thresholds are of byte / sum
    print(json.dumps(dict(zip(about["classes"], (scores / max(1, scores.sum())).tolist()))))
