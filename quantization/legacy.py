"""The one seam to legacy Keras: TF-MOT quantizes `tf_keras` models only.

Both are imported here, on first use and after Keras 3, so that no other part of the
project pays for them or is changed by them.
"""

from __future__ import annotations

import os
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import keras  # noqa: F401  Keras 3 must be there first

if TYPE_CHECKING:
    import tf_keras as keras_2

# Text, so that nothing is imported for it.
LegacyModel: TypeAlias = "keras_2.Model"
LegacyLayer: TypeAlias = "keras_2.layers.Layer"


def tf_keras() -> ModuleType:
    """The `tf_keras` module, its dropout drawing from generators of its own.

    By default it draws from stateful operations, whose state can neither be read nor set: an
    interrupted training could not go on as it would have.
    """
    import tf_keras

    tf_keras.backend.experimental.enable_tf_random_generator()
    return tf_keras


def tfmot() -> ModuleType:
    """The `tensorflow_model_optimization` module."""
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import tensorflow_model_optimization
    # Its import sets this variable; left there, child processes would get another `tf.keras`.
    if before is None:
        os.environ.pop("TF_USE_LEGACY_KERAS", None)
    return tensorflow_model_optimization
