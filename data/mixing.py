"""A split too large for memory, in random order: its records are read one by one from where they lie.

The frames of one clip lie next to each other in a shard, so a buffer that goes over one shard after another mixes few
patients. Here the order is a permutation of the whole split, and memory holds 16 bytes a frame: where it lies, and its
place in the order. The first 8 are found once, and kept for all pipelines of the process. What is given up is the
checksum that a TFRecord file has of each record: a PNG has its own, and `open_dataset(verify=True)` looks at all of
them.
"""

from __future__ import annotations

import functools
import os
import struct
from bisect import bisect_right
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import numpy as np
import tensorflow as tf

from common.errors import InputError, disk_errors
from data.traced import as_written

READ_AT_ONCE = 64  # records that are read in one call
MOST_OPEN_FILES = 128
_HEAD_BYTES, _TAIL_BYTES = 12, 4  # of a record in a TFRecord file: its length and a checksum, and another checksum


@as_written  # called while tf.data traces: AutoGraph's loops take 100 times as long
def mixed_records(shards: Sequence[str], starts: Sequence[int], order: tf.Tensor) -> tf.data.Dataset:
    """(position int64, record string) of all records of some shards once.

    Args:
        shards: paths. starts: position in the split of each shard's first record.
        order: int64 [2], of the run and of the epoch; decides the order alone.

    Raises:
        InputError: a shard that is torn.
    """
    offsets = [_kept_offsets(shard) for shard in shards]
    count = sum(len(found) - 1 for found in offsets)

    @functools.lru_cache(maxsize=MOST_OPEN_FILES)
    def opened(number: int) -> FileIO:
        return FileIO(shards[number])

    def read(positions: np.ndarray) -> np.ndarray:
        found = np.empty(len(positions), object)
        for place, position in enumerate(positions.tolist()):
            number = bisect_right(starts, position) - 1
            begin, end = offsets[number][position - starts[number] :][:2].tolist()
            size = end - begin - _HEAD_BYTES - _TAIL_BYTES
            file = opened(number)  # held, or another thread that opens one more file might close it before it is read
            found[place] = os.pread(file.fileno(), size, begin + _HEAD_BYTES)
        return found

    def records(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return positions, tf.ensure_shape(tf.numpy_function(read, [positions], tf.string, stateful=False), [None])

    keys = tf.random.stateless_uniform([count], order, None, None, tf.int64)
    positions = tf.argsort(keys) + starts[0]
    return tf.data.Dataset.from_tensor_slices(tf.cast(positions, tf.int64)).batch(READ_AT_ONCE).map(records).unbatch()


def _kept_offsets(shard: str) -> np.ndarray:
    with disk_errors(shard):
        found = os.stat(shard)
    return _offsets_as_it_is(shard, found.st_size, found.st_mtime_ns)


@functools.cache
def _offsets_as_it_is(shard: str, size: int, changed: int) -> np.ndarray:
    return record_offsets(Path(shard))


def record_offsets(shard: Path) -> np.ndarray:
    """Where each record of a TFRecord file begins, and the file's end: int64 [n + 1], bytes.

    Raises:
        InputError: the lengths do not add up to the file.
    """
    size, found = shard.stat().st_size, [0]
    with disk_errors(shard), FileIO(shard) as stream:
        while found[-1] < size:
            head = os.pread(stream.fileno(), 8, found[-1])
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
            end = found[-1] + _HEAD_BYTES + length + _TAIL_BYTES
            if end > size:
                raise InputError(f"{shard}: record {len(found) - 1} is torn: make the data set again with prepare.py")
            found.append(end)
    return np.array(found, np.int64)


def shuffled(examples: tf.data.Dataset, buffer: int, seed: tf.Tensor) -> tf.data.Dataset:
    """`examples.shuffle` with a seed that is a tensor, and alone decides: TensorFlow's global seed has no part in it.

    Args:
        examples: elements that are tensors, or dicts or tuples of them.
        buffer: elements to choose from.
        seed: int64 [2], of the run and of the epoch, neither negative.
    """
    specs = tf.nest.flatten(examples.element_spec)
    shuffled_variant = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(examples),
        buffer_size=buffer,
        seed=seed[0],
        seed2=seed[1] + 1,  # two zeros would mean: at random
        output_types=[spec.dtype for spec in specs],
        output_shapes=[spec.shape for spec in specs],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled_variant, examples.element_spec)
