"""The outputs of a frozen teacher, computed once for several augmented views of every training frame.

A teacher takes much more computation than its student, and it is frozen: with its outputs on disk, a
distillation step takes about as long as a training step of the student alone. View `v` of frame `i`
is one function of (seed, v, i), so the student trains on exactly the pixels that the teacher saw
(`data.pipeline`). Stored are the logits and, at the taps that the loss compares, the attention maps
Q/‖Q‖₂ as float16. Terms that need the features themselves (hints, similarity preserving) can't be
computed from that: they need the live teacher, `distil.views 0`.

The cache lies next to the teacher, so every student, and every row of a study, that uses the same
teacher, data, augmentation and seed shares it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import pydantic
import tensorflow as tf

from common.console import notice, say, track
from common.documents import checked, read_json
from common.errors import InputError, disk_errors
from common.files import sha256_of, write_text
from common.locks import exclusive
from data.augment import Augmentation
from data.counterpart import counterpart_augmentation
from data.dataset import Dataset
from data.pipeline import PipelineSettings, view_batches
from losses.attention import attention_map
from models.distiller import teacher_pass
from models.ensemble import Ensemble, combine, shares
from training.run_folder import artefacts
from training.stages import TRAINING_VERSION, Stage
from training.teacher_data import teacher_data

CACHE_VERSION = 1
_INDEX = "cache.json"
_PROGRESS = "progress.json"
_VERIFIED_BYTES = 1 << 30  # up to here the content is verified on opening, above it the sizes alone
AVERAGED_AT_ONCE = 1 << 16  # frames; their logits of all views are in memory together
# File systems that can't reserve space: there a full disk shows when it is written to.
_NO_RESERVING = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV, errno.ENOSYS)


class _File(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    sha256: str
    bytes: int


class _Index(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    identity: dict[str, Any]
    files: dict[Annotated[str, pydantic.Field(pattern=r"^(train|val)-\w+\.npy$")], _File]


class _Progress(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    done: Annotated[int, pydantic.Field(ge=0)]


@dataclasses.dataclass(frozen=True)
class TeacherCache:
    """An opened cache.

    Attributes:
        folder: where it lies.
        views: number of augmented views of each training frame.
        arrays: {"train" or "val": {name: float16 [views, frames, ...], memory-mapped}}; the names
            are "logits" (and of several teachers "soft_logits", "mean_logits") and the taps.
        averaged_at: temperature at which the soft targets of a frame's views are averaged, so that each
            view has the mean as its target; None leaves each view its own. Maps are never averaged.
    """

    folder: Path
    views: int
    arrays: Mapping[str, Mapping[str, np.ndarray]]
    averaged_at: float | None = None

    def lookup(self, split: str) -> Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]:
        """(view int64 [B], index int64 [B]) → the teacher's outputs, float32, as `teacher_pass` gives them.

        A tap's map is [B, h, w, 1]: the square root of the stored attention map, so that its
        attention map is the stored one.
        """
        arrays = self.arrays[split]
        if self.averaged_at is not None:
            arrays = {**arrays, **average_views(arrays, self.averaged_at)}

        def gather(view: np.ndarray, index: np.ndarray) -> list[np.ndarray]:
            return [array[view, index] for array in arrays.values()]

        def run(view: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
            kinds = [tf.as_dtype(array.dtype) for array in arrays.values()]
            values = tf.numpy_function(gather, [view, index], kinds, stateful=False)
            outputs = {}
            for (name, array), value in zip(arrays.items(), values, strict=True):
                value = tf.cast(tf.ensure_shape(value, [None, *array.shape[2:]]), tf.float32)
                outputs[name] = value if value.shape.rank == 2 else tf.sqrt(value)[..., None]
            return outputs

        return run


def average_views(arrays: Mapping[str, np.ndarray], temperature: float) -> dict[str, np.ndarray]:
    """What a teacher says of a frame over all of its views, given to each of them.

    An ensemble of one teacher over augmentations: probabilities are averaged as `models.ensemble.combine`
    averages those of several teachers.

    Args:
        arrays: "logits" float [views, frames, K], and of several teachers "soft_logits" and "mean_logits".
        temperature: T of the soft targets.

    Returns:
        The same names and "soft_logits", "mean_logits": float32 [views, frames, K], alike in all views.
    """

    views, frames, classes = arrays["logits"].shape
    equal, found = shares(views, None), dict[str, np.ndarray]()
    # Of several teachers each has logits of its own.
    sources = {name: name if name in arrays else "logits" for name in ("logits", "soft_logits", "mean_logits")}
    for name in sources:
        found[name] = np.empty((frames, classes), np.float32)
    for first in range(0, frames, AVERAGED_AT_ONCE):
        some = slice(first, first + AVERAGED_AT_ONCE)
        for source in set(sources.values()):
            mean = combine(list(np.asarray(arrays[source][:, some], np.float32)), equal, temperature)
            for name in (name for name in sources if sources[name] == source):
                found[name][some] = mean[name]
    return {name: np.broadcast_to(value, (views, frames, classes)) for name, value in found.items()}


def teacher_cache(stage: Stage, teacher: keras.Model | Ensemble | None) -> TeacherCache | None:
    """The cache that a stage distils from, filled where it is not there; None where the teacher runs live.

    Args:
        stage: of the student, or int8.
        teacher: frozen; the one that the stage's configuration names.

    Raises:
        InputError: a damaged cache, a full disk; on a worker that does not see the cache of the chief.
    """
    place = _place(stage)
    if teacher is None or place is None:
        term = stage.config.loss.needs_features()
        if teacher is not None and stage.config.distil.views and term is not None:
            say(f"the teacher runs live: the term {term} needs its features, which a teacher cache does not hold")
        return None
    live = teacher_pass(teacher, stage.config.loss)
    assert live is not None
    with stage.distribution.chief_first():  # who fills it
        stage.distribution.check_seen(place.folder / _INDEX)
        if not place.folder.is_dir():
            with exclusive(place.folder, wait=True):  # another student of the same teacher fills it
                if not place.folder.is_dir():
                    _fill(stage, place, live)
        cache = _open(place)
    distil, loss = stage.config.distil, stage.config.loss
    return dataclasses.replace(cache, averaged_at=loss.temperature if distil.average_views else None)


def check_teacher_cache(stage: Stage) -> None:
    """Open the cache of a teacher that is there already, if it has one: a damaged one is known before any training.

    Args:
        stage: of the student, or int8.

    Raises:
        InputError: a damaged cache.
    """
    place = _place(stage)
    if place is not None and place.folder.is_dir():
        _open(place)


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a cache lies, and what it is of.

    Attributes:
        folder: named by the identity.
        identity: all that decides the outputs: teacher, data, augmentation, seed, ...; JSON-serialisable.
        settings: of the batches.
        data: what the teacher sees: the stage's, or the same at another frame size.
        augmentation: of the training frames in it.
    """

    folder: Path
    identity: dict[str, Any]
    settings: PipelineSettings
    data: Dataset
    augmentation: Augmentation


