"""A tiny data set that can be learned, and a configuration that trains on it in seconds."""

import numpy as np
import pytest

import train
from data.dataset import FrameRecord, write_dataset

CLASSES = ("ring", "disc", "bar")
FRAME_SIZE = (48, 64)


def draw(label: int, x: float, y: float, rng) -> np.ndarray:
    """A shape at (x, y), in pixels, on noise: uint8 [48, 64]."""
    rows, columns = np.mgrid[: FRAME_SIZE[0], : FRAME_SIZE[1]]
    distance = np.hypot(columns - x, rows - y)
    shape = [np.abs(distance - 7) < 2, distance < 6, (np.abs(rows - y) < 2) & (np.abs(columns - x) < 10)][label]
    return np.clip(rng.normal(60, 20, FRAME_SIZE) + 140 * shape, 0, 255).astype(np.uint8)


def write_shapes(folder, *, classes=CLASSES, seed=0, test=True) -> None:
    """96 training, 24 validation and 24 test frames; the gaze lies on the shape."""
    rng = np.random.default_rng(seed)
    with write_dataset(
        folder, classes=classes, frame_size=FRAME_SIZE, source={"kind": "shapes", "simulated": True}, seed=seed
    ) as writer:
        for split, count in (("train", 96), ("val", 24), ("test", 24 if test else 0)):
            for index in range(count):
                x, y = rng.uniform(14, 50), rng.uniform(12, 36)
                name = f"{split}{index // 6}"
                writer.add(
                    split,
                    FrameRecord(
                        frame=draw(index % 3, x, y, rng),
                        label=index % 3,
                        recording_id=name,
                        patient_id=name,
                        frame_index=index % 6,
                        time_s=index % 6 / 10,
                        gaze_x=[x / FRAME_SIZE[1]],
                        gaze_y=[y / FRAME_SIZE[0]],
                    ),
                )


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """The folder of the tiny data set."""
    folder = tmp_path_factory.mktemp("data") / "shapes"
    write_shapes(folder)
    return folder


CONFIG = """
data: {data}
run: {run}
seed: 3
evaluate: false
teacher: vgg16
teacher_options: {{width: 0.125, dense_units: 32}}
student: squeezenet_1_1
student_options: {{width: 0.2}}
teach: {{epochs: 2, batch_size: 16, learning_rate: 1.0e-3, warmup_epochs: 0.5, precision: float32}}
distil: {{epochs: 3, batch_size: 16, learning_rate: 2.0e-3, warmup_epochs: 0.5}}
quantize: {{epochs: 1, batch_size: 16, learning_rate: 1.0e-4}}
augment: {{rotation_deg: 5, zoom: 0.05, shift: 0.05}}
"""


@pytest.fixture
def config(shapes, tmp_path):
    """Path of a preset; the run folder is `run` beside it."""
    return write_config(tmp_path, shapes)


def write_config(folder, data):
    """Write the tiny preset into a folder, with its run folder beside it."""
    path = folder / "tiny.yaml"
    path.write_text(CONFIG.format(data=data, run=folder / "run"))
    return path


@pytest.fixture(scope="session")
def whole_run(shapes, tmp_path_factory):
    """(preset, run folder) of all three stages and the evaluation; read only."""
    folder = tmp_path_factory.mktemp("whole")
    config = write_config(folder, shapes)
    train.main(["--config", str(config), "--evaluate", "true"])
    return config, folder / "run"
