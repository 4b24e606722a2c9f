"""How fast every student answers, as a float and as an int8 file, in three engines, and what memory it takes.

    python benchmarks/inference.py [NAME ...]

Every student of the registry (or those named), and MobileNet v1 ×0.2, untrained, at 112×144, batch 1, one thread, in
LiteRT, OpenVINO and ONNX Runtime (the last two where they are installed: requirements-dev.txt). A time is the median of
calls that all engines make in turns inside one run, so that other load on the machine touches them alike. The share
of the peak is that of a large int8 matrix product, in LiteRT or ONNX Runtime, whichever is faster, in the same run.
Memory: the smallest arena of TensorFlow Lite Micro (tflite-micro), and the peak of loading and one answer in LiteRT
(`evaluation.memory`).
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from benchmarks import shown  # noqa: E402
from benchmarks.timed import in_turns, int8_product, litert  # noqa: E402
from common import quiet  # noqa: E402, F401  (before TensorFlow)

SHAPE = (112, 144, 1)
CLASSES = ("abdomen", "femur", "head", "background")
EXTRA = {"mobilenet_v1 ×0.2": ("mobilenet_v1", {"width": 0.2})}
_PRODUCT = (256, 2048, 2048)  # rows, inputs and outputs of the large product


def main(names: Sequence[str]) -> None:
    import models

    students = {name: (name, {}) for name in names or models.names("student")} | ({} if names else EXTRA)
    with tempfile.TemporaryDirectory() as folder:
        peak = _peak(Path(folder))
        rows = [row for shown_name, what in students.items() for row in _rows(shown_name, *what, Path(folder), peak)]
    head = ("112×144, one thread", "bytes", "M MACs", *(f"{engine}, ms" for engine in ENGINES), "fastest",
            "share of the int8 peak", "arena, bytes", "peak memory, MB")  # fmt: skip
    print(shown.measured_on("ai-edge-litert", "openvino", "onnxruntime", "tf2onnx", "tflite-micro"))
    print(f"\nLarge int8 matrix product: {peak / 1e9:.0f} G MACs/s.\n")
    print(shown.table(head, rows))


def _rows(name: str, family: str, options: dict, folder: Path, peak: float) -> list[list[str]]:
    """The float and the int8 row of a student."""
    from evaluation.memory import measure_memory

    files, macs = _export(family, options, folder)
    callers = {
        (form, engine): make(path)
        for form, path in files.items()
        for engine, (packages, make) in ENGINES.items()
        if all(importlib.util.find_spec(package) for package in packages)
    }
    times = dict(zip(callers, in_turns(list(callers.values()))))
    fastest = min(times, key=times.__getitem__)
    rows = []
    for form, path in files.items():
        row = [times.get((form, engine)) for engine in ENGINES]
        share = f"{macs / (times[form, 'LiteRT'] / 1e3) / peak:.2f}" if form == "int8" else ""
        (memory,) = measure_memory([path])
        rows.append(
            [f"{name}, {form}", f"{path.stat().st_size:,}", f"{macs / 1e6:.1f}",
             *("–" if ms is None else f"{ms:.3f}" for ms in row), fastest[1] if fastest[0] == form else "",
             share, _arena(path) if form == "int8" else "", f"{memory / 1e6:.1f}" if memory else "–"]
        )  # fmt: skip
        print(" | ".join(rows[-1]), file=sys.stderr)
    return rows


def _export(family: str, options: dict, folder: Path) -> tuple[dict[str, Path], int]:
    import models
    from evaluation.artefacts import Metadata
    from evaluation.complexity import count_macs
    from quantization.tflite import export_float_tflite, post_training_int8

    student = models.create(family, SHAPE, len(CLASSES), **options)
    metadata = Metadata(family, CLASSES, SHAPE[:2], "probabilities", "student")
    frames = np.random.default_rng(0).uniform(size=(16, *SHAPE)).astype(np.float32)
    files = {"float": folder / "float.tflite", "int8": folder / "int8.tflite"}
    export_float_tflite(student, files["float"], metadata)
    post_training_int8(student, [frames], files["int8"], metadata)
    return files, count_macs(student)


def _peak(folder: Path) -> float:
    """MACs a second of a large int8 matrix product on one thread, in the faster of two engines."""
    calls = [litert(int8_product(folder, _PRODUCT))]
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        calls.append(_onnx_product())
    return float(np.prod(_PRODUCT)) / (min(in_turns(calls)) / 1e3)


def _onnx_product() -> Callable[[], object]:
    import onnx
    import onnxruntime

    rows, inputs, outputs = _PRODUCT
    random = np.random.default_rng(0)
    weights = onnx.numpy_helper.from_array(random.integers(-127, 127, (inputs, outputs), np.int8), "b")
    node = onnx.helper.make_node("MatMulInteger", ["a", "b"], ["c"])
    given = onnx.helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [rows, inputs])
    result = onnx.helper.make_tensor_value_info("c", onnx.TensorProto.INT32, [rows, outputs])
    graph = onnx.helper.make_graph([node], "product", [given], [result], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    frame = random.integers(0, 255, (rows, inputs), np.uint8)
    return lambda: session.run(None, {"a": frame})


def _openvino(path: Path) -> Callable[[], object]:
    import openvino

    # On processors with AMX it would compute float models in bfloat16, which the other engines don't.
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(str(path), "CPU", settings)
    request = model.create_infer_request()
    frame = np.zeros((1, *SHAPE), model.input(0).get_element_type().to_dtype())
    return lambda: request.infer([frame])


def _onnxruntime(path: Path) -> Callable[[], object]:
    import onnxruntime
    import tf2onnx

    from common.quiet import held_back_stderr

    with held_back_stderr():
        proto, _ = tf2onnx.convert.from_tflite(str(path), opset=18)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    frame = np.zeros((1, *SHAPE), np.uint8 if entry.type == "tensor(uint8)" else np.float32)
    return lambda: session.run(None, {entry.name: frame})


# What each needs, and what makes a call of it for a .tflite file.
ENGINES: dict[str, tuple[tuple[str, ...], Callable[[Path], Callable[[], object]]]] = {
    "LiteRT": ((), litert),
    "OpenVINO": (("openvino",), _openvino),
    "ONNX Runtime": (("onnxruntime", "tf2onnx"), _onnxruntime),
}


def _arena(path: Path) -> str:
    """Bytes of the smallest arena in which TensorFlow Lite Micro runs the file."""
    from deployment.bundle.engines import answers_of, missing

    if missing("tflite_micro"):
        return "–"
    try:
        return f"{answers_of('micro', path.read_bytes(), np.zeros((1, *SHAPE), np.uint8)).arena_bytes:,}"
    except RuntimeError as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return "not taken"


if __name__ == "__main__":
    main(sys.argv[1:])
