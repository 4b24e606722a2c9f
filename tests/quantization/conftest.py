import common.quiet  # noqa: F401  isort: skip

import types

import keras
import pytest

import models
from evaluation.artefacts import Metadata
from models.distiller import Distiller
from quantization.qat import QatSettings, quantize_aware_train
from tests.quantization import blobs


@pytest.fixture(scope="session")
def trained():
    """A teacher, a student distilled from it, the Distiller's objective."""
    teacher = blobs.make_teacher()
    keras.utils.set_random_seed(1)
    student = models.create(blobs.NAME, (*blobs.SIZE, 1), 4, **blobs.OPTIONS)
    distiller = Distiller(student, teacher, total_steps=60)
    distiller.compile(keras.optimizers.Adam(3e-3))
    distiller.fit(blobs.batches(), steps_per_epoch=60, verbose=0)
    return types.SimpleNamespace(teacher=teacher, student=student, objective=distiller.objective)


@pytest.fixture(scope="session")
def quantized(trained):
    """The student after quantization-aware training, and what `on_epoch` was told."""
    told = []
    before = [weight.copy() for weight in trained.student.get_weights()]
    head = trained.objective.get_weights()[0].copy()
    result = quantize_aware_train(
        trained.student,
        name=blobs.NAME,
        options=blobs.OPTIONS,
        teacher=trained.teacher,
        objective=trained.objective,
        batches=blobs.batches(),
        steps=30,
        steps_per_epoch=20,
        validation=blobs.batches(64, seed=5, endless=False),
        settings=QatSettings(learning_rate=3e-4),
        on_epoch=lambda epoch, logs: told.append((epoch, logs)),
    )
    return types.SimpleNamespace(result=result, told=told, student_weights_before=before, saliency_head_before=head)


@pytest.fixture
def metadata():
    return Metadata(blobs.NAME, blobs.CLASSES, blobs.SIZE, "logits", "student", dataset_checksum="abc")
