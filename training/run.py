"""A whole run: teacher → student → int8 → evaluation, each reused where it is there already."""

from __future__ import annotations

import time
from pathlib import Path

import keras

from common.console import console
from common.errors import InputError
from common.files import write_text
from data.dataset import Dataset, open_dataset
from data.pipeline import evaluation_batches
from models.distiller import Distiller
from training.config import STAGES, check
from training.history import History
from training.run_folder import artefacts, holds, may_train
from training.stages import Stage, stage_fingerprints
from training.student import build_student, train_student
from training.summary import evaluate_run, forget_evaluation
from training.teacher import build_teacher, load_teacher, train_teacher


def run(config, resolved: str) -> None:
    """Run the stages that the configuration asks for.

    Args:
        config: the namespace that `training.config.build_parser` gives.
        resolved: the same as YAML, for the run folder.

    Raises:
        InputError: whatever is wrong with flags, data or run folder, before any training.
    """
    check(config)
    data = open_dataset(config.data)
    for split in ("train", "val"):
        data.frames(split)
    if config.gaze == "shuffled":
        for split in (name for name, found in data.info["splits"].items() if found["frames"]):
            evaluation_batches(data, split, gaze=config.gaze, seed=config.seed)  # can it be shuffled at all?
    folder = Path(config.run)
    prints = stage_fingerprints(config, data)
    stages = {name: Stage(name, config, data, folder, prints[name]) for name in STAGES}
    _check_models(config, data, dry_run=config.dry_run)
    if config.dry_run:
        return
    todo = _plan(config, folder, prints)
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
            train_student(stages[name], _teacher(config, data, folder), history)
        else:
            from training.int8 import quantise_student  # brings TF-MOT, which the other stages don't need

            quantise_student(stages[name], _teacher(config, data, folder), history)
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


def _teacher(config, data: Dataset, folder: Path) -> keras.Model | None:
    if config.teacher_path is None and config.teacher == "none":
        return None
    return load_teacher(config.teacher_path or artefacts(folder, "teacher")[0], data)


def _check_models(config, data: Dataset, dry_run: bool) -> None:
    """Build everything once, so that a tap, an option or a layer that can't work is known now."""
    student = build_student(config, data)
    if config.teacher_path is not None:
        teacher = load_teacher(config.teacher_path, data)
    else:
        teacher = build_teacher(config, data) if config.teacher != "none" else None
    Distiller(student, teacher, config.loss)
    if "int8" not in config.stages:
        return
    from quantization.check import dry_run as quantisation_dry_run

    shape = (*data.frame_size, 1)
    refused = quantisation_dry_run(config.student, shape, len(data.classes), **config.student_options)
    for name, kind, reason in refused:
        console.print(f"TF-MOT refuses layer {name} ({kind}): {reason}")
    if refused:
        raise InputError(
            f"--student {config.student}: TF-MOT refuses {len(refused)} of its layers ({refused[0][0]}, …): choose "
            "another student or leave int8 out of --stages"
        )
    if dry_run:
        console.print(f"{config.student}: TF-MOT takes all of its {len(student.layers)} layers")
