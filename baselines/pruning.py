"""Magnitude pruning of a student (Zhu and Gupta 2017), alone or with the remaining weights clustered."""

from __future__ import annotations

import dataclasses

from baselines.config import TrainedConfig, distinct
from baselines.record import Record
from baselines.registry import Baseline
from baselines.student import train_targets
from quantization.cluster import check_clusters
from quantization.prune import check_sparsity


@dataclasses.dataclass(frozen=True, kw_only=True)
class PruneConfig(TrainedConfig):
    """Set the smallest weights of a trained student to 0 and train it further.

    OUT/sparsity_80/student.keras and so on, its .tflite files and their sizes: see OUT/baseline.json.

    Attributes:
        sparsity: shares of zeros in each kernel, one model each.
        clusters: cluster what was pruned too, to so many values a kernel; zeros stay zeros.
        epochs: passes over the training split, for each step.
    """

    sparsity: tuple[float, ...] = (0.5, 0.8, 0.9)
    clusters: int | None = None
    epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        distinct("sparsity", self.sparsity)
        for value in self.sparsity:
            check_sparsity(value)
        if self.clusters is not None:
            check_clusters(self.clusters)


def prune(config: PruneConfig) -> Record:
    """A folder for each sparsity.

    Raises:
        InputError: a source, data set or teacher that does not fit, or an output folder that is there.
    """
    clusters = {} if config.clusters is None else {"clusters": config.clusters}
    return train_targets(config, "prune", [{"sparsity": value, **clusters} for value in config.sparsity])


BASELINE = Baseline("prune", "single weights of a student (and cluster the rest)", PruneConfig, prune)
