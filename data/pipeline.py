"""A data set on disk → batches: `({"frame", "gaze", "gaze_valid"}, label, weight)`.

One pipeline serves training, calibration and evaluation; augmentation is the only
thing that training adds.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from common.errors import InputError
from data.augment import Augmentation, augment_batch, draws_at, random_draws
from data.dataset import Dataset
from data.mixing import shuffled
from data.parts import WHOLE, Part, Span, frames_shared, span_of
from data.saliency import DEFAULT_SIGMA, map_size, render_saliency
from data.selection import UNLABELLED_MODES, frames_taken, selected_examples
from data.traced import as_written

__all__ = [
    "UNLABELLED_MODES",
    "PipelineSettings",
    "check_parts",
    "evaluation_batches",
    "frames_taken",
    "labelled_frames_a_batch",
    "training_batches",
    "view_batches",
]

# Of decoded frames: a split that takes more is read again in every epoch, in memory that does not grow with it.
CACHE_LIMIT_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class PipelineSettings:
    """What shapes a batch besides the data.

    Attributes:
        batch_size: frames per batch.
        sigma: of the saliency map, share of the frame's width.
        gaze: "real", "none" (uniform maps, none valid), "shuffled" (each frame gets the
            gaze of a frame of another recording: the control for "is it the place that
            helps?") or "centre" (one blob in the middle for each frame that has gaze: the
            control for "is it the centre bias?").
        seed: of shuffling, augmentation and shuffled gaze.
        class_weights: weigh each class by the inverse of its share, mean weight 1.
        unlabelled: which frames without a label are kept: "all", "patients" (those of patients of
            whom no frame of the split has a label), "withheld" (those whose label is there and not
            shown, see `data.labels`: without transitions) or "none".
        views: of each frame, the number of augmentations that are gone through, one per epoch, and
            then again; 0 = a new one in every epoch.
        labelled_share: of each training batch, the share of frames that have a label, so that few
            labels are not lost among many frames: the labelled and the other frames are each gone
            through in an order of their own. None takes them as they come.
    """

    batch_size: int = 32
    sigma: float = DEFAULT_SIGMA
    gaze: str = "real"
    seed: int = 0
    class_weights: bool = False
    unlabelled: str = "all"
    views: int = 0
    labelled_share: float | None = None


# What an augmented frame depends on: its position in the split and its view.
TeacherLookup = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


@as_written
def training_batches(
    data: Dataset,
    split: str,
    settings: PipelineSettings,
    augmentation: Augmentation | None = None,
    skip: int = 0,
    teacher: TeacherLookup | None = None,
    part: Part = WHOLE,
) -> tf.data.Dataset:
    """Endless shuffled, augmented batches.

    View v of frame i is one function of (seed, v, i): epoch e shows view e, or e mod `views`. With
    a `labelled_share` the labelled frames have epochs of their own, shorter than those of the others.

    Args:
        data: the opened data set.
        split: usually "train".
        settings: see `PipelineSettings`.
        augmentation: None for none.
        skip: batches to leave out at the start, so that a resumed run sees what it would have seen.
        teacher: (view int64 [B], index int64 [B]) → a teacher's outputs for these frames, as
            `training.teacher_cache` keeps them; needs `settings.views`.
        part: of several readers, the one that this is: of each batch it gives its share, in as many pieces as it has
            devices.

    Returns:
        Batches of ({"frame": float32 [B, H, W, 1] in [0, 1], "gaze": float32 [B, h, w] that
        sums to 1, "gaze_valid": bool [B]}, label int32 [B], weight float32 [B]); with `teacher`
        the features have "teacher", its outputs.
    """
    taken, labelled = frames_taken(data, split, settings.unlabelled), data.labelled_frames(split)
    share, size = settings.labelled_share, part.share(settings.batch_size)
    if share is None or not 0 < labelled < taken:
        stream = _endless(data, split, settings, augmentation, skip * size, part)
    else:
        chosen = _places(settings.batch_size, share, part)
        count = int(np.sum(chosen == 0))
        parts = [
            _endless(data, split, settings, augmentation, skip * count, part, labelled=True),
            _endless(data, split, settings, augmentation, skip * (size - count), part, labelled=False),
        ]
        places = tf.data.Dataset.from_tensor_slices(chosen).repeat()
        stream = tf.data.Dataset.choose_from_datasets(parts, places)
    finish = _finisher(data, split, settings, augmentation, teacher)
    return _batch(stream, size // part.pieces).map(finish, num_parallel_calls=2).prefetch(2)


def _places(batch_size: int, share: float, part: Part) -> np.ndarray:
    """Which frames each place of a batch takes, over and over: 0 those with a label, 1 the others; a part's places."""
    count = labelled_frames_a_batch(batch_size, share)
    if min(count, batch_size - count) < part.of:
        raise InputError(
            f"labelled_share {share:g}: {count} labelled frames of a batch of {batch_size} can't be shared by "
            f"{part.of} workers: enlarge batch_size, or start fewer of them"
        )
    return np.repeat([0, 1], [count, batch_size - count])[part.number :: part.of]


