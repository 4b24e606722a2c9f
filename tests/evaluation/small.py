"""A tiny data set and one artefact of each kind: 16×24 frames, three classes."""

import common.quiet  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf

from data.dataset import UNLABELLED, FrameRecord, open_dataset, write_dataset
from data.saliency import map_size
from evaluation import artefacts
from evaluation.artefacts import Metadata, Teacher, write_metadata

CLASSES = ("abdomen", "femur", "head")
SIZE = (16, 24)
TEACHER = Teacher("tiny_teacher", 227)
PATIENTS = {"train": ["p0", "p1"], "val": ["p2"], "test": ["p3", "p4", "p5", "p6"]}


def make_dataset(path, *, classes=CLASSES, size=SIZE, simulated=True, label=None):
    """Two recordings a patient, three labelled frames and an unlabelled one in each."""
    random = np.random.default_rng(1)
    source = {"kind": "test", "checksum": "0", "simulated": simulated}
    with write_dataset(
        path, classes=classes, frame_size=size, source=source, seed=0, require_all_classes=False
    ) as writer:
        for split, patients in PATIENTS.items():
            for patient in patients:
                for recording in range(2):
                    for index in range(4):
                        true = UNLABELLED if index == 3 else (index + recording) % len(classes)
                        frame = random.integers(0, 200, size, dtype=np.uint8)
                        # Class k is bright in the k-th third, so that a model can be right.
                        third = size[1] // 3
                        frame[:, third * max(true, 0) : third * (max(true, 0) + 1)] //= 3
                        gaze = ([0.2, 0.6], [0.3, 0.7]) if index != 1 else ((), ())
                        writer.add(
                            split,
                            FrameRecord(
                                frame,
                                true if label is None else label,
                                f"{patient}-{recording}",
                                patient,
                                index,
                                0.1 * index,
                                *gaze,
                            ),
                        )
    return open_dataset(path)


def make_student(seed=0, classes=CLASSES, size=SIZE):
    keras.utils.set_random_seed(seed)
    frame = keras.Input((*size, 1), name="frame")
    x = keras.layers.Conv2D(8, 3, 8, padding="same", activation="relu", name="stride8")(frame)
    x = keras.layers.Flatten()(x)
    return keras.Model(frame, keras.layers.Dense(len(classes), name="logits")(x))


def make_teacher(seed=1, classes=CLASSES, size=SIZE):
    keras.utils.set_random_seed(seed)
    frame = keras.Input((*size, 1), name="frame")
    gaze = keras.Input(map_size(size), name="gaze")
    x = keras.layers.Conv2D(8, 3, 8, padding="same", activation="relu", name="stride8")(frame)
    weight = keras.layers.Reshape((*map_size(size), 1))(gaze)
    x = keras.layers.Multiply()([x, weight])
    x = keras.layers.Dense(len(classes), name="logits")(keras.layers.Flatten()(x))
    return keras.Model([frame, gaze], x)


def make_gaze_head(student):
    """frame → gaze map [B, 2, 3] from the student's features, random."""
    keras.utils.set_random_seed(7)
    x = keras.layers.Conv2D(1, 1)(student.get_layer("stride8").output)
    x = keras.layers.Softmax()(keras.layers.Flatten()(x))
    return keras.Model(student.input, keras.layers.Reshape(map_size(SIZE))(x))


def describe(stage="student", **changes) -> Metadata:
    fields = {
        "name": f"tiny_{stage}",
        "classes": CLASSES,
        "frame_size": SIZE,
        "output": "logits",
        "stage": stage,
        "inputs": ("frame", "gaze") if stage == "teacher" else ("frame",),
        "gaze_map_size": map_size(SIZE),
        "version": "test",
        "teacher": None if stage == "teacher" else TEACHER,
    }
    return Metadata(**{**fields, **changes})


def save_keras(path, model, **changes):
    """Whatever the metadata says, as a hand that edits it would leave it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    artefacts.save_keras(model, path, describe(**changes))
    return path


def save_saved_model(path, model, classes=CLASSES):
    class Serving(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        @tf.function
        def serve(self, frame):
            frame = tf.cast(frame, tf.float32) / (255.0 if frame.dtype == tf.uint8 else 1.0)
            return {
                "probabilities": tf.nn.softmax(self.model(frame, training=False)),
                "class_names": tf.constant(classes),
            }

    serving = Serving()
    for dtype in (tf.uint8, tf.float32):
        serving.serve.get_concrete_function(tf.TensorSpec([None, *SIZE, 1], dtype))
    tf.saved_model.save(serving, str(path))
    write_metadata(path, describe(output="probabilities", params=1234, macs=5678))
    return path


def save_tflite(path, model, *, eight_bit=False, softmax=False):
    if softmax:
        model = keras.Model(model.input, keras.layers.Softmax()(model.output))
    call = tf.function(lambda frame: model(frame, training=False), autograph=False)
    concrete = call.get_concrete_function(tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="frame"))
    owner = tf.Module()
    owner.state = [variable.value for variable in model.variables]  # what the converter makes constants of
    path.write_bytes(_convert(tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner), eight_bit))
    write_metadata(path, describe("int8" if eight_bit else "student", output="probabilities" if softmax else "logits"))
    return path


def _convert(converter, eight_bit):
    if eight_bit:
        random = np.random.default_rng(2)
        ramp = np.linspace(0, 1, SIZE[0] * SIZE[1], dtype=np.float32).reshape(1, *SIZE, 1)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [frame] for frame in [ramp, *random.random((20, 1, *SIZE, 1), dtype=np.float32)]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert()


def artefact_paths(run):
    return [
        run / "teacher" / "teacher.keras",
        run / "student" / "student.keras",
        run / "student" / "saved_model",
        run / "student" / "student.tflite",
        run / "int8" / "student_int8.tflite",
    ]
