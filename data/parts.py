"""Several readers of one split: each reads a range of it, and together they see every frame once an epoch."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from common.errors import InputError
from data.dataset import UNLABELLED, Dataset
from data.reading import read_labels
from data.selection import frames_taken, keeps_rows


@dataclasses.dataclass(frozen=True)
class Part:
    """Which of several readers of a split this is.

    Attributes:
        number: of this reader, from 0.
        of: how many there are. Of each batch each reads 1/of, in a range of positions of its own: it opens no other
            shards than those that hold the range.
        pieces: batches that a reader's share of a batch is cut into: one for each of its devices.
    """

    number: int = 0
    of: int = 1
    pieces: int = 1

    @property
    def devices(self) -> int:
        """Batches that a batch is cut into, over all readers."""
        return self.of * self.pieces

    def share(self, batch_size: int, name: str = "batch_size") -> int:
        """Frames of each batch that this reader reads; `name` is what errors call it.

        Raises:
            InputError: they can't be shared equally.
        """
        if batch_size % self.devices:
            raise InputError(
                f"{name} {batch_size}: is not a multiple of {self.devices}, the number of devices that share it"
            )
        return batch_size // self.of

    def steps(self, frames: int, batch_size: int) -> int:
        """Batches in which all readers together go through `frames` frames once, without a batch's last places."""
        share = self.pieces * max(1, batch_size // self.devices)
        return math.ceil(math.ceil(frames / self.of) / share)


WHOLE = Part()


@dataclasses.dataclass(frozen=True)
class Span:
    """A range of positions in a split.

    Attributes:
        first, end: the first position, and the one after the last.
        frames: of the range, those that are kept.
    """

    first: int
    end: int
    frames: int


def span_of(data: Dataset, split: str, unlabelled: str, part: Part, labelled: bool | None = None) -> Span:
    """The range that a part reads; every part has as many of the frames that are kept, but for one.

    Args:
        data, split: the frames. part: whose range.
        unlabelled: which frames without a label are kept, see `data.pipeline.PipelineSettings`.
        labelled: of these, those that have a label alone (True), those that have none (False), or both (None).

    Raises:
        InputError: fewer frames than parts.
    """
    count = frames_shared(data, split, unlabelled, part, labelled)
    if part.of == 1:
        return Span(0, data.frames(split), count)
    first, end = (number * count // part.of for number in (part.number, part.number + 1))
    if count == data.frames(split):
        return Span(first, end, end - first)
    positions = _kept(data, split, unlabelled, labelled)
    return Span(int(positions[first]), int(positions[end - 1]) + 1, end - first)


def frames_shared(data: Dataset, split: str, unlabelled: str, part: Part, labelled: bool | None = None) -> int:
    """Number of frames that all parts read together; see `span_of`.

    Raises:
        InputError: fewer frames than parts.
    """
    taken, all_labelled = frames_taken(data, split, unlabelled), data.labelled_frames(split)
    count = {None: taken, True: all_labelled, False: taken - all_labelled}[labelled]
    if part.of > 1 and count < part.of:
        raise InputError(
            f"{data.path}: {count} frames of split {split!r} can't be read by {part.of} workers: start fewer of them"
        )
    return count


def _kept(data: Dataset, split: str, unlabelled: str, labelled: bool | None) -> np.ndarray:
    """Positions of the frames that are kept: the labels are read, not the pixels."""
    found, first = [], 0
    for rows in read_labels(data, split):
        kept = keeps_rows(data, split, unlabelled, rows)
        if labelled is not None:
            kept &= (rows.labels != UNLABELLED) == labelled
        found.append(first + np.flatnonzero(kept))
        first += len(kept)
    return np.concatenate(found)
