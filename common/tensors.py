"""The types of what the losses, layers and models compute with, for annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# With a value, or symbolic while a model is built; where `tf_keras` builds, its own. Text: nothing is imported for it.
Tensor: TypeAlias = "tf.Tensor | keras.KerasTensor"
# Sizes along the axes, the batch first: whole numbers, or None where a size is not known yet.
Shape: TypeAlias = tuple[Any, ...]
