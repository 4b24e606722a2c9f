"""A tiny data set that can be learned, models that train in seconds, and a configuration of both."""

import keras
import numpy as np

import models
from data.dataset import FrameRecord, write_dataset
from evaluation.artefacts import Metadata, write_metadata
from training import TrainConfig

CLASSES = ("ring", "disc", "bar")
FRAME_SIZE = (48, 64)
MAP_SIZE = (6, 8)


def build_student(keras_module, frame_shape, num_classes):
    """A student of a few layers that TF-MOT can quantize."""
    layers = keras_module.layers
    x = frame = keras_module.Input(frame_shape, name="frame")
    for stride, filters in ((8, 8), (16, 8)):
        steps = 8 if stride == 8 else 2
        x = layers.Conv2D(filters, 8, steps, padding="same", use_bias=False, name=f"conv{stride}")(x)
        x = layers.ReLU(name=f"stride{stride}")(layers.BatchNormalization(name=f"norm{stride}")(x))
    x = layers.Dropout(0.2, name="dropout")(layers.Flatten(name="flatten")(x))
    return keras_module.Model(frame, layers.Dense(num_classes, name="logits")(x), name="tiny")


def build_teacher(keras_module, frame_shape, num_classes, *, width=8, predict=False):
    """A teacher of a few layers that sees the gaze; with `predict` it sees frames alone and gives a gaze map."""
    layers = keras_module.layers
    frame = keras_module.Input(frame_shape, name="frame")
    x = layers.Conv2D(width, 8, 8, padding="same", activation="relu", name="stride8")(frame)
    if predict:
        inputs = frame
        heat = layers.Conv2D(1, 1, name="saliency")(x)
        x = layers.Multiply(name="look")([x, layers.Activation("sigmoid", name="gate")(heat)])
    else:
        height, width_cells = x.shape[1:3]
        gaze = keras_module.Input((height, width_cells), name="gaze")
        inputs = [frame, gaze]
        x = layers.Concatenate(name="fuse")([x, layers.Reshape((height, width_cells, 1), name="column")(gaze)])
    x = layers.Dropout(0.1, name="dropout")(x)
    x = layers.Conv2D(width, 3, 2, padding="same", activation="relu", name="stride16")(x)
    logits = layers.Dense(num_classes, name="logits", dtype="float32")(layers.Flatten(name="flat")(x))
    return keras_module.Model(inputs, logits, name="plain")


def build_family(keras_module, frame_shape, num_classes, *, width=8, regularizer=None):
    """A family of teacher and student: the same layers, of other widths."""
    layers = keras_module.layers
    x = frame = keras_module.Input(frame_shape, name="frame")
    for stride, steps in ((8, 8), (16, 2)):
        x = layers.Conv2D(
            width, 8, steps, padding="same", use_bias=False, kernel_regularizer=regularizer, name=f"conv{stride}"
        )(x)
        x = layers.ReLU(name=f"stride{stride}")(layers.BatchNormalization(name=f"norm{stride}")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras_module.Model(frame, layers.Dense(num_classes, name="logits")(x), name="family")


def register(monkeypatch) -> None:
    """Know them by name for as long as `monkeypatch` lasts: tiny, plain; narrow, and wide of its family."""
    entry = models.registry.Entry
    monkeypatch.setitem(models.MODELS, "tiny", entry(build_student, "student", ("stride8", "stride16")))
    monkeypatch.setitem(models.MODELS, "plain", entry(build_teacher, "teacher", ("stride8", "stride16")))
    monkeypatch.setitem(models.MODELS, "narrow", entry(build_family, "student", ("stride8", "stride16")))
    monkeypatch.setitem(models.MODELS, "wide", entry(build_family, "teacher", ("stride8", "stride16")))


def config(data, run, **settings) -> TrainConfig:
    """Two epochs of each stage, of three steps each on `write_shapes`; no evaluation."""
    return TrainConfig(
        data,
        run,
        **{
            "seed": 3,
            "teacher": "plain",
            "student": "tiny",
            "teach": {"epochs": 2, "batch_size": 16, "warmup_epochs": 0.5, "precision": "float32"},
            "distil": {"epochs": 2, "batch_size": 16, "warmup_epochs": 0.5, "views": 2},
            "quantize": {"epochs": 2, "batch_size": 16},
            "evaluate": False,
            **settings,
        },
    )


def shape(label: int, x: float, y: float, rng) -> np.ndarray:
    """A shape at (x, y), in pixels, on noise: uint8 [48, 64]."""
    rows, columns = np.mgrid[: FRAME_SIZE[0], : FRAME_SIZE[1]]
    distance = np.hypot(columns - x, rows - y)
    shown = [np.abs(distance - 7) < 2, distance < 6, (np.abs(rows - y) < 2) & (np.abs(columns - x) < 10)][label]
    return np.clip(rng.normal(60, 20, FRAME_SIZE) + 140 * shown, 0, 255).astype(np.uint8)


def write_shapes(
    folder, *, counts=(48, 12, 12), classes=CLASSES, labelled=lambda split, index: True, gaze=True, simulated=True
):
    """A data set of training, validation and test frames, six a patient; the gaze lies on the shape."""
    rng = np.random.default_rng(0)
    source = {"kind": "shapes", "simulated": simulated}
    with write_dataset(folder, classes=classes, frame_size=FRAME_SIZE, source=source, seed=0) as writer:
        for split, count in zip(("train", "val", "test"), counts):
            for index in range(count):
                x, y = rng.uniform(14, 50), rng.uniform(12, 36)
                points = ([x / FRAME_SIZE[1]], [y / FRAME_SIZE[0]]) if gaze else ([], [])
                label, name = index % 3, f"{split}{index // 6}"
                frame = shape(label, x, y, rng)
                known = label if labelled(split, index) else -1
                writer.add(split, FrameRecord(frame, known, name, name, index % 6, index % 6 / 10, *points))
    return folder


def write_teacher(path, *, seed=0, sigma=0.03, **options):
    """An untrained teacher with its metadata; give its path."""
    keras.utils.set_random_seed(seed)
    model = build_teacher(keras, (*FRAME_SIZE, 1), len(CLASSES), **options)
    model.save(path)
    inputs = ("frame",) if options.get("predict") else ("frame", "gaze")
    metadata = Metadata(
        "plain", CLASSES, FRAME_SIZE, "logits", "teacher", inputs, gaze_map_size=MAP_SIZE, sigma=sigma,
        params=model.count_params(),
    )  # fmt: skip
    write_metadata(path, metadata)
    return path
