"""How a run is configured: `TrainConfig`, the same for the command, for studies and for a notebook."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import models
from common.errors import InputError
from common.typed import StrPath, check_fields, check_seed, one_of
from data.augment import Augmentation
from data.modes import GazeMode
from data.pipeline import UNLABELLED_MODES
from losses import LossSettings
from models.ensemble import shares
from models.registry import check_options
from training.settings import (
    DistilSettings,
    PretrainSettings,
    QuantizeSettings,
    TeacherPretrainSettings,
    TeachSettings,
)

STAGES = ("teacher", "student", "int8")
UNLABELLED = ("auto", *UNLABELLED_MODES)
NO_TEACHER = "none"
_LEAST_SIGMA, _MOST_SIGMA = 1e-3, 0.5  # shares of the frame's width
# See `training.distribution`.
STRATEGIES = ("none", "mirrored", "multiworker")
# Where a student's weights come from, besides a file of weights.
STUDENT_INITS = ("random", "teacher", "imagenet")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """All that decides what a run gives.

    `train(TrainConfig(data="datasets/phantom", run="runs/mine", student="mobilenet_v1"))` does what
    `train.py --data datasets/phantom --run runs/mine --student mobilenet_v1` does. A part that is
    given as a mapping becomes its dataclass, text becomes a path, a list a tuple.

    Attributes:
        data: data set folder, made by prepare.py.
        run: run folder; everything that comes out lies there.
        stages: any of teacher, student, int8.
        teacher: none, or the model that teaches; one of `models.names("teacher")`.
        teacher_options: of its family, such as '{fusion: concat, width: 0.5}'; a wrong one is answered with
            those there are.
        teacher_path: trained teachers (.keras) instead of training one; several, one after the other, teach as
            an ensemble.
        teacher_weights: one for each of teacher_path, of its soft targets; without them all count alike.
        pretrained: what the teacher starts from; imagenet, or a file of weights (.keras, .h5, the .npz of
            SonoNet's authors).
        student: the model that learns; one of `models.names("student")`.
        student_options: of its family, such as '{width: 0.45}'; a wrong one is answered with those there are.
        student_init: what the student starts from; random weights, teacher (the best channels of a teacher of its
            family), imagenet (MobileNets of 0.25 or 0.35 and wider) or a file of weights (.keras, .h5).
        gaze: what teacher and gaze loss see; real, none (uniform maps), shuffled (the gaze of another recording)
            or centre (one blob in the middle).
        sigma: standard deviation of the gaze map's Gaussians as a share of the frame's width; without it the one
            that the teachers of teacher_path were trained with, or 0.03.
        seed: of everything random.
        class_weights: weigh classes by the inverse of their share.
        unlabelled: which frames without a label the student learns from; all, patients (only those of patients
            who have no label at all), withheld (only those whose label labelled_patients withholds, so no
            transitions), none, or auto (all if any term of the loss learns from them, else none). A teacher
            learns from labelled frames alone, but for its gaze pretraining.
        labelled_patients: how many training patients keep their labels, chosen at random by the seed; below 1 it is
            their share. The frames of the others stay, without labels. Without it all labels are used.
        labelled_share: share of each of the student's batches that has labels, so that few are not lost among
            many frames without; without it frames come as they are.
        pretrain_teacher: training of the teacher on the gaze alone, before the rest.
        teach: training of the teacher.
        pretrain: training of the student on the gaze alone, before the rest.
        distil: training of the student.
        quantize: quantization-aware training.
        loss: weights of the distillation loss.
        augment: augmentation of all stages.
        distribute: which devices train teacher and student; none (one), mirrored (all of this machine) or multiworker
            (several machines, which TF_CONFIG names). Each batch is shared by them. The int8 stage stays on one.
        evaluate: end with metrics.json and summary.md.
    """

    data: StrPath
    run: StrPath
    stages: tuple[str, ...] = STAGES
    teacher: str = "vgg16"
    teacher_options: dict = dataclasses.field(default_factory=dict)
    teacher_path: tuple[Path, ...] = ()
    teacher_weights: tuple[float, ...] | None = None
    pretrained: str | None = None
    student: str = "squeezenet_1_1"
    student_options: dict = dataclasses.field(default_factory=dict)
    student_init: str = "random"
    gaze: GazeMode = "real"
    sigma: float | None = None
    seed: int = 0
    class_weights: bool = False
    unlabelled: str = "auto"
    labelled_patients: float | None = None
    labelled_share: float | None = None
    pretrain_teacher: TeacherPretrainSettings = dataclasses.field(default_factory=TeacherPretrainSettings)
    teach: TeachSettings = dataclasses.field(default_factory=TeachSettings)
    pretrain: PretrainSettings = dataclasses.field(default_factory=PretrainSettings)
    distil: DistilSettings = dataclasses.field(default_factory=DistilSettings)
    quantize: QuantizeSettings = dataclasses.field(default_factory=QuantizeSettings)
    loss: LossSettings = dataclasses.field(default_factory=LossSettings)
    augment: Augmentation = dataclasses.field(default_factory=Augmentation)
    distribute: str = "none"
    evaluate: bool = True

    def __post_init__(self) -> None:
        """Refuse what can be known to be wrong without data or files.

        Raises:
            InputError: a value of another type or out of range, an unknown stage, model or tap, or settings
                that contradict each other.
        """
        check_fields(self)
        _check_values(self)
        _check_models(self)
        _check_teachers(self)
        _check_teacher_data(self)

    @property
    def has_teacher(self) -> bool:
        """Whether the student has any teacher: one that is trained here, or given ones."""
        return self.trains_teacher or bool(self.teacher_path)

    @property
    def trains_teacher(self) -> bool:
        """Whether the run trains its teacher itself."""
        return self.teacher != NO_TEACHER and not self.teacher_path

    @property
    def takes_from_teacher(self) -> bool:
        """Whether the student takes anything from a teacher: by a term of the loss, or its channels to start from."""
        return self.has_teacher and (self.loss.uses_teacher() or self.student_init == "teacher")

    @property
    def starts_from_weights(self) -> bool:
        """Whether the student starts from trained weights that are no teacher's of this run."""
        return self.student_init not in ("random", "teacher")


def _check_values(config: TrainConfig) -> None:
    if not config.stages:
        raise InputError(f"stages must name at least one of {', '.join(STAGES)}, not none of them")
    for stage in config.stages:
        one_of("stages", stage, STAGES)
    one_of("unlabelled", config.unlabelled, UNLABELLED)
    one_of("distribute", config.distribute, STRATEGIES)
    check_seed(config.seed)
    _check_labels(config)
    if config.sigma is not None and not _LEAST_SIGMA <= config.sigma <= _MOST_SIGMA:
        raise InputError(
            f"sigma must be from {_LEAST_SIGMA:g} to {_MOST_SIGMA:g} of the frame's width, not {config.sigma}"
        )
    if config.student_init not in STUDENT_INITS and Path(config.student_init).suffix not in (".keras", ".h5"):
        raise InputError(
            f"student_init must be one of {', '.join(STUDENT_INITS)} or a .keras or .h5 file, not "
            f"{config.student_init!r}"
        )
    for name, settings in (("pretrain", config.pretrain), ("pretrain_teacher", config.pretrain_teacher)):
        if settings.epochs and config.gaze == "none":
            raise InputError(
                f"{name}.epochs must be 0 where gaze is 'none', not {settings.epochs}: the pretraining learns from gaze"
            )


def check_budget(budget: float | None, name: str = "labelled_patients") -> None:
    """Refuse what is no budget of labels; None is none.

    Raises:
        InputError: naming it.
    """
    if budget is not None and not (0 < budget < 1 or (budget >= 1 and budget.is_integer())):
        raise InputError(f"{name} must be a whole number of patients, or a share above 0 and below 1, not {budget}")


def check_share(share: float | None, name: str = "labelled_share") -> None:
    """Refuse what is no share of labelled frames; None is none.

    Raises:
        InputError: naming it.
    """
    if share is not None and not 0 < share < 1:
        raise InputError(f"{name} must be above 0 and below 1, not {share}")


def _check_labels(config: TrainConfig) -> None:
    check_budget(config.labelled_patients)
    check_share(config.labelled_share)
    if config.labelled_share is not None:
        for name, size in (("distil", config.distil.batch_size), ("quantize", config.quantize.batch_size)):
            if size < 2:
                raise InputError(f"{name}.batch_size must be at least 2 with a labelled_share, not {size}")


def _check_models(config: TrainConfig) -> None:
    student = models.find(config.student, "student")
    check_options(config.student, config.student_options)
    for name, taps in config.loss.named_taps().items():
        for tap in taps:
            if tap not in student.taps:
                raise InputError(f"loss.{name}: {config.student} has no tap {tap!r}; it has {', '.join(student.taps)}")
    if config.teacher != NO_TEACHER:
        models.find(config.teacher, "teacher")
        check_options(config.teacher, config.teacher_options)


def _check_teachers(config: TrainConfig) -> None:
    given = config.teacher_path
    if config.teacher_weights is not None:
        shares(len(given), config.teacher_weights)
    if config.student_init == "teacher" and (not config.has_teacher or len(given) > 1):
        found = f"there are {len(given)}" if given else "there is none"
        raise InputError(f"student_init 'teacher' takes the channels of one teacher, and {found}: name one")
    if config.pretrained is not None and not config.trains_teacher:
        why = "teacher_path is given" if given else "teacher is 'none'"
        raise InputError(f"pretrained is for a teacher that is trained here, and {why}: leave one of them out")
    if config.pretrain_teacher.epochs and not config.trains_teacher:
        why = "teacher_path is given" if given else "teacher is 'none'"
        raise InputError(
            f"pretrain_teacher.epochs {config.pretrain_teacher.epochs} is for a teacher that is trained here, and "
            f"{why}: set it to 0"
        )
    if not config.has_teacher and set(config.stages) == {"teacher"}:
        raise InputError("stages names the teacher alone, and teacher is 'none': name a teacher or another stage")
    if not config.has_teacher:
        config.loss.refuse_without_teacher("name one in teacher or teacher_path")
    _check_average_views(config)


def _check_average_views(config: TrainConfig) -> None:
    if not config.has_teacher or not config.distil.average_views:
        return
    if (live := config.loss.needs_features()) is not None:
        raise InputError(
            f"distil.average_views true: the term {live} needs the live teacher, which sees one view at a time: set "
            "its weight to 0, or average_views to false"
        )
    if not any(term.needs_teacher and not term.taps for term in config.loss.active()):
        raise InputError(
            "distil.average_views true: is of the teacher's answers, and no term learns from them: set a weight, such "
            "as loss.alpha, or average_views to false"
        )


def _check_teacher_data(config: TrainConfig) -> None:
    """Refuse settings that need the teacher to see the student's own frames."""
    if config.distil.teacher_data is None:
        return
    if not config.teacher_path:
        raise InputError("distil.teacher_data is for trained teachers: give one by teacher_path")
    if not config.distil.views:
        raise InputError(
            "distil.teacher_data needs a teacher cache, since a live teacher sees the student's frames: set "
            "distil.views above 0"
        )
    term = config.loss.needs_features()
    if term is not None:
        raise InputError(
            f"distil.teacher_data: the term {term} needs the live teacher, which sees the student's frames: set its "
            "weight to 0"
        )
    if config.student_init == "teacher":
        raise InputError(
            "student_init 'teacher' compares layers on frames that both see, and distil.teacher_data has others: leave "
            "one of them out"
        )
