"""Functions that TensorFlow traces as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import tensorflow as tf

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")


def as_written(function: Callable[_Given, _Made]) -> Callable[_Given, _Made]:
    """What a function calls or builds, such as the maps of a data set, is traced without AutoGraph.

    AutoGraph rewrites the source of each traced function, so that `if` and `for` may depend on tensors. None of ours
    do, and reading it again takes longer than everything else that comes before the first batch.
    """
    return cast(Callable[_Given, _Made], tf.autograph.experimental.do_not_convert(function))