def labelled_frames_a_batch(batch_size: int, share: float) -> int:
    """Labelled frames in each batch of a `labelled_share`: at least one, and at least one place for the others.

    Raises:
        InputError: a batch of one frame, which has no place for both.
    """
    if batch_size < 2:
        raise InputError(f"labelled_share {share:g}: a batch of {batch_size} frame can't be shared: enlarge batch_size")
    return min(batch_size - 1, max(1, round(share * batch_size)))


def check_parts(
    data: Dataset, split: str, unlabelled: str, part: Part, batch_size: int = 0, labelled_share: float | None = None
) -> None:
    """Refuse what several workers can't read together, before any of it is read.

    Args:
        data, split: what is read. unlabelled, batch_size, labelled_share: see `PipelineSettings`.
        part: of any of them.

    Raises:
        InputError: fewer frames than workers, in the split or among the labelled frames of a batch.
    """
    if part.of == 1:
        return
    whole = labelled_share is None or not 0 < data.labelled_frames(split) < frames_taken(data, split, unlabelled)
    if labelled_share is not None and not whole:
        _places(batch_size, labelled_share, part)
    for labelled in (None,) if whole else (True, False):
        frames_shared(data, split, unlabelled, part, labelled)


def _endless(
    data: Dataset,
    split: str,
    settings: PipelineSettings,
    augmentation: Augmentation | None,
    skip: int,
    part: Part,
    labelled: bool | None = None,
) -> tf.data.Dataset:
    """Shuffled examples of a part with their view and draws, epoch after epoch.

    Args:
        augmentation: which numbers are drawn.
        skip: examples to leave out at the start. part: which are read.
        labelled: those that have a label alone (True), those that have none (False), or both (None).
    """
    span = span_of(data, split, settings.unlabelled, part, labelled)
    first_epoch, rest = divmod(skip, span.frames)
    examples = _selected(data, split, settings, span if part.of > 1 else None, labelled)
    seed = tf.constant(settings.seed, tf.int64)

    stored = examples(None).cache() if _fits(data, split, span) else None

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.stack([seed, number])
        view = number % settings.views if settings.views else number
        draws = _draws(data, split, tf.stack([seed, view]), augmentation)
        found = examples(order) if stored is None else shuffled(stored, span.end - span.first, order)
        return found.map(lambda example: {**example, "view": view, "draws": draws(example["index"])})

    return tf.data.Dataset.range(first_epoch, 1 << 62).flat_map(epoch).skip(rest)


@as_written
def view_batches(
    data: Dataset, split: str, settings: PipelineSettings, augmentation: Augmentation | None, view: int
) -> tf.data.Dataset:
    """Batches of one view of a split, in stored order, once; the features have "index" int64 [B] too."""
    draws = _draws(data, split, tf.constant([settings.seed, view], tf.int64), augmentation)
    number = tf.constant(view, tf.int64)
    examples = _selected(data, split, settings)(None).map(
        lambda example: {**example, "view": number, "draws": draws(example["index"])}
    )
    finish = _finisher(data, split, settings, augmentation, with_index=True)
    batches = _batch(examples, settings.batch_size).map(finish, num_parallel_calls=2).prefetch(2)
    return _counted(batches, data, split, settings)


