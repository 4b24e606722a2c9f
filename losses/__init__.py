"""The losses: pure functions that give one value a sample, and thin Keras classes over them."""

from losses.decoupled import decoupled_loss, decoupled_parts
from losses.features import (
    AttentionTransfer,
    SimilarityPreserving,
    attention_map,
    attention_transfer_loss,
    hint_loss,
    similarity_preserving_loss,
)
from losses.gaze import GazeSaliency, gaze_saliency_loss
from losses.logits import LogitRegression, logit_regression_loss
from losses.soft_targets import SoftTargets, hard_label_loss, soft_target_loss

__all__ = [
    "AttentionTransfer",
    "GazeSaliency",
    "LogitRegression",
    "SimilarityPreserving",
    "SoftTargets",
    "attention_map",
    "attention_transfer_loss",
    "decoupled_loss",
    "decoupled_parts",
    "gaze_saliency_loss",
    "hard_label_loss",
    "hint_loss",
    "logit_regression_loss",
    "similarity_preserving_loss",
    "soft_target_loss",
]
