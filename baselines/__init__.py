"""Baselines to compare with distillation: compressed versions of a trained model, and their sizes.

    from baselines import PruneConfig, prune
    prune(PruneConfig(source="runs/demo/student/student.keras", data="datasets/phantom", out="runs/pruned"))

A baseline is a module of this package that declares `BASELINE`, see `baselines.registry`.
"""

from baselines.channel_pruning import ChannelsConfig, prune_channels
from baselines.clustering import ClusterConfig, cluster
from baselines.post_training import PostTrainingConfig, quantize_after_training
from baselines.pruning import PruneConfig, prune

__all__ = [
    "ChannelsConfig",
    "ClusterConfig",
    "PostTrainingConfig",
    "PruneConfig",
    "cluster",
    "prune",
    "prune_channels",
    "quantize_after_training",
]
