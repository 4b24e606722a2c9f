import dataclasses
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import models
from common.errors import InputError
from evaluation.artefacts import Metadata, read_metadata
from quantization.qat import quantize
from quantization.saved_model import export_saved_model
from quantization.tflite import export_float_tflite, export_int8, post_training_int8
from tests.quantization import blobs, families, small
from tests.quantization.interpret import probabilities, run_tflite


@pytest.fixture(scope="module")
def held_out():
    return blobs.frames(200, seed=11)


@pytest.fixture(scope="module")
def exported(trained, quantized, tmp_path_factory):
    """Every artefact of one run, and the bytes that each export returned."""
    folder = tmp_path_factory.mktemp("run")
    metadata = Metadata(small.NAME, blobs.CLASSES, blobs.SIZE, "logits", "int8", dataset_checksum="abc")
    paths = {
        "int8": folder / "int8" / "student_int8.tflite",
        "post_training": folder / "int8" / "post_training.tflite",
        "float": folder / "student" / "student.tflite",
        "saved_float": folder / "student" / "saved_model",
        "saved_int8": folder / "int8" / "saved_model",
    }
    calibration = [blobs.frames(128, seed=3)[0].astype(np.float32) / 255 * 0.9]
    sizes = {
        "int8": export_int8(quantized.result, paths["int8"], metadata),
        "post_training": post_training_int8(trained.student, calibration, paths["post_training"], metadata),
        "float": export_float_tflite(trained.student, paths["float"], metadata),
        "saved_float": export_saved_model(trained.student, paths["saved_float"], metadata),
        "saved_int8": export_saved_model(quantized.result.model, paths["saved_int8"], metadata),
    }
    return types.SimpleNamespace(paths=paths, sizes=sizes, metadata=metadata)


def test_int8_agrees_with_fake_quant_from_raw_bytes(exported, quantized, held_out):
    images, labels = held_out
    given = run_tflite(exported.paths["int8"], images)
    wanted = probabilities(quantized.result.model, images)
    assert given.dtype == np.uint8
    assert (given.argmax(-1) == wanted.argmax(-1)).mean() >= 0.99
    assert (given.argmax(-1) == labels).mean() > 0.95
    assert abs(given / 256 - wanted).max() < 0.1


def test_post_training_int8_agrees_with_the_float_student(exported, trained, held_out):
    images, _ = held_out
    given = run_tflite(exported.paths["post_training"], images)
    assert (given.argmax(-1) == probabilities(trained.student, images).argmax(-1)).mean() > 0.95


def test_int8_weights_are_the_fake_quantized_ones_with_batch_norm_folded_in(exported, quantized):
    model = quantized.result.model
    kernel, quantizer, variables = model.get_layer("quant_stem_conv")._weight_vars[0]
    norm = model.get_layer("quant_stem_bn").layer
    factor = norm.gamma / tf.sqrt(norm.moving_variance + norm.epsilon)
    wanted = np.moveaxis((quantizer(kernel, False, weights=variables) * factor).numpy(), -1, 0)
    interpreter = Interpreter(model_path=str(exported.paths["int8"]))
    interpreter.allocate_tensors()
    stem = next(o for o in interpreter._get_ops_details() if o["op_name"] == "CONV_2D")
    detail = next(d for d in interpreter.get_tensor_details() if d["index"] == stem["inputs"][1])
    scale = detail["quantization_parameters"]["scales"].reshape(-1, 1, 1, 1)
    steps = interpreter.get_tensor(detail["index"])
    np.testing.assert_allclose(steps, wanted / scale, atol=1e-2)
    assert abs(steps.astype(int)).max() == 127


@pytest.mark.parametrize("kind", ["int8", "post_training"])
def test_a_raw_byte_is_one_step_of_the_input_and_all_is_integer(exported, kind):
    interpreter = Interpreter(model_path=str(exported.paths[kind]))
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert source["dtype"] == target["dtype"] == np.uint8
    assert source["quantization"] == (float(np.float32(1 / 255)), 0)
    assert target["quantization"] == (1 / 256, 0)
    types_ = {detail["dtype"] for detail in interpreter.get_tensor_details()}
    assert types_ == {np.uint8, np.int8, np.int32}
    operations = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert "DEQUANTIZE" not in operations
    # One at each end, between uint8 and int8; none within.
    assert operations.count("QUANTIZE") == 2


