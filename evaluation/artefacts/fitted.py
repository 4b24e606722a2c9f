"""What is fitted to a trained artefact and stored in its metadata: when to answer, and to which frames.

Both are JSON of a few kilobytes, so that a device or a page can follow them without this
project's code: `evaluation.decision` and `evaluation.ood` say how they are used.
"""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic.dataclasses import dataclass

CONFIG = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)

# Of a frame by the rule frame-statistics-1, see `evaluation.ood`.
STATISTICS = 26
DIFFERENCES = 128

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Seconds = Annotated[float, pydantic.Field(ge=0, le=3600)]
Count = Annotated[int, pydantic.Field(strict=True, ge=0, le=10**13)]
Numbers = Annotated[tuple[float, ...], pydantic.Field(max_length=500)]


@dataclass(frozen=True, config=CONFIG)
class OperatingPoint:
    """A filter over time and the threshold that goes with it.

    Attributes:
        time_constant_s: of the exponential filter, s; 0 = no filter.
        threshold: a frame whose greatest filtered probability is lower is rejected.
        accuracy: of the validation frames that are kept.
        coverage: the share of the validation frames that is kept.
        reached: whether that accuracy is the one asked for; otherwise it is the highest there is.
    """

    time_constant_s: Seconds
    threshold: Share
    accuracy: Share
    coverage: Share
    reached: bool


@dataclass(frozen=True, config=CONFIG)
class Decision:
    """When an artefact answers, fitted on the validation split (`evaluation.decision.fit_decision`).

    Attributes:
        target: accuracy asked for on the frames that are kept.
        frames: labelled validation frames.
        recordings: of these frames.
        temporal: whether the time constants were fitted; without two frames of one recording
            they are defaults.
        still: for single images.
        causal: for streams: the filter knows the past alone.
        two_sided: for files: the filter knows past and future.
    """

    target: Share
    frames: Count
    recordings: Count
    temporal: bool
    still: OperatingPoint
    causal: OperatingPoint
    two_sided: OperatingPoint


@dataclass(frozen=True, config=CONFIG)
class OutOfDistribution:
    """Which frames are unlike the training frames, fitted on them (`evaluation.ood.fit_ood`).

    Attributes:
        rule: how statistics are computed of a frame; `evaluation.ood` specifies it.
        mean: of the d statistics over the training frames.
        precision: [d, d], the inverse of their covariance.
        limit: a frame whose squared Mahalanobis distance is greater is unlike them.
        upright_weights: of the linear score that separates frames from frames upside down.
        upright_limit: a frame whose score is lower is upside down.
        frames: training frames.
        flagged_validation: share of the validation frames that the rule flags.
    """

    rule: Literal["frame-statistics-1"]
    mean: Numbers
    precision: Annotated[tuple[Numbers, ...], pydantic.Field(max_length=500)]
    limit: float
    upright_weights: Numbers
    upright_limit: float
    frames: Count
    flagged_validation: Share

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> OutOfDistribution:
        size = len(self.mean)
        if len(self.precision) != size or any(len(row) != size for row in self.precision):
            raise ValueError(f"precision must have as many rows and columns as mean has numbers, {size}")
        for name, wanted in (("mean", STATISTICS), ("upright_weights", DIFFERENCES)):
            if len(getattr(self, name)) != wanted:
                raise ValueError(f"{name} has {len(getattr(self, name))} numbers, and {self.rule} takes {wanted}")
        return self
