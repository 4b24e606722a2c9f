import numpy as np
import pytest

import models
from common.errors import InputError
from quantization.legacy import tf_keras
from quantization.legacy_copy import build_legacy_copy, copy_weights

SHAPE = (32, 40, 1)


def test_other_width_is_refused_by_layer():
    student = models.create("squeezenet_1_1", SHAPE, 3, width=0.25)
    with pytest.raises(InputError, match=r"squeezenet_1_1, layer stem_conv: .*\(3, 3, 1, 16\).*expected"):
        build_legacy_copy(student, "squeezenet_1_1", {"width": 0.5})


def test_standardised_frames_in_one_of_the_two_are_refused():
    student = models.create("sononet_4", SHAPE, 3, width=0.25, standardise=True)
    with pytest.raises(InputError, match="model sononet_4: only the Keras 3 model standardises its frames"):
        build_legacy_copy(student, "sononet_4", {"width": 0.25})


def test_a_layer_of_one_model_alone_is_named_and_nothing_is_copied():
    student = models.create("squeezenet_1_1", SHAPE, 3, width=0.25)
    other = models.create("squeezenet_1_1", SHAPE, 3, keras_module=tf_keras(), width=0.25, batch_norm=False)
    before = other.get_weights()
    with pytest.raises(InputError, match="layer fire2_expand1_bn: is in the Keras 3 model"):
        copy_weights(student, other)
    for now, then in zip(other.get_weights(), before):
        np.testing.assert_array_equal(now, then)
