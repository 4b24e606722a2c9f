"""Every student family of the registry, narrow and hardly trained, in the forms that leave for a device."""

import types

import keras
import numpy as np

import models
from evaluation.artefacts import Metadata
from quantization.check import try_quantize
from quantization.legacy_copy import build_legacy_copy
from quantization.qat import QuantizedStudent
from quantization.ranges import set_ranges
from quantization.tflite import export_float_tflite, export_int8
from tests.quantization import blobs

# Each of these has a sister of the same layers. Conversions are the costliest of all tests.
SISTERS = ("squeezenet_1_0", "sononet_8")
NAMES = [name for name in models.names("student") if name not in SISTERS]
FLOAT = ("squeezenet_1_1",)
# What is tested of these is tested at other sizes than those that they declare as small.
_OPTIONS = {
    "squeezenet_1_1": {"width": 0.45},
    "sononet_4": {"width": 0.25},
    "mobilenet_v1": {"width": 0.2},
    # Fewer blocks than it has, to be quick; linear bottlenecks and residuals are among them.
    "mobilenet_v2": {"width": 0.25, "dropout": 0.0, "depths": (1, 1, 1, 2, 1, 1, 1)},
}
# Exported with all layers that they have, but as floats, which costs less: names are made in one place for both.
# SonoNet-8 has those of SonoNet-4 to the last name.
WHOLE = ("squeezenet_1_0", "mobilenet_v2")


def export(name, folder):
    """The student, its copy in `tf_keras`, that quantized, what TF-MOT refused of it, and its files by kind."""
    keras.utils.set_random_seed(0)
    options = _OPTIONS.get(name, dict(models.find(name).small))
    images = blobs.frames(64, seed=3)[0].astype(np.float32) / 255
    student = models.create(name, (*blobs.SIZE, 1), 4, **options)
    student = _trained(student) if name == "mobilenet_v2" else fitted(blobs.randomised(student))
    copy = build_legacy_copy(student, name, options)
    metadata = Metadata(name, blobs.CLASSES, blobs.SIZE, "logits", "student")
    files = {"int8": folder / f"{name}_int8.tflite"}
    quantized, refused = try_quantize(copy)
    set_ranges(quantized, [images], 0.99)
    export_int8(QuantizedStudent(quantized), files["int8"], metadata)
    if name in FLOAT:
        files["float"] = folder / f"{name}_float.tflite"
        export_float_tflite(student, files["float"], metadata)
    return types.SimpleNamespace(student=student, copy=copy, quantized=quantized, refused=refused, files=files)


def export_whole(name, path):
    """The float file of a student as it declares itself, random and with all of its layers."""
    student = models.create(name, (*blobs.SIZE, 1), 4, **models.find(name).small)
    export_float_tflite(student, path, Metadata(name, blobs.CLASSES, blobs.SIZE, "logits", "student"))


def _trained(student):
    """The deepest: other engines round elsewhere in 8 bits, and features that were not trained pass that on."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile(keras.optimizers.SGD(0.3), loss)  # Adam's graph takes longer to build than the steps take
    student.optimizer.build(student.trainable_variables)  # or the step is traced twice
    images, labels = blobs.frames(960, seed=0)
    student.fit(images / np.float32(255), labels, batch_size=16, verbose=0)
    return student


def fitted(student):
    """A student that tells the blobs apart without a training: random features, and the best last layer on them.

    Moving statistics are those of the frames, so that no layer's values vanish and rounding is not amplified; the
    last layer, which is linear up to the logits in every family, is the least-squares one.
    """
    images, labels = blobs.frames(1024, seed=1)
    images = images.astype(np.float32) / 255
    for layer in student.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    student(images[:256], training=True)
    last = next(layer for layer in reversed(student.layers) if layer.weights)
    features = keras.Model(student.input, last.input)(images, training=False).numpy()
    features = features.reshape(len(images), -1, features.shape[-1]).mean(axis=1)
    features = np.hstack([features, np.ones((len(features), 1))]).astype(np.float64)
    wanted = 8.0 * np.eye(4)[labels] - 2.0
    ridge = 1e-3 * len(features) * np.eye(features.shape[1])
    fitted = np.linalg.solve(features.T @ features + ridge, features.T @ wanted)
    last.set_weights([fitted[:-1].reshape(last.kernel.shape), fitted[-1]])
    return student
