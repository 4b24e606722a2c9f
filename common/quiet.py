"""`import common.quiet` before anything else imports TensorFlow without its start-up messages.

A command's standard error is for its own one-line errors. To see TensorFlow's C++
logs, set TF_CPP_MIN_LOG_LEVEL.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator


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


os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if "tensorflow" not in sys.modules:
        with held_back_stderr():
            importlib.import_module("tensorflow")
