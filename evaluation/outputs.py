"""The files that `evaluate.py` writes besides its table, checked before anything is evaluated."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from common.errors import InputError
from common.files import check_output_file
from common.typed import check_fields


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What `evaluate.py` writes besides its table.

    Attributes:
        json: write all the numbers there
        predictions: write a CSV, one row per artefact and frame
        html: write a page there for a reader without Python; it needs no network
        plots: write figures there, PNG and SVG: confusion, precision-recall, reliability, curves, size, maps
        fit: first fit threshold, smoothing and the rule for unlike frames on this data set's validation and training
            splits, for this accuracy on what is kept, and write them into the artefacts' metadata
        run: run folder of the training curves (default: the artefacts' own)

    Raises:
        InputError: a value that can't be, or a path that can't be written.
    """

    json: Path | None = dataclasses.field(default=None, metadata={"metavar": "FILE"})
    predictions: Path | None = dataclasses.field(default=None, metadata={"metavar": "FILE"})
    html: Path | None = dataclasses.field(default=None, metadata={"metavar": "FILE"})
    plots: Path | None = dataclasses.field(default=None, metadata={"metavar": "DIR"})
    fit: float | None = dataclasses.field(default=None, metadata={"metavar": "ACCURACY"})
    run: Path | None = dataclasses.field(default=None, metadata={"metavar": "DIR"})

    def __post_init__(self) -> None:
        """Refuse an output that can't be before minutes are spent on what would go into it."""
        check_fields(self)
        if self.fit is not None and not 0 <= self.fit <= 1:
            raise InputError(f"fit must be an accuracy from 0 to 1, not {self.fit:g}", parameter="fit")
        for name, is_folder in (("json", False), ("predictions", False), ("html", False), ("plots", True)):
            path = getattr(self, name)
            if path is None:
                continue
            if not is_folder:
                check_output_file(path)
            for folder in [path, *path.parents][not is_folder :]:
                if folder.exists() and not folder.is_dir():
                    raise InputError(
                        f"{path}: {folder}: is a file where a folder is needed: name another", parameter=name
                    )
            there = next(folder for folder in [path, *path.absolute().parents][not is_folder :] if folder.exists())
            if not os.access(there, os.W_OK | os.X_OK):
                raise InputError(f"{path}: {there} may not be written to: name another folder", parameter=name)
        if self.run is not None and self.plots is None and self.html is None:
            raise InputError("run is of the curves, which plots and html draw: set one of them", parameter="run")
        if self.run is not None and not (self.run / "history.csv").is_file():
            raise InputError(
                f"{self.run}: there is no history.csv in it: name a run folder of train.py", parameter="run"
            )
