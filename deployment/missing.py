"""What an artefact does not bring, said before it answers."""

from __future__ import annotations

from common.console import notice
from deployment.config import PredictConfig
from evaluation.artefacts import Artefact
from evaluation.artefacts.fitted import OperatingPoint


def say_missing(artefact: Artefact, config: PredictConfig, kind: str) -> None:
    """Say what an artefact's metadata lacks for the answers that are asked for.

    Args:
        kind: "causal" for a stream, "two_sided" for files.
    """
    metadata = artefact.metadata
    if metadata.decision is None and config.threshold is None:
        notice(
            f"{artefact.path}: its metadata holds no threshold, so nothing is filtered or rejected: give threshold, or "
            "fit one (fit of evaluate.py)"
        )
    elif metadata.decision is not None and config.threshold is None:
        point: OperatingPoint = getattr(metadata.decision, kind)
        if not point.reached:
            notice(
                f"{artefact.path}: no threshold kept {metadata.decision.target:.0%} accuracy on the validation split; "
                f"this one kept {point.accuracy:.1%}"
            )
    if metadata.ood is None and config.check:
        notice(f"{artefact.path}: its metadata holds no rule for frames unlike the training frames: none is flagged")
    if "gaze" in metadata.inputs:
        notice(f"{artefact.path}: takes gaze, and there is none here: it is given the uniform map")