def _place(stage: Stage) -> _Place | None:
    """The place of a stage's cache; None where the teacher runs live, or there is none."""
    config = stage.config
    views = min(config.distil.views, config.distil.epochs)
    cacheable = config.loss.uses_teacher() and config.loss.needs_features() is None
    if not config.has_teacher or not views or not cacheable:
        return None
    paths, several = config.teacher_path or artefacts(stage.run, "teacher"), len(config.teacher_path) > 1
    settings = stage.pipeline(config.distil, views)
    seen = teacher_data(config, stage.data)
    augmentation = counterpart_augmentation(config.augment, stage.data.frame_size, seen.frame_size)
    identity = {
        "version": CACHE_VERSION,
        "views": views,
        "training": TRAINING_VERSION,
        "teacher": sha256_of(paths),
        "ensemble": [shares(len(paths), config.teacher_weights), config.loss.temperature] if several else None,
        "taps": config.loss.teacher_taps(),
        "data": stage.data.checksum,
        **({"teacher_data": seen.checksum} if config.distil.teacher_data is not None else {}),
        "augmentation": dataclasses.asdict(config.augment),
        **{name: getattr(settings, name) for name in ("gaze", "sigma", "seed", "unlabelled")},
        # Which frames have no label decides which are there, unless all are.
        "labelled_patients": None if settings.unlabelled == "all" else config.labelled_patients,
    }
    text = json.dumps(identity, sort_keys=True)
    root, name = paths[0].parent / "cache", hashlib.sha256(text.encode()).hexdigest()[:16]
    # What is there already is only read.
    if not (root / name).is_dir() and not os.access(root if root.exists() else root.parent, os.W_OK):
        root = stage.run / "cache"
    return _Place(root / name, json.loads(text), settings, seen, augmentation)


def _fill(stage: Stage, place: _Place, live: Callable) -> None:
    """Write the arrays into a sibling folder, which gets its name once all of them are whole.

    An interrupted filling goes on after its last whole view.
    """
    data, views, folder = place.data, place.settings.views, place.folder

    def batches(split: str, view: int) -> tf.data.Dataset:
        return view_batches(data, split, place.settings, place.augmentation if split == "train" else None, view)

    part = folder.with_name(folder.name + ".part")
    _name_others(folder)
    work = [("train", view) for view in range(views)] + ([("val", 0)] if data.info["splits"]["val"]["frames"] else [])
    compute = tf.function(lambda features: _stored(live(features)), autograph=False, reduce_retracing=True)
    shapes = _shapes(compute, batches("train", 0))
    with disk_errors(part):
        part.mkdir(parents=True, exist_ok=True)
        done = _progress(part / _PROGRESS)
        _check_space(part, shapes, data, views)
        for split in sorted({split for split, _ in work}):
            _arrays(part, split, shapes, data, views, new=not done)
        _reserve(part)
        for number, (split, view) in enumerate(work[done:], done):
            arrays = _arrays(part, split, shapes, data, views, new=False)
            what = f"teacher, view {view + 1} of {views}" if split == "train" else "teacher, validation"
            for features, *_ in track(batches(split, view), what):
                index = features["index"].numpy()
                for name, values in compute(features).items():
                    arrays[name][view, index] = values.numpy()
            for array in arrays.values():
                array.flush()
            write_text(part / _PROGRESS, json.dumps({"done": number + 1}))
        files = {file.name: {"sha256": sha256_of([file]), "bytes": file.stat().st_size} for file in part.glob("*.npy")}
        write_text(part / _INDEX, json.dumps({"identity": place.identity, "files": files}, indent=2) + "\n")
        (part / _PROGRESS).unlink()
        part.rename(folder)


