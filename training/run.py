"""A whole run: teacher → student → int8 → evaluation, each reused where it is there already."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from common.console import console, notice, say
from common.errors import InputError
from common.files import clear_leftovers_in, sha256_of, write_text
from common.locks import exclusive
from common.revision import code_digest, revision
from data.dataset import Dataset, diagnosed, open_dataset
from data.labels import limit_labels
from models.ensemble import Ensemble
from training.checks import check_data, check_models, check_shares, check_sources
from training.config import STAGES, TrainConfig
from training.distribution import SINGLE, start
from training.fitting import resolve_precision
from training.history import History
from training.run_folder import artefacts, check_folder, holds, may_train
from training.stages import TRAINING_VERSION, Stage, content_of, distil_settings, stage_fingerprints
from training.stored_config import write_config
from training.student import build_student, train_student
from training.summary import evaluate_run, forget_evaluation
from training.teacher import build_teacher, load_teachers, train_teacher, with_sigma
from training.teacher_cache import check_teacher_cache

LABELLED = "labelled_patients.json"


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
            process that writes the run folder; a loss that is no number; a file that can't be written; with
            `distribute` a cluster that is wrong, workers that were started differently, one that is lost.
    """
    distribution = start(config.distribute, dry_run)  # first: TensorFlow can't join others once it was used
    check_sources(config)
    config = with_sigma(config)
    data = open_dataset(config.data, verify=verify or None)
    with diagnosed(data.path):
        if config.labelled_patients is not None:
            data = limit_labels(data, config.labelled_patients, config.seed)
        check_data(config, data)
    check_shares(config, data, distribution.part)
    folder = Path(config.run)
    check_folder(folder)
    prints = stage_fingerprints(config, data)
    stages = {
        name: Stage(name, config, data, folder, print_, prints, SINGLE if name == "int8" else distribution)
        for name, print_ in prints.items()
    }
    check_models(config, data, say=dry_run)
    if dry_run:
        _plan(config, folder, prints, overwrite)
        if config.teacher_path:
            check_teacher_cache(stages["student"])
        return
    chief = distribution.is_chief
    with exclusive(folder) if chief else contextlib.nullcontext(), diagnosed(data.path), distribution.working():
        if folder.is_dir() and chief:
            clear_leftovers_in(folder)
        distribution.agree(_decisive(config, data))
        todo = _plan(config, folder, prints, overwrite)
        distribution.agree({"the stages that are left to train": todo})
        distribution.share(folder)
        if todo and "teacher" not in todo:
            check_teacher_cache(stages["student"])
        for name in STAGES if chief else ():
            if name not in todo and holds(folder, name, prints[name]):
                _forget_checkpoints(stages, name)
        _train(stages, todo)
        if config.evaluate and chief:
            evaluate_run(config, data, folder, prints)
        distribution.barrier()


def _decisive(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """What the workers of a run must have in common; where the data, other files and the run folder lie they need not.

    Files count by their content, precision "auto" as what it means on this machine.
    """
    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    del settings["run"]
    return {
        "the code": (revision(), TRAINING_VERSION),
        "the files of the code": code_digest(),
        **{name: version(name) for name in ("tensorflow", "keras")},
        **settings,
        "teach.precision": resolve_precision(config.teach.precision),
        "data": data.checksum,
        "distil": distil_settings(config),
        "teacher_path": [sha256_of([path]) for path in config.teacher_path],
        **{name: content_of(getattr(config, name)) for name in ("pretrained", "student_init")},
    }


def _train(stages: dict[str, Stage], todo: list[str]) -> None:
    """Train the stages of `todo`, one after the other; of several workers the chief alone writes."""
    stage = stages["student"]
    config, data, folder = stage.config, stage.data, stage.run
    if "teacher" in todo and config.pretrained is not None:
        build_teacher(config, data, pretrained=True)  # weights that don't fit or can't be fetched
    if "student" in todo and config.starts_from_weights:
        build_student(config, data, started=True)  # the same
    distribution = stage.distribution
    if distribution.is_chief:
        _describe(config, data, folder)
        if todo:
            forget_evaluation(folder)
    history = History(folder, writes=distribution.is_chief)
    for name in todo:
        begun = time.perf_counter()
        console.rule(name)
        if name == "teacher":
            train_teacher(stages[name], history)
        elif name == "student":
            before = stages["pretrain"] if config.pretrain.epochs else None
            train_student(stages[name], _teacher(stages[name]), history, before)
        elif distribution.is_chief:
            from training.int8 import quantize_student  # brings TF-MOT, which the other stages don't need

            if distribution.strategy is not None:
                console.print("int8 is trained on one device, whatever distribute says")
            quantize_student(stages[name], _teacher(stages[name]), history)
        distribution.wait_for(artefacts(folder, name)[0])
        console.print(f"{name} took {time.perf_counter() - begun:.0f} s")


def _describe(config: TrainConfig, data: Dataset, folder: Path) -> None:
    """Write what a run is made with."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config)
    if data.labelled_patients is None:
        (folder / LABELLED).unlink(missing_ok=True)  # of a run that was replaced
    else:
        write_text(folder / LABELLED, json.dumps(sorted(data.labelled_patients), indent=1, ensure_ascii=False) + "\n")


def _forget_checkpoints(stages: dict[str, Stage], name: str) -> None:
    """Remove what a finished stage would have gone on from: its run was killed before it could do so itself."""
    stage = stages[name]
    parts = {"teacher": [dataclasses.replace(stage, name="pretrain_teacher")], "student": [stages["pretrain"]]}
    for part in (stage, *parts.get(name, ())):
        if part.checkpoint.is_file():
            part.checkpoint.unlink()
            notice(f"{part.checkpoint}: left by an interrupted command, removed")


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
        if todo and not overwrite and holds(folder, name, prints[name]):
            raise InputError(
                f"{folder / todo[0]}: is missing, and the {name} that was trained from it is there: leave {todo[0]} "
                "out of stages, or set overwrite to train both again"
            )
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
