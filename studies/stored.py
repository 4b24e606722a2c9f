"""Results that stay with the code: predictions of every final model as small tables, with its training described.

    studies/results/NAME/
        study.json            arms, claims, data sets, and of each training its command, minutes, checksums
        frames.csv.bz2        recording, patient, frame, label of the test frames, in order
        ARM.sSEED.csv.bz2     p_<class> of these frames, two decimals, four where an area under a curve is computed
                              from them; more where these would give another class

Each number of the evidence page can be computed again from these tables alone.
"""

from __future__ import annotations

import bz2
import dataclasses
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.documents import read_json
from common.errors import InputError
from common.files import sha256_of, whole_file, write_text
from studies.commands import row_command
from studies.declare import Row, Study, Table, of_seed, split_name
from studies.statistics import Counts, count_right
from studies.table import collect_lines, read_predictions

INDEX = "study.json"
FRAMES = "frames.csv.bz2"
_OF_FRAMES = ["recording_id", "patient_id", "frame_index", "label"]
_OF_TABLE = {"title", "note", "claims", "described", "shares", "fold_of", "positive"}
# An accuracy needs the largest alone, and the third decimal nearly as many bytes as the first two; an area depends on
# the order of all frames.
_DECIMALS, _OF_AREAS, _MORE_DECIMALS = 2, 4, 7


@dataclasses.dataclass(frozen=True)
class Stored:
    """The stored results of one table.

    Attributes:
        folder: where they lie.
        index: content of `study.json`.
        frames: columns recording_id, patient_id, frame_index, label.
    """

    folder: Path
    index: dict[str, Any]
    frames: pd.DataFrame

    def seeds(self, arm: str) -> list[int]:
        """Seeds with which an arm was trained, in order."""
        return sorted(seed for name, seed in map(split_name, self.index["trainings"]) if name == arm)

    def probabilities(self, arm: str, seed: int) -> np.ndarray:
        """float64 [frames, classes] of one training.

        Raises:
            InputError: a table that is missing, of other frames, or of another training than the index names.
        """
        file = self.folder / f"{arm}.s{seed}.csv.bz2"
        if not file.is_file():
            raise InputError(f"{file}: is missing, and {INDEX} names it: store the results again")
        table = pd.read_csv(file)
        if len(table) != len(self.frames):
            raise InputError(f"{file}: has {len(table)} rows and {FRAMES} {len(self.frames)}: store the results again")
        found = table.to_numpy(dtype=np.float64)
        label = self.frames["label"].to_numpy()
        accuracy = np.mean((found.argmax(axis=1) == label)[label >= 0])
        said = self.index["trainings"][f"{arm}.s{seed}"]["accuracy"]
        if abs(accuracy - said) > 1e-6:  # an interrupted command replaced the one and not the other
            raise InputError(f"{file}: has an accuracy of {accuracy:g}, and {INDEX} {said:g}: store the results again")
        return found

    def counts(self, arm: str) -> Counts | None:
        """What an arm got right with each of its seeds; None where it has not run."""
        seeds = self.seeds(arm)
        if not seeds:
            return None
        kept = (self.frames["label"] >= 0).to_numpy()
        label = self.frames["label"].to_numpy()[kept]
        right = np.stack([self.probabilities(arm, seed)[kept].argmax(axis=1) == label for seed in seeds])
        return count_right(right, self.frames["patient_id"].to_numpy()[kept], seeds)


