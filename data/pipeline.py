"""A data set on disk → batches: `({"frame", "gaze", "gaze_valid"}, label, weight)`.

One pipeline serves training, calibration and evaluation; augmentation is the only
thing that training adds.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import tensorflow as tf

from common.errors import InputError
from data.augment import Augmentation, augment_batch
from data.dataset import UNLABELLED, Dataset, read_split
from data.saliency import DEFAULT_SIGMA, map_size, render_saliency

GAZE_MODES = ("real", "none", "shuffled", "centre")
UNLABELLED_MODES = ("all", "patients", "none")
_CACHE_LIMIT_BYTES = 2 << 30
_SHUFFLED_FRAMES = 8192


@dataclasses.dataclass(frozen=True)
class PipelineSettings:
    """What shapes a batch besides the data.

    Attributes:
        batch_size: frames a batch.
        sigma: of the saliency map, share of the frame's width.
        gaze: "real", "none" (uniform maps, none valid), "shuffled" (each frame gets the
            gaze of a frame of another recording: the control for "is it the place that
            helps?") or "centre" (one blob in the middle for each frame that has gaze: the
            control for "is it the centre bias?").
        seed: of shuffling, augmentation and shuffled gaze.
        class_weights: weigh each class by the inverse of its share, mean weight 1.
        unlabelled: which frames without a label are kept: "all", "patients" (those of patients of
            whom no frame of the split has a label) or "none".
    """

    batch_size: int = 32
    sigma: float = DEFAULT_SIGMA
    gaze: str = "real"
    seed: int = 0
    class_weights: bool = False
    unlabelled: str = "all"


def training_batches(
    data: Dataset,
    split: str,
    settings: PipelineSettings,
    augmentation: Augmentation | None = None,
    skip: int = 0,
) -> tf.data.Dataset:
    """Endless shuffled, augmented batches.

    Args:
        data: the opened data set.
        split: usually "train".
        settings: see `PipelineSettings`.
        augmentation: None for none.
        skip: batches to leave out at the start, so that a resumed run sees what it would have seen.

    Returns:
        Batches of ({"frame": float32 [B, H, W, 1] in [0, 1], "gaze": float32 [B, h, w] that
        sums to 1, "gaze_valid": bool [B]}, label int32 [B], weight float32 [B]).
    """
    examples = _kept(_examples(data, split, settings), data, split)
    examples = _shuffled(examples, min(data.frames(split), _SHUFFLED_FRAMES), settings.seed)
    batches = _batch(examples, settings.batch_size).skip(skip)
    weights = _class_weights(data, split, settings)

    def finish(step, example):
        seed = tf.stack([tf.constant(settings.seed, tf.int64), step + skip])
        return _to_batch(data, settings, weights, example, seed if augmentation else None, augmentation)

    return batches.enumerate().map(finish, num_parallel_calls=2).prefetch(2)


def evaluation_batches(
    data: Dataset,
    split: str,
    *,
    batch_size: int = 64,
    sigma: float = DEFAULT_SIGMA,
    gaze: str = "real",
    seed: int = 0,
    unlabelled: str = "all",
    keep: bool = False,
) -> tf.data.Dataset:
    """Batches of a split in stored order, once, without augmentation; all weights are 1.

    Args:
        keep: hold the frames in memory, as bytes, for going through them again; a split that
            takes more than 2 GiB is read again each time.
    """
    settings = PipelineSettings(batch_size=batch_size, sigma=sigma, gaze=gaze, seed=seed, unlabelled=unlabelled)
    examples = _examples(data, split, settings)
    batches = _batch(_kept(examples, data, split) if keep else examples, batch_size)
    weights = _class_weights(data, split, settings)
    batches = batches.map(lambda example: _to_batch(data, settings, weights, example), num_parallel_calls=2).prefetch(2)
    # Keras warns of a data set that ends at a place it could not know.
    frames = frames_taken(data, split, unlabelled)
    return batches.apply(tf.data.experimental.assert_cardinality(-(-frames // batch_size)))


def _examples(data: Dataset, split: str, settings: PipelineSettings) -> tf.data.Dataset:
    if settings.gaze not in GAZE_MODES:
        raise InputError(f"gaze must be one of {', '.join(GAZE_MODES)}, not {settings.gaze!r}")
    examples = read_split(data, split)
    if settings.gaze == "shuffled":
        x, y = _shuffled_points(examples, settings.seed, f"{data.path}, split {split!r}")
        points = tf.data.Dataset.from_tensor_slices((x, y))
        examples = tf.data.Dataset.zip(examples, points).map(
            lambda example, point: {**example, "gaze_x": _flat(point[0]), "gaze_y": _flat(point[1])}
        )

    if settings.unlabelled != "all":
        wanted = sorted(_unlabelled_patients(data, split)) if settings.unlabelled == "patients" else []
        patients = tf.constant(wanted, tf.string, [len(wanted)])
        examples = examples.filter(
            lambda example: (example["label"] != UNLABELLED) | tf.reduce_any(example["patient_id"] == patients)
        )

    def keep(example):
        x, y = example["gaze_x"], example["gaze_y"]
        if settings.gaze == "none":
            x = y = tf.zeros([0])
        elif settings.gaze == "centre":
            x = y = tf.fill([tf.minimum(tf.size(x), 1)], 0.5)
        return {"frame": example["frame"], "x": x, "y": y, "label": example["label"]}

    return examples.map(keep, num_parallel_calls=tf.data.AUTOTUNE)


def _shuffled(examples: tf.data.Dataset, buffer: int, seed: int) -> tf.data.Dataset:
    """Endless, in an order that `seed` alone decides, and the same each time it is iterated.

    `shuffle(seed=…)` mixes in TensorFlow's global seed, whatever that was last set to. Inside the
    function of a `flat_map` the seed of that function's graph takes its place.
    """

    def endless(_):
        tf.random.set_seed(seed)  # of this graph; the global one stays as it is
        return examples.shuffle(buffer, seed=seed).repeat()

    return tf.data.Dataset.range(1).flat_map(endless)


def _kept(examples: tf.data.Dataset, data: Dataset, split: str) -> tf.data.Dataset:
    """Examples that are decoded once, where they fit into memory."""
    height, width = data.frame_size
    return examples.cache() if data.frames(split) * height * width <= _CACHE_LIMIT_BYTES else examples


def frames_taken(data: Dataset, split: str, unlabelled: str) -> int:
    """Number of frames of a split that are kept; see `PipelineSettings.unlabelled`.

    Raises:
        InputError: no such split, or no such choice.
    """
    if unlabelled not in UNLABELLED_MODES:
        raise InputError(f"unlabelled must be one of {', '.join(UNLABELLED_MODES)}, not {unlabelled!r}")
    if unlabelled == "all":
        return data.frames(split)
    found = data.labelled_frames(split)
    return found + (sum(_unlabelled_patients(data, split).values()) if unlabelled == "patients" else 0)


def _unlabelled_patients(data: Dataset, split: str) -> dict[str, int]:
    """{patient of whom no frame of the split has a label: number of frames}."""
    if data.labelled_frames(split) == data.frames(split):
        return {}
    frames: Counter[str] = Counter()
    labelled: set[str] = set()
    for example in read_split(data, split, frames=False).as_numpy_iterator():
        patient = example["patient_id"].decode()
        frames[patient] += 1
        if example["label"] != UNLABELLED:
            labelled.add(patient)
    return {patient: count for patient, count in frames.items() if patient not in labelled}


def _flat(row: tf.Tensor) -> tf.Tensor:
    """A padded row without its NaN padding."""
    return tf.boolean_mask(row, ~tf.math.is_nan(row))


def _shuffled_points(examples: tf.data.Dataset, seed: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Every frame's points, given to a frame of another recording.

    A frame's neighbour in its own clip was looked at in nearly the same place, so frames
    are ordered by a shuffle of the *recordings* and their gaze is moved on by at least the
    longest recording. Points and their number stay what they were.
    """
    rows = [(example["recording_id"], example["gaze_x"], example["gaze_y"]) for example in examples.as_numpy_iterator()]
    recordings = sorted({row[0] for row in rows})
    rank = dict(zip(recordings, np.random.default_rng(seed).permutation(len(recordings)), strict=True))
    order = sorted(range(len(rows)), key=lambda i: (rank[rows[i][0]], i))
    name, longest = Counter(row[0] for row in rows).most_common(1)[0]
    widest = max(len(row[1]) for row in rows)
    if widest and 2 * longest > len(rows):
        raise InputError(
            f"{where}: gaze 'shuffled': recording {name.decode()} has {longest} of the {len(rows)} frames, more than "
            "half, so some of them can't get the gaze of another one: add recordings"
        )
    widest = max(1, widest)
    x, y = (np.full((len(rows), widest), np.nan, np.float32) for _ in range(2))
    for place, index in enumerate(order):
        _, from_x, from_y = rows[order[(place + longest) % len(rows)]]
        x[index, : len(from_x)], y[index, : len(from_y)] = from_x, from_y
    return x, y


