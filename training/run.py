"""A whole run: teacher → student → int8 → evaluation, each reused where it is there already."""

from __future__ import annotations

import time
from pathlib import Path

import keras

from common.console import console
from common.errors import InputError
from common.files import write_text
from data.dataset import Dataset, open_dataset
from models.ensemble import Ensemble
from training.checks import check_data, check_flags, check_models
from training.config import STAGES
from training.history import History
from training.run_folder import artefacts, holds, may_train
from training.stages import Stage, stage_fingerprints
from training.student import build_student, starts_from_weights, train_student
from training.summary import evaluate_run, forget_evaluation
from training.teacher import build_teacher, load_teachers, train_teacher


def run(config, resolved: str) -> None:
    """Run the stages that the configuration asks for.

    Args:
        config: the namespace that `training.config.build_parser` gives.
        resolved: the same as YAML, for the run folder.

    Raises:
        InputError: whatever is wrong with flags, data or run folder, before any training.
    """
    check_flags(config)
    data = open_dataset(config.data)
    check_data(config, data)
    folder = Path(config.run)
    prints = stage_fingerprints(config, data)
    stages = {name: Stage(name, config, data, folder, print_) for name, print_ in prints.items()}
    check_models(config, data)
    if config.dry_run:
        return
    todo = _plan(config, folder, prints)
    if "teacher" in todo and config.pretrained is not None:
        build_teacher(config, data, pretrained=True)  # weights that don't fit or can't be fetched
    if "student" in todo and starts_from_weights(config):
        build_student(config, data, started=True)  # the same
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.yaml", resolved)
    if todo:
        forget_evaluation(folder)
    history = History(folder)
    for name in STAGES:
        if name not in todo:
            continue
        start = time.perf_counter()
        console.rule(name)
        if name == "teacher":
            train_teacher(stages[name], history)
        elif name == "student":
            before = stages["pretrain"] if config.pretrain.epochs else None
            train_student(stages[name], _teacher(config, data, folder), history, before)
        else:
            from training.int8 import quantize_student  # brings TF-MOT, which the other stages don't need

            quantize_student(stages[name], _teacher(config, data, folder), history)
        console.print(f"{name} took {time.perf_counter() - start:.0f} s")
    if config.evaluate:
        evaluate_run(config, data, folder, prints)


def _plan(config, folder: Path, prints: dict) -> list[str]:
    """The stages to train, in order; what is there with the same settings is left out."""
    todo = []
    for name in STAGES:
        if name not in config.stages or (name == "teacher" and not _trains_teacher(config)):
            continue
        # A stage after one that is trained anew is trained anew too.
        if not todo and holds(folder, name, prints[name]):
            console.print(f"{name}: reused from {folder / name}")
            continue
        may_train(folder, name, config.overwrite)
        todo.append(name)
    needs = {"student": ["teacher"], "int8": ["teacher", "student"]}
    for name in todo:
        for needed in needs.get(name, []):
            if needed in todo or (needed == "teacher" and not _trains_teacher(config)):
                continue
            if not holds(folder, needed, prints[needed]):
                raise InputError(
                    f"--stages {name}: needs the {needed} of these settings, and {folder / needed} does not hold it: "
                    f"add {needed} to --stages" + (" or give --teacher-path" if needed == "teacher" else "")
                )
    return todo


def _trains_teacher(config) -> bool:
    return config.teacher != "none" and config.teacher_path is None


def _teacher(config, data: Dataset, folder: Path) -> keras.Model | Ensemble | None:
    return load_teachers(config, data, artefacts(folder, "teacher")[0])