def test_a_student_that_standardises_is_integer_from_its_first_convolution_on(tmp_path):
    """And that takes the same of a frame and of a darker one of less contrast, up to rounding."""
    options, path = {"width": 0.25, "standardise": True}, tmp_path / "student_int8.tflite"
    seen, images = (blobs.frames(count, seed=count)[0] for count in (256, 64))
    student = families.fitted(blobs.randomised(models.create("sononet_4", (*blobs.SIZE, 1), 4, **options)))
    quantized = quantize(student, "sononet_4", options, [seen / np.float32(255)])
    export_int8(quantized, path, Metadata("sononet_4", blobs.CLASSES, blobs.SIZE, "logits", "student"))
    interpreter = Interpreter(model_path=str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    operations = [operation["op_name"] for operation in interpreter._get_ops_details()]
    first = operations.index("CONV_2D")
    assert "RSQRT" in operations[:first]
    assert not {"DEQUANTIZE", "RSQRT", "MUL", "SUB"} & set(operations[first:])
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    standardised = details[interpreter._get_ops_details()[first]["inputs"][0]]
    scale, zero_point = standardised["quantization"]
    for image in [*images[:4], *np.rint(images[:4] * 0.5 + 20).astype(np.uint8)]:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        given = scale * (interpreter.get_tensor(standardised["index"])[0].astype(float) - zero_point)
        wanted = (image - image.mean()) / image.std()
        # Half a step is rounding; the frame's mean is rounded to a grey level besides.
        np.testing.assert_allclose(given, np.clip(wanted, given.min(), given.max()), atol=scale + 0.5 / image.std())
    given, wanted = run_tflite(path, images), probabilities(quantized.model, images)
    assert len(np.unique(wanted.argmax(-1))) == 4
    # Random features pass on more of the mean's rounding than trained ones.
    assert np.corrcoef(given.ravel(), wanted.ravel())[0, 1] > 0.9


def test_quantizing_a_student_that_standardises_after_its_training_says_what_that_is_worth(tmp_path, capsys):
    metadata = Metadata("sononet_4", blobs.CLASSES, blobs.SIZE, "logits", "student")
    seen = blobs.frames(8, seed=0)[0] / np.float32(255)
    for standardise in (False, True):
        student = models.create("sononet_4", (*blobs.SIZE, 1), 4, width=0.25, standardise=standardise)
        post_training_int8(student, [seen], tmp_path / "student_ptq.tflite", metadata)
        assert ("student_ptq.tflite: the student standardises" in capsys.readouterr().err) == standardise


def test_float_tflite_gives_the_students_probabilities(exported, trained, held_out):
    images, _ = held_out
    given = run_tflite(exported.paths["float"], images)
    np.testing.assert_allclose(given, probabilities(trained.student, images), atol=1e-5)


# Two SavedModel folders in a process without this project.
SERVE = """
import json, sys
import numpy as np
sys.modules.update(matplotlib=None, sklearn=None)  # Keras would import them, and takes a second more
import tensorflow as tf
said = []
for number, path in enumerate(sys.argv[1:]):
    loaded = tf.saved_model.load(path)
    raw = np.load("frames.npy")
    of_bytes = loaded.serve(raw)
    of_floats = loaded.serve(tf.constant(raw, tf.float32) / 255)
    signatures = loaded.signatures
    by_signature = signatures["serve_uint8"](frames=tf.constant(raw))
    default = signatures["serving_default"](frames=tf.constant(raw, tf.float32) / 255)
    names = [name.decode() for name in of_bytes["class_names"].numpy()]
    answers = [of_bytes, of_floats, by_signature, default]
    np.save(f"given{number}.npy", np.stack([a["probabilities"].numpy() for a in answers]))
    said.append([names, sorted(signatures)])
foreign = [m for m in ("tf_keras", "models", "quantization") if m in sys.modules]
print(json.dumps([said, foreign]))
"""


def test_saved_models_need_tensorflow_alone(exported, trained, quantized, held_out, tmp_path):
    images = held_out[0][:32]
    np.save(tmp_path / "frames.npy", images)
    environment = {**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(exported.paths["saved_float"]), str(exported.paths["saved_int8"])],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said, foreign = json.loads(done.stdout.splitlines()[-1])
    assert foreign == []
    for number, model in enumerate((trained.student, quantized.result.model)):
        names, signatures = said[number]
        assert tuple(names) == blobs.CLASSES
        assert signatures == ["serve", "serve_uint8", "serving_default"]
        for given in np.load(tmp_path / f"given{number}.npy"):
            np.testing.assert_allclose(given, probabilities(model, images), atol=1e-5)


def test_no_artefact_holds_the_teacher(exported, trained):
    student, teacher = 4 * trained.student.count_params(), 4 * trained.teacher.count_params()
    for kind, path in exported.paths.items():
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        content = b"".join(file.read_bytes() for file in files)
        assert exported.sizes[kind] == len(content)
        assert b"teacher" not in content and b"saliency_head" not in content
        if path.is_dir():
            shapes = [shape for _, shape in tf.train.list_variables(str(path / "variables" / "variables"))]
            count = 4 * sum(int(np.prod(shape)) for shape in shapes)
            # The fake-quantized student has two ends of a range for each quantized channel besides.
            assert student <= count + 64 and count < student + (64 if kind == "saved_float" else teacher / 4)
        else:
            assert len(content) < student + teacher / 2


def test_metadata_lies_beside_each_artefact(exported):
    for kind, path in exported.paths.items():
        found = read_metadata(path)
        assert (found.output, found.stage, found.classes) == ("probabilities", "int8", blobs.CLASSES)
        assert found.frame_size == blobs.SIZE and found.dataset_checksum == "abc"
        wanted = {"int8": "uint8", "post_training": "uint8", "float": "float32"}
        assert found.extra["tensors"]["input"]["dtype"] == wanted.get(kind, "float32 or uint8")


def test_metadata_of_another_model_is_refused_and_nothing_is_written(trained, metadata, tmp_path):
    for change, message in (
        ({"classes": ("a", "b")}, "gives 4 classes, its metadata names 2"),
        ({"frame_size": (16, 16)}, "takes frames of 32×40, its metadata says 16×16"),
    ):
        wrong = dataclasses.replace(metadata, **change)
        with pytest.raises(InputError, match=message):
            export_float_tflite(trained.student, tmp_path / "a.tflite", wrong)
        with pytest.raises(InputError, match=message):
            export_saved_model(trained.student, tmp_path / "a", wrong)
    assert list(tmp_path.iterdir()) == []


def test_wrong_ending_is_refused(trained, metadata, tmp_path):
    with pytest.raises(InputError, match=r"student\.bin: .* give it the ending \.tflite"):
        export_float_tflite(trained.student, tmp_path / "student.bin", metadata)
    assert list(tmp_path.iterdir()) == []
