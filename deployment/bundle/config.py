"""What a bundle is made of."""

from __future__ import annotations

import dataclasses

from common.errors import InputError
from common.typed import StrPath, check_fields
from data.splits import Split

_LONGEST = 500


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Make the bundle of a trained student: models, model card, checksums.

    Attributes:
        run: run folder of train.py that holds an 8-bit student.
        out: folder of the bundle; it is written whole or not at all.
        data: data set that the model card is measured on; without it the one that the run was trained on.
        split: which patients the model card is measured on.
        licence: of the model, such as "CC BY 4.0"; whoever trained it decides that.
        contact: who answers questions about the model, such as an e-mail address.
        latency: time the model, and measure its memory; some seconds.
        overwrite: replace a bundle that is there.
    """

    run: StrPath = dataclasses.field(metadata={"positional": True})
    out: StrPath
    data: StrPath | None = None
    split: Split = "test"
    licence: str | None = None
    contact: str | None = None
    latency: bool = True
    overwrite: bool = dataclasses.field(default=False, metadata={"switch": True})

    def __post_init__(self) -> None:
        """Refuse what can be known to be wrong without files.

        Raises:
            InputError: a value of another type, an unknown split, a text that is empty, long or of several lines.
        """
        check_fields(self)
        for name in ("licence", "contact"):
            text = getattr(self, name)
            if text is not None and (not text.strip() or len(text) > _LONGEST or not text.isprintable()):
                raise InputError(f"{name} must be one line of 1 to {_LONGEST} characters, not {text[:60]!r}")