def store_table(study: Study, table: Table, folder: Path) -> list[str]:
    """Write what a study's table has so far; trainings that are stored already and are not here stay.

    Rows of a table without seeds are single trainings with the study's own; those without a result are not stored.

    Returns:
        Names of the trainings that were written.

    Raises:
        InputError: predictions of other test frames than those that are stored; an arm whose seeds were not all trained
            by the same command; single trainings of which none has run.
    """
    index = read_json(folder / INDEX, "stored results", "delete it") if (folder / INDEX).is_file() else {}
    trainings, written, classes = dict(index.get("trainings", {})), [], index.get("classes", [])
    lines = {_training(study, line.row): line for line in collect_lines(study, table)}
    made_by = {name: row_command(study, line.row) for name, line in lines.items()}
    commands = {name: command.stored if command else "" for name, command in made_by.items()}
    _refuse_mixed(folder, {name: training["command"] for name, training in trainings.items()}, commands)
    for name, line in lines.items():
        predictions = read_predictions(study, line.row)
        _write_frames(folder / FRAMES, predictions[_OF_FRAMES])
        classes = line.report["dataset"]["classes"]
        decimals = _OF_AREAS if table.positive else _DECIMALS
        _write_csv(folder / f"{name}.csv.bz2", rounded(predictions[[f"p_{each}" for each in classes]], decimals))
        digest, before = sha256_of(study.artefacts(line.row)), trainings.get(name, {})
        minutes = round(line.spent["s"] / 60, 1) if "s" in line.spent else None
        if before.get("artefact_sha256") == digest and before.get("minutes") is not None:
            minutes = before["minutes"]  # a command that was started again found its work done
        trainings[name] = {
            "command": commands[name],
            "minutes": minutes,
            "artefact_sha256": digest,
            "accuracy": line.accuracy,
            "dataset_checksum": line.report["dataset"]["checksum"],
            "date": line.date,
        }
        written.append(name)
    if not table.seeds and not trainings:
        raise InputError(f"{study.path}: {table.title}: no row has a result to be stored: `study.py run` makes them")
    rows = {_training(study, row): row for row in table.rows.values()}
    if not table.seeds:
        rows = {name: row for name, row in rows.items() if name in trainings}
    content = {
        **table.model_dump(include=_OF_TABLE),
        "classes": classes,
        "arms": {split_name(name)[0]: _describe(row) for name, row in rows.items()},
        "planned": list(rows),
        "trainings": {name: trainings[name] for name in sorted(trainings)},
    }
    if table.positive:  # of random folds, whose training sets overlap
        card = read_json(study.datasets[table.data].path / "dataset.json", "a data set", "prepare it again")
        content["train_frames"] = card["splits"]["train"]["frames"]
    write_text(folder / INDEX, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return written


def read_stored(folder: Path) -> Stored:
    """Open stored results.

    Raises:
        InputError: none there, or a file that can't be read.
    """
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder}: holds no stored results (no {INDEX}): `study.py store` writes them")
    index = read_json(folder / INDEX, "stored results", "store the results again")
    there = (folder / FRAMES).is_file()
    return Stored(folder, index, _read_frames(folder / FRAMES) if there else pd.DataFrame(columns=_OF_FRAMES))


def rounded(probabilities: pd.DataFrame, decimals: int = _DECIMALS) -> pd.DataFrame:
    """Probabilities [frames, classes] with so many decimals, and with more where the largest would be another class.

    Two classes that share these decimals would be a tie, and the first of them the answer.
    """
    answers = probabilities.to_numpy().argmax(axis=1)
    found = probabilities.round(decimals)
    for better in (probabilities.round(_MORE_DECIMALS), probabilities):
        changed = found.to_numpy().argmax(axis=1) != answers
        found.loc[changed] = better.loc[changed]
    return found


def _refuse_mixed(folder: Path, stored: Mapping[str, str], commands: Mapping[str, str]) -> None:
    """An arm is one recipe: seeds that were trained before a setting changed must not stay beside others."""
    for name, command in commands.items():
        for other, was in stored.items():
            same_arm = split_name(other)[0] == split_name(name)[0]
            if same_arm and other not in commands and _recipe(was) != _recipe(command):
                raise InputError(
                    f"{folder / INDEX}: {other} was trained by another command than {name} ({was!r}, not {command!r}): "
                    f"train it again, or delete {folder} and store what there is"
                )


def _recipe(command: str) -> str:
    """A command without what differs between the seeds of an arm."""
    return re.sub(r"--(?:run|out) \S+|--seed \d+|\.s\d+", "", command)


def _training(study: Study, row: Row) -> str:
    return of_seed(row.name, study.seed) if row.seed is None else row.name


def _describe(row: Row) -> dict[str, Any]:
    return {
        "model": row.model,
        "transfer": row.transfer,
        "labelled_patients": row.options.get("labelled-patients"),
        "is_teacher": row.artefact.startswith("teacher/"),
    }


def _read_frames(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype={"recording_id": str, "patient_id": str}, keep_default_na=False)


def _write_frames(file: Path, frames: pd.DataFrame) -> None:
    if file.is_file():
        stored = _read_frames(file)
        if not stored.equals(frames.reset_index(drop=True).astype(stored.dtypes.to_dict())):
            raise InputError(f"{file}: holds other test frames than these results: store them in another folder")
        return
    _write_csv(file, frames)


def _write_csv(file: Path, table: pd.DataFrame) -> None:
    """The same table gives the same bytes; bzip2 packs columns of digits into a quarter less than gzip."""
    text = io.StringIO()
    table.to_csv(text, index=False)
    with whole_file(file) as temporary:
        temporary.write_bytes(bz2.compress(text.getvalue().encode()))
