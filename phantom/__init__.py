"""Simulated recordings: a fetus, a scanner and a sonographer, written as real files.

Nothing here imports TensorFlow at import time: the worker processes load this
package, and need numbers, video and text files only.
"""

from phantom.config import PhantomConfig
from phantom.prepare import prepare_phantom
from phantom.recordings import write_recordings

__all__ = ["PhantomConfig", "prepare_phantom", "write_recordings"]
