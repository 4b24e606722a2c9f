import numpy as np
import pytest

import models
from common.errors import InputError
from quantization.legacy import tf_keras
from quantization.twin import build_twin, copy_weights
from tests.quantization.blobs import randomised

SHAPE = (32, 40, 1)


@pytest.mark.parametrize("name", models.names("student"))
def test_twin_gives_the_students_logits(name):
    student = randomised(models.create(name, SHAPE, 3))
    twin = build_twin(name, SHAPE, 3, student)
    frames = np.random.default_rng(0).random((4, *SHAPE), dtype=np.float32)
    logits = student(frames, training=False).numpy()
    # Logits that are all alike would agree whatever the weights are.
    assert logits.std() > 1e-2
    np.testing.assert_allclose(twin(frames, training=False).numpy(), logits, atol=1e-5 * abs(logits).max())
    assert [layer.name for layer in twin.layers] == [layer.name for layer in student.layers]
    assert isinstance(twin, tf_keras().Model)


def test_other_width_is_refused_by_layer():
    student = models.create("squeezenet_1_1", SHAPE, 3, width=0.25)
    with pytest.raises(InputError, match=r"squeezenet_1_1, layer stem_conv: .*\(3, 3, 1, 16\).*expected"):
        build_twin("squeezenet_1_1", SHAPE, 3, student, width=0.5)


def test_a_layer_of_one_model_alone_is_named_and_nothing_is_copied():
    student = models.create("squeezenet_1_1", SHAPE, 3, width=0.25)
    other = models.create("squeezenet_1_1", SHAPE, 3, keras_module=tf_keras(), width=0.25, batch_norm=False)
    before = other.get_weights()
    with pytest.raises(InputError, match="layer fire2_expand1_bn: is in the Keras 3 model"):
        copy_weights(student, other)
    for now, then in zip(other.get_weights(), before):
        np.testing.assert_array_equal(now, then)
