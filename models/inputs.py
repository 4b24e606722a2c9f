"""What a model takes of a batch's features: the frame alone, or the frame and the gaze by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


def inputs_of(model: keras.Model, features: Mapping[str, Any]) -> Any:
    """The part of `features` that `model` takes, in the form that it takes it.

    Args:
        model: Functional model whose inputs are named, such as `frame` and `gaze`.
        features: a batch's tensors or arrays by name; others are left out.

    Returns:
        The tensor itself for a model with one input, {name: tensor} for one with several.

    Raises:
        KeyError: an input that the features do not hold.
    """
    names = [tensor.name for tensor in model.inputs]
    return features[names[0]] if len(names) == 1 else {name: features[name] for name in names}


def input_tensors(model: keras.Model) -> Any:
    """The symbolic inputs, to build another model on: the tensor of one, the list of several."""
    return model.inputs if len(model.inputs) > 1 else model.inputs[0]
