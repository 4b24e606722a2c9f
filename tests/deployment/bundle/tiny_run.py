"""A run folder of a student that learned three shapes in seconds, as train.py would leave it."""

import keras
import numpy as np
import yaml

from data.dataset import FrameRecord, write_dataset
from evaluation.artefacts import Metadata, Teacher, save_keras
from evaluation.fitting import fit_artefact
from quantization.tflite import post_training_int8
from tests.training import tiny

SCANNERS = ("Voluson E6", "Aloka")


def write_data(folder, *, scanners=SCANNERS, size=tiny.FRAME_SIZE, simulated=True):
    """Ten test patients of twelve frames each, half of them of each scanner; one patient for validation."""
    rng = np.random.default_rng(5)
    source = {"kind": "shapes", "name": "Shapes", "licence": "CC0", "simulated": simulated, "seed": 5}
    with write_dataset(folder, classes=tiny.CLASSES, frame_size=size, source=source, seed=3) as writer:
        for split, patients in (("train", 20), ("val", 1), ("test", 10)):
            for patient in range(patients):
                for index in range(12):
                    label = index % 3
                    frame = tiny.shape(label, rng.uniform(14, 50), rng.uniform(12, 36), rng)[: size[0], : size[1]]
                    name, scanner = f"{split}{patient}", scanners[patient % len(scanners)]
                    record = FrameRecord(frame, label, name, name, index, index / 10, (0.5,), (0.5,), scanner=scanner)
                    writer.add(split, record)
    return folder


def build_student():
    """One layer of each kind that the students have: strided convolution, pooling, two branches, mean."""
    keras.utils.set_random_seed(2)
    layers = keras.layers
    frame = keras.Input((*tiny.FRAME_SIZE, 1), name="frame")
    x = layers.Conv2D(12, 7, 2, padding="same", activation="relu", name="stride2")(frame)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(16, 5, 2, padding="same", activation="relu", name="stride8")(x)
    branches = [layers.Conv2D(12, size, padding="same", activation="relu", name=f"b{size}")(x) for size in (1, 3)]
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Concatenate(name="both")(branches))
    return keras.Model(frame, layers.Dense(3, name="logits")(x), name="shapes_net")


def write_run(folder, data):
    """Train on `data`, write `student/` and `int8/`, config.yaml and history.csv; give the folder."""
    from data.dataset import open_dataset
    from data.reading import read_split

    opened = open_dataset(data)
    rows = list(read_split(opened, "train").as_numpy_iterator())
    frames = np.stack([row["frame"] for row in rows]).astype(np.float32) / 255
    student = build_student()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile(keras.optimizers.Adam(4e-3), loss)
    student.optimizer.build(student.trainable_variables)  # or the step is traced twice
    history = student.fit(frames, np.array([row["label"] for row in rows]), 32, epochs=12, verbose=0).history
    metadata = Metadata(
        "shapes_net", tiny.CLASSES, tiny.FRAME_SIZE, "logits", "student", gaze_map_size=tiny.MAP_SIZE,
        params=student.count_params(), macs=123, version="tensorflow 2", dataset_checksum=opened.checksum,
        teacher=Teacher("plain", 10**6), extra={"seed": 3, "commit": "c0ffee"},
    )  # fmt: skip
    for part in ("student", "int8"):
        (folder / part).mkdir(parents=True)
    save_keras(student, folder / "student" / "student.keras", metadata)
    post_training_int8(student, [frames], folder / "int8" / "student_int8.tflite", metadata)
    fit_artefact(folder / "int8" / "student_int8.tflite", opened, 0.95)
    settings = {"data": str(data), "run": str(folder), "student": "shapes_net", "seed": 3, "distil": {"epochs": 12}}
    for place in (folder, folder / "student", folder / "int8"):
        (place / "config.yaml").write_text(yaml.safe_dump(settings))
    lines = [f"student,{epoch + 1},{loss}" for epoch, loss in enumerate(history["loss"])]
    (folder / "history.csv").write_text("stage,epoch,loss\n" + "\n".join(lines) + "\n")
    return folder
