"""A training that was interrupted after an epoch ends with the bits of one that was not."""

import keras
import numpy as np
import pytest

from common.errors import InputError
from common.state_file import epochs_done
from quantization.cluster import cluster
from quantization.prune import prune
from quantization.qat import quantize_aware_train
from tests.quantization import blobs, small

pytestmark = pytest.mark.usefixtures("eagerly")
STEPS, EPOCH = 4, 2


class Interrupted(Exception):
    """As if the process had been killed."""


def batches(dies_at=None):
    """The feed of a training, which ends with an error at a batch."""

    def feed(skip):
        for number, batch in enumerate(blobs.feed(skip), start=skip):
            if number == dies_at:
                raise Interrupted
            yield batch

    return feed


def aware(trained, calibration, checkpoint, dies_at):
    training = small.tuning(
        trained.student, STEPS, trained.teacher, steps_per_epoch=EPOCH, batches=batches(dies_at),
        freeze_batch_norm_from=0.5, checkpoint=checkpoint,
    )  # fmt: skip
    training.objective.set_weights(trained.objective.get_weights())
    result = quantize_aware_train(trained.student, small.NAME, {}, calibration=calibration, training=training)
    return result.model, result.history


def tuning(trained, checkpoint, dies_at):
    return small.tuning(
        trained.student, STEPS, steps_per_epoch=EPOCH, batches=batches(dies_at), checkpoint=checkpoint
    )  # fmt: skip


def pruned(trained, calibration, checkpoint, dies_at):
    return prune(trained.student, small.NAME, {}, 0.75, tuning(trained, checkpoint, dies_at)), ()


def clustered(trained, calibration, checkpoint, dies_at):
    return cluster(trained.student, small.NAME, {}, 8, tuning(trained, checkpoint, dies_at)), ()


# What keeps zeros in 8 bits is interrupted in tests/baselines/test_resume.py, by its command.
@pytest.mark.parametrize("train", [aware, pruned, clustered])
def test_a_resumed_training_ends_with_the_same_bits(trained, calibration, tmp_path, train):
    wanted, history = train(trained, calibration, None, None)
    checkpoint = tmp_path / "state.npz"
    with pytest.raises(Interrupted):
        train(trained, calibration, checkpoint, EPOCH + 1)
    assert epochs_done(checkpoint) == 1
    keras.utils.set_random_seed(77)
    given, resumed = train(trained, calibration, checkpoint, None)
    assert resumed == history
    for one, other in zip(wanted.variables, given.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other), one.name)
    assert epochs_done(checkpoint) == STEPS // EPOCH


def test_a_damaged_or_foreign_checkpoint_is_named(trained, calibration, tmp_path):
    checkpoint = tmp_path / "state.npz"
    checkpoint.write_bytes(b"PK torn")
    with pytest.raises(InputError, match=r"state\.npz: is no readable checkpoint"):
        pruned(trained, calibration, checkpoint, None)
    np.savez(checkpoint, np.array(1), np.array("[]"), np.zeros(3))
    with pytest.raises(InputError, match="is a checkpoint of another model"):
        pruned(trained, calibration, checkpoint, None)
