import common.quiet  # noqa: F401  isort: skip

import keras
import pytest
import yaml

import models
from data.dataset import open_dataset
from evaluation.artefacts import Metadata, write_metadata
from tests.quantization import small
from tests.training.tiny import CLASSES, FRAME_SIZE, write_shapes


@pytest.fixture(autouse=True)
def small_student(monkeypatch):
    """The small student is known by name, in these tests alone, and calibrated on one batch."""
    monkeypatch.setattr("training.frames.CALIBRATION_BATCHES", 1)
    with small.registered():
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run folder with a student and a teacher that nobody trained, and a data set."""
    folder = tmp_path_factory.mktemp("compress")
    with small.registered():
        write_shapes(folder / "data")
        data = open_dataset(folder / "data")
        keras.utils.set_random_seed(0)
        built = {
            "student": models.create(small.NAME, (*FRAME_SIZE, 1), 3),
            "teacher": models.create("vgg16", (*FRAME_SIZE, 1), 3, width=0.125, dense_units=16),
        }
        for stage, model in built.items():
            path = folder / "run" / stage / f"{stage}.keras"
            path.parent.mkdir(parents=True)
            model.save(path)
            inputs = tuple(tensor.name for tensor in model.inputs)
            name = small.NAME if stage == "student" else "vgg16"
            metadata = Metadata(name, CLASSES, FRAME_SIZE, "logits", stage, inputs, gaze_map_size=(6, 8))
            write_metadata(path, metadata)
        config = {"student": small.NAME, "student_options": {}}
        (folder / "run" / "student" / "config.yaml").write_text(yaml.safe_dump(config))
    return folder, data
