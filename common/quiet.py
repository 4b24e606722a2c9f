"""`import common.quiet` before anything else imports TensorFlow without its start-up messages, and in less time.

A command's standard error is for its own one-line errors. To see TensorFlow's C++
logs, set TF_CPP_MIN_LOG_LEVEL.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any


@contextlib.contextmanager
def held_back_stderr() -> Iterator[None]:
    """Keep what C++ writes to standard error; show it only if the block raises.

    Some of TensorFlow's and LiteRT's notices come before any log level is set, or ignore it, so the
    file descriptor itself is turned away for as long as the block takes.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


# Keras imports these where they are installed, for figures of its own and for models as scikit-learn has them, which
# nobody here uses: a third of the time that TensorFlow takes to start. Whoever needs them later imports them as always.
_NOT_FOR_KERAS = ("IPython", "cv2", "matplotlib", "sklearn")


@contextlib.contextmanager
def _as_if_not_installed(names: Iterable[str]) -> Iterator[None]:
    """Importing what was not imported yet fails, as far as Keras can see, for as long as the block takes."""
    hidden: dict[str, Any] = {name: None for name in names if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """Look for no garbage while the block takes, and later not in what it made: modules, which stay."""
    looked_for = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if looked_for:
            gc.enable()


os.environ.setdefault("KERAS_BACKEND", "tensorflow")
_said = contextlib.nullcontext() if "TF_CPP_MIN_LOG_LEVEL" in os.environ else held_back_stderr()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "tensorflow" not in sys.modules:
    with _as_if_not_installed(_NOT_FOR_KERAS), _said, _nothing_is_garbage():
        importlib.import_module("tensorflow")
