"""The data set that a teacher sees where its frames have another size than the student's (`distil.teacher_data`)."""

from __future__ import annotations

from data.counterpart import check_counterpart, counterpart_augmentation
from data.dataset import Dataset, open_dataset
from data.labels import limit_labels
from training.config import TrainConfig


def teacher_data(config: TrainConfig, data: Dataset) -> Dataset:
    """The same frames at the teacher's size, with the same labels shown; `data` itself where they share one size."""
    path = config.distil.teacher_data
    if path is None:
        return data
    other = open_dataset(path, verify=False)
    return other if config.labelled_patients is None else limit_labels(other, config.labelled_patients, config.seed)


def check_teacher_data(config: TrainConfig, data: Dataset) -> None:
    """Refuse a data set that is not the student's at another size, and augmentation that the sizes can't share.

    Raises:
        InputError: naming what differs.
    """
    path = config.distil.teacher_data
    if path is not None:
        other = open_dataset(path)
        check_counterpart(other, data)
        counterpart_augmentation(config.augment, data.frame_size, other.frame_size)
