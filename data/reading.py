"""Shards of a split → parsed examples, in stored order or mixed."""

from __future__ import annotations

import tensorflow as tf

from data.dataset import UNLABELLED, Dataset

# Read side by side, where frames are mixed, each through a small buffer: what lies beside each other in a shard is of
# one clip, so the more shards, the more patients in a batch.
_MIXED_SHARDS = 256
_SHARD_BUFFER_BYTES = 64 << 10
_SHUFFLE_BYTES = 64 << 20
_LEAST_SHUFFLED = 1024
_FEATURES = {
    "frame": tf.io.FixedLenFeature([], tf.string),
    "gaze_x": tf.io.RaggedFeature(tf.float32),
    "gaze_y": tf.io.RaggedFeature(tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "recording_id": tf.io.FixedLenFeature([], tf.string),
    "patient_id": tf.io.FixedLenFeature([], tf.string),
    "scanner": tf.io.FixedLenFeature([], tf.string),
    "frame_index": tf.io.FixedLenFeature([], tf.int64),
    "time_s": tf.io.FixedLenFeature([], tf.float32),
}


def read_split(
    data: Dataset,
    split: str,
    *,
    frames: bool = True,
    order: tf.Tensor | None = None,
    span: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Parsed examples of a split, in the order they were written.

    With `order`, int64 [2] as `shuffled` takes it, the shards come in random order and interleaved, and the records,
    still as PNGs, go through a buffer of 64 MiB: memory does not grow with the split.

    Elements: dict of `frame` uint8 [H, W, 1], `gaze_x` and `gaze_y` float32 [n]
    (normalised to the frame, n may be 0), `label` int32, `recording_id`, `patient_id`
    and `scanner` string, `frame_index` int64, `time_s` float32, `index` int64, the position
    in the split, and `withheld` bool, whether the frame has a label that is not shown (`data.labels`); its `label`
    is then −1. Without `frames` the pixels are not decoded, and left out. With a `span`, the first position and the one
    after the last, the shards that hold the range are opened, and no others.
    """
    height, width = data.frame_size
    shown = None
    if split == "train" and data.labelled_patients is not None:
        shown = tf.constant(sorted(data.labelled_patients), tf.string, [len(data.labelled_patients)])

    def parse(index, serialised):
        example = tf.io.parse_single_example(serialised, _FEATURES)
        example["index"] = index
        png = example.pop("frame")
        if frames:
            example["frame"] = tf.ensure_shape(tf.io.decode_png(png, channels=1), [height, width, 1])
        label = tf.cast(example["label"], tf.int32)
        hidden = tf.constant(False) if shown is None else tf.reduce_all(example["patient_id"] != shown)
        example["withheld"] = hidden & (label != UNLABELLED)
        example["label"] = tf.where(hidden, UNLABELLED, label)
        return example

    first, end = span or (0, data.frames(split))
    every = list(zip(data.shards(split), data.shard_starts(split)))
    after = [start for _, start in every[1:]] + [data.frames(split)]
    held = [shard for shard, stop in zip(every, after) if stop > first and shard[1] < end]
    shards, starts = [name for name, _ in held], [start for _, start in held]
    if order is None:
        records = tf.data.TFRecordDataset(shards).enumerate(starts[0])
    else:
        records = tf.data.Dataset.from_tensor_slices((shards, tf.constant(starts, tf.int64)))
        records = shuffled(records, len(shards), order).interleave(
            lambda shard, start: tf.data.TFRecordDataset(shard, buffer_size=_SHARD_BUFFER_BYTES).enumerate(start),
            cycle_length=min(_MIXED_SHARDS, len(shards)),
        )
        stored_bytes = sum(data.info["splits"][split]["shard_bytes"])
        records = shuffled(records, max(_LEAST_SHUFFLED, _SHUFFLE_BYTES * data.frames(split) // stored_bytes), order)
    if span is not None:
        records = records.filter(lambda index, _: (index >= first) & (index < end))
    return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)


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
