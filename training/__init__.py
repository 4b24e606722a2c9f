"""The three stages of a run: teacher, student, int8; `train(TrainConfig(...))` goes through them."""

from training.config import TrainConfig
from training.run import train
from training.settings import (
    DistilSettings,
    FitSettings,
    PretrainSettings,
    QuantizeSettings,
    TeacherPretrainSettings,
    TeachSettings,
)

__all__ = [
    "DistilSettings",
    "FitSettings",
    "PretrainSettings",
    "QuantizeSettings",
    "TeachSettings",
    "TeacherPretrainSettings",
    "TrainConfig",
    "train",
]