def _progress(file: Path) -> int:
    """Parts that an interrupted filling has done."""
    cure = "delete its folder"
    if not file.is_file():
        return 0
    return checked(_Progress, read_json(file, "the progress of a teacher cache", cure), file, cure).done


def _stored(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The teacher's outputs as they are stored: logits as they are, maps as attention maps; float16."""
    found = {name: value if value.shape.rank == 2 else attention_map(value) for name, value in outputs.items()}
    return {name: tf.cast(value, tf.float16) for name, value in found.items()}


def _shapes(compute: tf.types.experimental.PolymorphicFunction, batches: tf.data.Dataset) -> dict[str, tuple[int, ...]]:
    """{name of an output: its shape for one frame}, by tracing alone."""
    outputs = compute.get_concrete_function(batches.element_spec[0]).structured_outputs
    return {name: tuple(map(int, value.shape[1:])) for name, value in outputs.items()}


def _arrays(part: Path, split: str, shapes: Mapping, data: Dataset, views: int, new: bool) -> dict[str, np.memmap]:
    count = (views if split == "train" else 1, data.frames(split))
    return {
        name: np.lib.format.open_memmap(
            part / f"{split}-{name}.npy", "w+" if new else "r+", dtype=np.float16, shape=(*count, *shape)
        )
        for name, shape in shapes.items()
    }


def _reserve(part: Path) -> None:
    """Take the space of the arrays: on a full disk a write into a hole of a memory-mapped file ends the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    for file in part.glob("*.npy"):
        with open(file, "r+b") as stream:
            try:
                os.posix_fallocate(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
            except OSError as error:
                if error.errno not in _NO_RESERVING:
                    raise


def _name_others(folder: Path) -> None:
    """Say what other caches lie in the same place: nothing deletes those that no run needs any more."""
    beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
    # What ends in .part may be filled by another process now.
    others = [other for other in beside if other.is_dir() and other.suffix != ".part"]
    with contextlib.suppress(FileNotFoundError):  # another process has just finished one of them
        if size := sum(file.stat().st_size for other in others for file in other.iterdir()):
            notice(f"{folder.parent}: holds {len(others)} other caches, {size / 1e6:.1f} MB: delete what no run needs")


def _check_space(part: Path, shapes: Mapping[str, Sequence[int]], data: Dataset, views: int) -> None:
    """Say what the cache takes on disk, before anything is written; refuse it where that is not there."""
    frames = views * data.frames("train") + data.info["splits"]["val"]["frames"]
    size = 2 * frames * sum(int(np.prod(shape)) for shape in shapes.values())
    held = sum(512 * file.stat().st_blocks for file in part.glob("*.npy"))  # by an interrupted filling
    free = shutil.disk_usage(part).free + held
    say(f"teacher cache: {size / 1e6:.1f} MB in {part.parent}, {views} views of {data.frames('train')} frames")
    if size > free:
        raise InputError(
            f"{part.parent}: the teacher cache takes {size / 1e6:.0f} MB and the disk has {free / 1e6:.0f} MB for it: "
            "free some, take fewer distil.views, or 0 for the live teacher"
        )


def _open(place: _Place) -> TeacherCache:
    """Open and check what is there.

    Raises:
        InputError: a file is missing, has another size or other content, or belongs to other settings.
    """
    cure, folder = "delete the folder, the next run fills it again", place.folder
    file = folder / _INDEX
    index = checked(_Index, read_json(file, "the index of a teacher cache", cure), file, cure)
    if index.identity != place.identity:
        raise InputError(f"{folder / _INDEX}: is of another teacher, data set, augmentation or code: {cure}")
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for name, expected in index.files.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != expected.bytes:
            raise InputError(f"{file}: is missing or torn, {expected.bytes} bytes were written: {cure}")
        if expected.bytes <= _VERIFIED_BYTES and sha256_of([file]) != expected.sha256:
            raise InputError(f"{file}: its content is not what was written: {cure}")
        split, output = file.stem.split("-", 1)
        arrays.setdefault(split, {})[output] = np.load(file, mmap_mode="r")
    return TeacherCache(folder, place.settings.views, arrays)
