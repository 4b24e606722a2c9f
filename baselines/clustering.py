"""Weight clustering of a student: each kernel has a few different values (Han et al. 2016)."""

from __future__ import annotations

import dataclasses

from baselines.config import TrainedConfig, distinct
from baselines.record import Record
from baselines.registry import Baseline
from baselines.student import train_targets
from quantization.cluster import check_clusters


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterConfig(TrainedConfig):
    """Give each kernel of a trained student a few different values.

    OUT/clusters_16/student.keras and so on, its .tflite files and their sizes: see OUT/baseline.json.

    Attributes:
        clusters: values a kernel, one model each.
    """

    clusters: tuple[int, ...] = (16, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        distinct("clusters", self.clusters)
        for value in self.clusters:
            check_clusters(value)


def cluster(config: ClusterConfig) -> Record:
    """A folder for each number of clusters.

    Raises:
        InputError: a source, data set or teacher that does not fit, or an output folder that is there.
    """
    return train_targets(config, "cluster", [{"clusters": value} for value in config.clusters])


BASELINE = Baseline("cluster", "few different weights in each kernel of a student", ClusterConfig, cluster)
