"""The one place that saves, loads and checks artefacts."""

from evaluation.artefacts.fitted import Decision, OperatingPoint, OutOfDistribution
from evaluation.artefacts.load import (
    KINDS,
    Artefact,
    artefact_kind,
    blank_features,
    check_matches,
    load_artefact,
    load_keras_model,
    save_keras,
)
from evaluation.artefacts.metadata import (
    Metadata,
    Teacher,
    artefact_sha256,
    metadata_path,
    read_metadata,
    verify,
    write_metadata,
)

__all__ = [
    "KINDS",
    "Artefact",
    "Decision",
    "Metadata",
    "OperatingPoint",
    "OutOfDistribution",
    "Teacher",
    "artefact_kind",
    "artefact_sha256",
    "blank_features",
    "check_matches",
    "load_artefact",
    "load_keras_model",
    "metadata_path",
    "read_metadata",
    "save_keras",
    "verify",
    "write_metadata",
]
