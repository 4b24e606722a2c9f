"""How long a row will take: counted frames × measured ms a frame, held against what finished rows took."""

from __future__ import annotations

import functools
import json
import statistics
from typing import TYPE_CHECKING

import models
from common.errors import InputError
from data.dataset import open_dataset
from data.labels import limit_labels
from studies.commands import command_of
from studies.declare import Row, Study, references
from studies.records import read_record
from studies.speed import Load, Speeds

if TYPE_CHECKING:
    from training.config import TrainConfig

# What a step through fake-quantized or pruned layers takes, in steps of the plain student, with release 0.1.0.
_WRAPPED = 3.3
# Starting TensorFlow, building and checking the models, exporting: s.
_FIXED_S = 40.0


def parse_train(study: Study, row: Row) -> TrainConfig:
    """The settings that a `train` row stands for, as train.py's own parser reads them.

    Raises:
        InputError: whatever train.py would refuse before it looks at data.
    """
    from training.checks import check_sources
    from training.flags import parse

    config = parse(command_of(study, row).expanded).config
    check_sources(config)
    return config


def check_models(study: Study, row: Row, config: TrainConfig) -> None:
    """Build what a `train` row trains, without values, so that an option that can't work is known now.

    Raises:
        InputError: what `models.create` refuses.
    """
    path = study.datasets[row.data].path
    if not path.exists():
        return
    data = open_dataset(path)
    trained = {config.student: config.student_options}
    if config.trains_teacher:
        trained[config.teacher] = config.teacher_options
    for name, options in trained.items():
        _outline(name, (*data.frame_size, 1), len(data.classes), json.dumps(options, sort_keys=True))


@functools.cache
def _outline(name: str, shape: tuple, classes: int, options: str) -> None:
    models.outline(name, shape, classes, **json.loads(options))


def parse_compress(study: Study, row: Row):
    """The configuration that a `compress` row stands for, as compress.py reads it.

    Raises:
        InputError: whatever compress.py would refuse before it looks at data.
    """
    from baselines.registry import all_baselines

    known = all_baselines()
    if row.method not in known:
        raise InputError(f"{row.key}: compress: {row.method!r} is none of {', '.join(known)}")
    return known[row.method].parse(command_of(study, row).expanded[1:])


def row_loads(study: Study, row: Row) -> list[tuple[Load, float]]:
    """The frames that a row's command goes through, by the work that each is: [(load, frames)].

    Raises:
        InputError: the data set is not there, or the flags are wrong.
    """
    if row.how not in ("train", "compress"):
        return []
    data = open_dataset(study.datasets[row.data].path)
    frames = data.frames("train")
    if row.how == "compress":
        return _compression(study, row, frames, data.frame_size)
    config, loads = parse_train(study, row), []
    stages = _missing_stages(config, data)
    if "teacher" in stages and config.trains_teacher:
        few = data if config.labelled_patients is None else limit_labels(data, config.labelled_patients, config.seed)
        seen = _seen(config.teach, few.labelled_frames("train")) + _seen(config.pretrain_teacher, frames)
        loads.append((_teacher(config, "train", data.frame_size), seen))
    student = _load("train", config.student, config.student_options, data.frame_size)
    for stage, settings, factor in (("student", config.distil, 1), ("int8", config.quantize, _WRAPPED)):
        if stage in stages:
            seen = _seen(settings, frames)
            loads.append((student, factor * seen))
            # With a cache the teacher answers for each view once.
            answered = min(seen, config.distil.views * frames) if config.distil.views else seen
            loads += [(load, answered) for load in _teachers(study, row, config, data.frame_size)]
    if "student" in stages:
        loads.append((student, _seen(config.pretrain, frames)))
    return loads


def _seen(settings, frames: int) -> float:
    """Frames that a stage goes through, of which `frames` are a pass."""
    return settings.epochs * (settings.steps_per_epoch * settings.batch_size or frames)