@as_written
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
    teacher: TeacherLookup | None = None,
    part: Part = WHOLE,
) -> tf.data.Dataset:
    """Batches of a split in stored order, once, without augmentation; all weights are 1.

    Args:
        data, split: the frames.
        batch_size: frames per batch; the last one may have fewer.
        sigma, gaze, seed, unlabelled: see `PipelineSettings`.
        keep: hold the frames in memory, as bytes, for going through them again; a split that
            takes more than 256 MiB is read again each time.
        teacher: see `training_batches`; what it gives is for view 0.
        part: of several readers, the one that this is. Each gives as many batches as the others, one per device and
            step, the last ones perhaps without a frame.

    Returns:
        Batches ({"frame" float32 [B, H, W, 1] in [0, 1], "gaze" float32 [B, h, w] that sums to 1, "gaze_valid"
        bool [B]}, label int32 [B], weight float32 [B]); with `teacher` the features have what it gives too.

    Raises:
        InputError: no such split or choice, gaze that can't be shuffled, or fewer frames than readers.
    """
    settings = PipelineSettings(batch_size=batch_size, sigma=sigma, gaze=gaze, seed=seed, unlabelled=unlabelled)
    zero = tf.constant(0, tf.int64)
    span = span_of(data, split, unlabelled, part) if part.of > 1 else None
    examples = _selected(data, split, settings, span)(None).map(lambda example: {**example, "view": zero, "draws": []})
    examples = examples.cache() if keep and _fits(data, split, span) else examples
    finish = _finisher(data, split, settings, None, teacher)
    if part.devices == 1:
        return _counted(
            _batch(examples, batch_size).map(finish, num_parallel_calls=2).prefetch(2), data, split, settings
        )
    batches = _batch(examples, max(1, batch_size // part.devices))
    steps = part.steps(frames_taken(data, split, unlabelled), batch_size)
    none = tf.data.Dataset.from_tensors(_no_examples(batches.element_spec)).repeat()
    return batches.concatenate(none).take(steps * part.pieces).map(finish, num_parallel_calls=2).prefetch(2)


def _no_examples(spec: dict[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """A batch of nothing."""
    return {name: tf.zeros([0, *(size or 0 for size in one.shape[1:])], one.dtype) for name, one in spec.items()}


def _counted(batches: tf.data.Dataset, data: Dataset, split: str, settings: PipelineSettings) -> tf.data.Dataset:
    """With its length: Keras warns of a data set that ends at a place it could not know."""
    frames = frames_taken(data, split, settings.unlabelled)
    return batches.apply(tf.data.experimental.assert_cardinality(-(-frames // settings.batch_size)))


def _draws(
    data: Dataset, split: str, seed: tf.Tensor, augmentation: Augmentation | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    """position → the random numbers of its augmentation; of a large split they are not all held in memory."""
    if _is_streamed(data, split):
        return lambda index: draws_at(index, seed, augmentation)
    table = random_draws(data.frames(split), seed, augmentation)
    return lambda index: tf.gather(table, index)


def _is_streamed(data: Dataset, split: str) -> bool:
    """Whether a split is too large to be held in memory: its order is then another one, see `data.mixing`."""
    return not _fits(data, split, None)


def _fits(data: Dataset, split: str, span: Span | None) -> bool:
    """Whether the frames of a split, or of a range of it, may be held in memory as bytes."""
    height, width = data.frame_size
    frames = data.frames(split) if span is None else span.end - span.first
    return frames * height * width <= CACHE_LIMIT_BYTES


def _selected(
    data: Dataset, split: str, settings: PipelineSettings, span: Span | None = None, labelled: bool | None = None
) -> Callable[..., tf.data.Dataset]:
    """order → the examples of a split, or of a range of it."""
    taken = selected_examples(
        data, split, gaze=settings.gaze, unlabelled=settings.unlabelled, labelled=labelled, seed=settings.seed
    )
    return functools.partial(taken, span=span and (span.first, span.end))


def _batch(examples: tf.data.Dataset, size: int) -> tf.data.Dataset:
    nan = tf.constant(np.nan, tf.float32)
    return examples.padded_batch(
        size,
        padding_values={
            "frame": tf.constant(0, tf.uint8),
            "x": nan,
            "y": nan,
            "label": tf.constant(0, tf.int32),
            "index": tf.constant(0, tf.int64),
            "view": tf.constant(0, tf.int64),
            "draws": tf.constant(0, tf.float32),
        },
    )


def _class_weights(data: Dataset, split: str, settings: PipelineSettings) -> tf.Tensor:
    """[classes + 1]; the last entry is for label −1, which indexes it from the end."""
    if not settings.class_weights:
        return tf.ones([len(data.classes) + 1])
    counts = np.array([data.info["splits"][split]["frames_per_class"][name] for name in data.classes], float)
    weights = counts.sum() / ((counts > 0).sum() * np.maximum(counts, 1))
    return tf.constant([*weights, 1.0], tf.float32)


def _finisher(
    data: Dataset,
    split: str,
    settings: PipelineSettings,
    augmentation: Augmentation | None,
    teacher: TeacherLookup | None = None,
    with_index: bool = False,
) -> Callable[[dict[str, tf.Tensor]], tuple[dict[str, Any], tf.Tensor, tf.Tensor]]:
    """Batched examples → ({features}, label, weight)."""
    weights = _class_weights(data, split, settings)
    prepare = _prepare(data.frame_size, settings.sigma, augmentation)

    def finish(example: dict[str, tf.Tensor]) -> tuple[dict[str, Any], tf.Tensor, tf.Tensor]:
        frame, density, valid = prepare(example["frame"], example["x"], example["y"], example["draws"])
        features = {"frame": frame, "gaze": density, "gaze_valid": valid}
        if teacher is not None:
            features["teacher"] = teacher(example["view"], example["index"])
        if with_index:
            features["index"] = example["index"]
        label = example["label"]
        return features, label, tf.gather(weights, tf.where(label < 0, len(data.classes), label))

    return finish


@functools.lru_cache(maxsize=32)
def _prepare(frame_size: tuple[int, int], sigma: float, augmentation: Augmentation | None) -> Callable[..., Any]:
    """(uint8 frames, x, y, draws) of a batch → (frames, gaze maps, whether valid).

    A graph that is built once, since a training has many pipelines with the same settings.
    """
    height, width = frame_size

    def prepare(frame: tf.Tensor, x: tf.Tensor, y: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, ...]:
        frame = tf.cast(frame, tf.float32) / 255.0
        if augmentation is not None:
            frame, x, y = augment_batch(frame, x, y, draws, augmentation)
        present = ~tf.math.is_nan(x)
        return frame, *render_saliency(x, y, present, map_size(frame_size), sigma=sigma, aspect=width / height)

    points = tf.TensorSpec([None, None], tf.float32)
    frames = tf.TensorSpec([None, height, width, 1], tf.uint8)
    return tf.function(prepare, autograph=False).get_concrete_function(frames, points, points, points)