def _batch(examples: tf.data.Dataset, size: int) -> tf.data.Dataset:
    nan = tf.constant(np.nan, tf.float32)
    return examples.padded_batch(
        size,
        padding_values={
            "frame": tf.constant(0, tf.uint8),
            "x": nan,
            "y": nan,
            "label": tf.constant(0, tf.int32),
        },
    )


def _class_weights(data: Dataset, split: str, settings: PipelineSettings) -> tf.Tensor:
    """[classes + 1]; the last entry is for label −1, which indexes it from the end."""
    if not settings.class_weights:
        return tf.ones([len(data.classes) + 1])
    counts = np.array([data.info["splits"][split]["frames_per_class"][name] for name in data.classes], float)
    weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
    return tf.constant([*weights, 1.0], tf.float32)


def _to_batch(data, settings, weights, example, seed=None, augmentation=None):
    frame = tf.cast(example["frame"], tf.float32) / 255.0
    x, y = example["x"], example["y"]
    if augmentation is not None:
        frame, x, y = augment_batch(frame, x, y, seed, augmentation)
    height, width = data.frame_size
    density, valid = render_saliency(
        x, y, ~tf.math.is_nan(x), map_size(data.frame_size), sigma=settings.sigma, aspect=width / height
    )
    label = example["label"]
    weight = tf.gather(weights, tf.where(label < 0, len(data.classes), label))
    return {"frame": frame, "gaze": density, "gaze_valid": valid}, label, weight