def estimate_s(study: Study, row: Row, speeds: Speeds, factor: float = 1.0) -> float | None:
    """Seconds; None where something it needs was not measured."""
    if row.how not in ("train", "compress"):
        return 0.0
    try:
        loads = row_loads(study, row)
    except InputError:
        return None
    total_ms = 0.0
    for load, frames in loads:
        if not frames:
            continue
        ms = speeds[load]
        if ms is None:
            return None
        total_ms += ms * frames
    return _FIXED_S + factor * total_ms / 1000


def finished_factor(study: Study, cores: int) -> float:
    """Median of (seconds taken / seconds estimated) over rows that so many cores trained from start to end, or 1."""
    ratios = []
    for row in study.rows():
        record = read_record(study, row)
        whole = record.get("state") == "done" and not record.get("reused") and record.get("attempts") == 1
        if whole and record.get("unscaled_estimate_s") and record.get("cores", cores) == cores:
            ratios.append(record["seconds"] / record["unscaled_estimate_s"])
    return statistics.median(ratios) if ratios else 1.0


def say(seconds: float | None) -> str:
    """ "about 3.2 h", "about 12 min", "under a minute", "an unknown time"."""
    if seconds is None:
        return "an unknown time"
    if seconds < 60:
        return "under a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"


def _missing_stages(config, data) -> list[str]:
    """The stages that train.py will not reuse from the run folder."""
    from training.run_folder import holds
    from training.stages import stage_fingerprints
    from training.teacher import with_sigma

    if not all(path.is_file() for path in config.teacher_path):
        return list(config.stages)
    prints = stage_fingerprints(with_sigma(config), data)
    return [stage for stage in config.stages if not holds(config.run, stage, prints[stage])]


def _compression(study: Study, row: Row, frames: int, frame_size) -> list[tuple[Load, float]]:
    """Every target is trained on by itself, through wrapped layers; a removed channel costs no more than one kept."""
    flags = parse_compress(study, row)
    sources = references(row.source)
    if row.method == "ptq" or not sources:
        return []
    owner, path = study.row(row.table, sources[0][0]), sources[0][1]
    model = _trained(study, owner, path or owner.artefact, frame_size)
    if row.method == "channels":
        return [(model, len(flags.keep) * flags.epochs * frames)]
    targets = flags.sparsity if row.method == "prune" else flags.clusters
    both = 2 if row.method == "prune" and flags.clusters else 1
    seen = len(targets) * (both * flags.epochs + flags.int8_epochs) * frames
    teachers = [study.row(row.table, name) for name, _ in references(row.flags.get("teacher", ""))]
    answers = [_teacher(parse_train(study, _trainer(study, owner)), "forward", frame_size) for owner in teachers]
    return [(model, _WRAPPED * seen), *((load, seen) for load in answers)]


def _teachers(study: Study, row: Row, config, frame_size) -> list[Load]:
    """What answers each frame while the student learns."""
    if not config.teacher_path:
        return [_teacher(config, "forward", frame_size)] if config.trains_teacher else []
    owners = [study.row(row.table, name) for name, _ in references(row.flags.get("teacher-path", ""))]
    loads = []
    for owner in owners:
        settings = parse_train(study, _trainer(study, owner))
        loads.append(_teacher(settings, "forward", frame_size))
    return loads


def _trained(study: Study, row: Row, file: str, frame_size) -> Load:
    """Training of the model that a file of a row's run holds: what a compression of it does."""
    config = parse_train(study, _trainer(study, row))
    if file.startswith("teacher/"):
        return _teacher(config, "train", frame_size)
    return _load("train", config.student, config.student_options, frame_size)


def _trainer(study: Study, row: Row) -> Row:
    """The row whose command is train.py's, behind files of it and compressions."""
    while row.how != "train":
        row = study.row(row.table, row.needs()[0])
    return row


def _teacher(config, does: str, frame_size) -> Load:
    from training.fitting import resolve_precision

    load = _load(does, config.teacher, config.teacher_options, frame_size)
    return Load(load.does, load.model, load.options, load.frame_size, resolve_precision(config.teach.precision))


def _load(does: str, model: str, options: dict, frame_size) -> Load:
    return Load(does, model, json.dumps(options, sort_keys=True), tuple(frame_size))
