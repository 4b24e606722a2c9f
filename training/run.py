"""A whole run: teacher → student → int8 → evaluation, each reused where it is there already."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import keras

from common import strict_yaml
from common.console import console, notice, say
from common.errors import InputError
from common.files import clear_leftovers_in, path_kind, write_text
from common.locks import exclusive
from common.shown import shown_path, shown_paths
from data.dataset import diagnosed, open_dataset
from data.labels import limit_labels
from models.ensemble import Ensemble
from training.checks import check_data, check_models, check_sources
from training.config import STAGES, TrainConfig
from training.history import History
from training.run_folder import artefacts, holds, may_train
from training.stages import Stage, stage_fingerprints
from training.student import build_student, train_student
from training.summary import evaluate_run, forget_evaluation
from training.teacher import build_teacher, load_teachers, train_teacher, with_sigma

LABELLED = "labelled_patients.json"
_PATHS = """\
# Paths are as they were given. Absolute ones are relative to the folder that the command ran in, or, where they lie
# outside it, only the last part is kept: to use this file as a preset, give them again, such as --data and --run.
"""


def train(config: TrainConfig, *, overwrite: bool = False, dry_run: bool = False, verify: bool = False) -> None:
    """Run the stages that the configuration asks for; everything that comes out lies in `config.run`.

    A stage that the run folder holds already, trained with the same settings on the same data, is
    reused; an interrupted one goes on after its last whole epoch. With `labelled_patients` the patients whose labels
    were used stand in `labelled_patients.json`.

    Args:
        config: what to train on, with what, into which folder.
        overwrite: replace the stages that the run folder holds of other settings.
        dry_run: check everything, name the layers that TF-MOT refuses, train and write nothing.
        verify: check every byte and record of the data set first; what is small is always checked.

    Raises:
        InputError: whatever is wrong with settings, data or run folder, before any training; another
            process that writes the run folder; a loss that is no number; a file that can't be written.
    """
    check_sources(config)
    config = with_sigma(config)
    data = open_dataset(config.data, verify=verify or None)
    with diagnosed(data.path):
        if config.labelled_patients is not None:
            data = limit_labels(data, config.labelled_patients, config.seed)
        check_data(config, data)
    folder = Path(config.run)
    if path_kind(folder) == "file":
        raise InputError(f"{folder}: is a file, and a run is a folder: name another one")
    prints = stage_fingerprints(config, data)
    stages = {name: Stage(name, config, data, folder, print_, prints) for name, print_ in prints.items()}
    check_models(config, data, say=dry_run)
    if dry_run:
        return
    with exclusive(folder), diagnosed(data.path):
        if folder.is_dir():
            clear_leftovers_in(folder)
        todo = _plan(config, folder, prints, overwrite)
        for name in STAGES:
            if name not in todo and holds(folder, name, prints[name]):
                _forget_checkpoints(stages, name)
        _train(stages, todo)
        if config.evaluate:
            evaluate_run(config, data, folder, prints)


def _train(stages: dict[str, Stage], todo: list[str]) -> None:
    """Train the stages of `todo`, one after the other."""
    stage = stages["student"]
    config, data, folder = stage.config, stage.data, stage.run
    if "teacher" in todo and config.pretrained is not None:
        build_teacher(config, data, pretrained=True)  # weights that don't fit or can't be fetched
    if "student" in todo and config.starts_from_weights:
        build_student(config, data, started=True)  # the same
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.yaml", _PATHS + strict_yaml.dump(_as_shared(config)))
    if data.labelled_patients is not None:
        write_text(folder / LABELLED, json.dumps(sorted(data.labelled_patients), indent=1, ensure_ascii=False) + "\n")
    if todo:
        forget_evaluation(folder)
    history = History(folder)
    for name in todo:
        start = time.perf_counter()
        console.rule(name)
        if name == "teacher":
            train_teacher(stages[name], history)
        elif name == "student":
            before = stages["pretrain"] if config.pretrain.epochs else None
            train_student(stages[name], _teacher(stages[name]), history, before)
        else:
            from training.int8 import quantize_student  # brings TF-MOT, which the other stages don't need

            quantize_student(stages[name], _teacher(stages[name]), history)
        console.print(f"{name} took {time.perf_counter() - start:.0f} s")


def _forget_checkpoints(stages: dict[str, Stage], name: str) -> None:
    """Remove what a finished stage would have gone on from: its run was killed before it could do so itself."""
    stage = stages[name]
    parts = {"teacher": [dataclasses.replace(stage, name="pretrain_teacher")], "student": [stages["pretrain"]]}
    for part in (stage, *parts.get(name, ())):
        if part.checkpoint.is_file():
            part.checkpoint.unlink()
            notice(f"{part.checkpoint}: left by an interrupted command, removed")


def _as_shared(config: TrainConfig) -> TrainConfig:
    """The configuration with paths that say nothing of the machine."""
    return dataclasses.replace(
        config,
        data=shown_path(config.data),
        run=shown_path(config.run),
        teacher_path=tuple(map(Path, shown_paths(config.teacher_path))),
        pretrained=config.pretrained and shown_path(config.pretrained),
        student_init=shown_path(config.student_init),
    )


def _plan(config: TrainConfig, folder: Path, prints: dict[str, str], overwrite: bool) -> list[str]:
    """The stages to train, in order; what is there with the same settings is left out."""
    todo: list[str] = []
    for name in STAGES:
        if name not in config.stages or (name == "teacher" and not config.trains_teacher):
            continue
        # A stage after one that is trained again is trained again too.
        if not todo and holds(folder, name, prints[name]):
            say(f"{name}: reused from {folder / name}")
            continue
        may_train(folder, name, overwrite)
        todo.append(name)
    needs = {"student": ["teacher"], "int8": ["teacher", "student"]}
    for name in todo:
        for needed in needs.get(name, []):
            if needed in todo or (needed == "teacher" and not config.trains_teacher):
                continue
            if not holds(folder, needed, prints[needed]):
                raise InputError(
                    f"stages: {name} needs the {needed} of these settings, and {folder / needed} does not hold it: "
                    f"add {needed} to stages" + (" or give teacher_path" if needed == "teacher" else "")
                )
    return todo


def _teacher(stage: Stage) -> keras.Model | Ensemble | None:
    """The teacher of a stage, the one that the run began with.

    Raises:
        InputError: it has been replaced since.
    """
    config, data = stage.config, stage.data
    teacher = load_teachers(config, data, artefacts(stage.run, "teacher")[0])
    if config.trains_teacher:
        stage.check_source("teacher")
    elif stage_fingerprints(config, data)["teacher"] != stage.sources["teacher"]:
        raise InputError("teacher_path: a teacher was replaced while this run went on: start it again")
    return teacher
