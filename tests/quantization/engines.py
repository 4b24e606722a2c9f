"""What other engines answer for a `.tflite` file, by `main` or as a script, in a process without this project.

    python engines.py REQUEST.json

The request names `openvino` or `onnxruntime`, files, and a NumPy file of frames [N, H, W, 1], uint8; the answers
[N, K] of each file go to `<file>.<engine>.npy`. A float model gets bytes / 255.
"""

import json
import sys
import types

import numpy as np


def with_openvino(path):
    """The file as OpenVINO's own TFLite frontend reads it."""
    import openvino

    # Without the hint float models are computed in bfloat16 on processors with AMX.
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    wanted = model.input(0).get_element_type().to_dtype()
    return lambda frame: model([as_type(frame, wanted)])[model.output(0)]


def with_onnxruntime(path):
    """The file as tf2onnx turns it into ONNX, in ONNX Runtime."""
    import onnxruntime
    import tf2onnx
    from tf2onnx import optimizer

    # Before each of its passes it copies the graph, to go back to it when the pass fails.
    optimizer.copy = types.SimpleNamespace(deepcopy=lambda graph: graph)
    proto, _ = tf2onnx.convert.from_tflite(path, opset=18)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    wanted = np.uint8 if entry.type == "tensor(uint8)" else np.float32
    return lambda frame: session.run(None, {entry.name: as_type(frame, wanted)})[0]


def as_type(frame, dtype):
    return frame if dtype == np.uint8 else frame.astype(np.float32) / 255


def main(request):
    frames = np.load(request["frames"])
    open_file = {"openvino": with_openvino, "onnxruntime": with_onnxruntime}[request["engine"]]
    for path in request["files"]:
        answer = open_file(path)
        np.save(f"{path}.{request['engine']}.npy", np.concatenate([answer(frame[None]) for frame in frames]))


if __name__ == "__main__":
    with open(sys.argv[1]) as stream:
        main(json.load(stream))
