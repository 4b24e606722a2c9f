"""The losses: one file per term, with its pure function, its declaration and a thin Keras class over it."""

from losses.attention import AttentionTransfer, attention_map, attention_transfer_loss
from losses.decoupled import decoupled_loss, decoupled_parts
from losses.gaze import GazeSaliency, gaze_saliency_loss
from losses.gaze_attention import gaze_attention_loss
from losses.hard import hard_label_loss
from losses.hint import hint_loss
from losses.logit import LogitRegression, logit_regression_loss
from losses.registry import TERMS, Bounds, Given, Option, Term, loss_term
from losses.settings import LossSettings
from losses.similarity import SimilarityPreserving, similarity_preserving_loss
from losses.soft import SoftTargets, soft_target_loss
from losses.table import loss_table

__all__ = [
    "TERMS",
    "AttentionTransfer",
    "Bounds",
    "GazeSaliency",
    "Given",
    "LogitRegression",
    "LossSettings",
    "Option",
    "SimilarityPreserving",
    "SoftTargets",
    "Term",
    "attention_map",
    "attention_transfer_loss",
    "decoupled_loss",
    "decoupled_parts",
    "gaze_attention_loss",
    "gaze_saliency_loss",
    "hard_label_loss",
    "hint_loss",
    "logit_regression_loss",
    "loss_table",
    "loss_term",
    "similarity_preserving_loss",
    "soft_target_loss",
]
