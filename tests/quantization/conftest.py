import common.quiet  # noqa: F401  isort: skip

import types

import keras
import pytest

import models
from evaluation.artefacts import Metadata
from models.distiller import Distiller
from quantization.finetune import FineTuning
from quantization.qat import FREEZE_BATCH_NORM_FROM, quantize_aware_train
from tests.quantization import blobs, small


@pytest.fixture(scope="package", autouse=True)
def registered():
    """For this package alone: other tests of the same process ask what the registry holds."""
    with small.registered():
        yield


@pytest.fixture(scope="package")
def trained(registered):
    """A teacher, a small student distilled from it, the Distiller's objective."""
    teacher = blobs.make_teacher()
    keras.utils.set_random_seed(1)
    student = models.create(small.NAME, (*blobs.SIZE, 1), 4)
    distiller = Distiller(student, teacher, total_steps=120)
    distiller.compile(keras.optimizers.Adam(5e-3))
    distiller.optimizer.build(distiller.trainable_variables)  # or the step is traced twice
    distiller.fit(blobs.batches(), steps_per_epoch=120, shuffle=False, verbose=0)
    return types.SimpleNamespace(teacher=teacher, student=student, objective=distiller.objective)


@pytest.fixture(scope="package")
def calibration():
    """Clean frames for the ranges of activations."""
    return [features["frame"] for features, *_ in blobs.batches(64, seed=3, endless=False)]


@pytest.fixture(scope="package")
def quantized(trained, calibration):
    """The student after quantization-aware training, and what `on_epoch` was called with."""
    calls = []
    before = [weight.copy() for weight in trained.student.get_weights()]
    head = trained.objective.get_weights()[0].copy()
    result = quantize_aware_train(
        trained.student,
        small.NAME,
        {},
        calibration=calibration,
        training=FineTuning(
            objective=trained.objective,
            batches=blobs.feed,
            steps=30,
            steps_per_epoch=20,
            teacher=trained.teacher,
            learning_rate=3e-4,
            freeze_batch_norm_from=FREEZE_BATCH_NORM_FROM,
            validation=blobs.batches(64, seed=5, endless=False),
        ),
        on_epoch=lambda epoch, logs: calls.append((epoch, logs)),
    )
    return types.SimpleNamespace(result=result, calls=calls, student_weights_before=before, saliency_head_before=head)


@pytest.fixture
def metadata():
    return Metadata(small.NAME, blobs.CLASSES, blobs.SIZE, "logits", "student", dataset_checksum="abc")
