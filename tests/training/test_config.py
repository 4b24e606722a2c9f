"""`TrainConfig`: what it takes, what it refuses, and by what the stages of a run are known."""

import dataclasses
from types import SimpleNamespace

import pytest

from common import strict_yaml
from common.errors import InputError
from data.augment import Augmentation
from training import DistilSettings, TeachSettings, TrainConfig
from training.flags import parse
from training.frames import unlabelled_of
from training.stages import stage_fingerprints


def config(**settings) -> TrainConfig:
    return TrainConfig(data="data", run="run", **{"sigma": 0.03, **settings})


def data(gaze_frames=1):
    return SimpleNamespace(checksum="0", gaze_frames=lambda split: gaze_frames)


def test_flags_preset_and_notebook_give_the_same(tmp_path):
    made = TrainConfig(
        "data",
        tmp_path / "run",
        student="mobilenet_v1",
        student_options={"width": 0.2},
        teacher_path="t.keras",
        teach={"epochs": 3},
        distil=DistilSettings(epochs=4),
    )
    words = ["--data", "data", "--run", str(tmp_path / "run"), "--student", "mobilenet_v1", "--teacher-path", "t.keras"]
    words += ["--student-options", "{width: 0.2}", "--teach.epochs", "3", "--distil.epochs", "4"]
    request = parse(words)
    assert request.config == made and (request.overwrite, request.dry_run) == (False, False)
    (tmp_path / "config.yaml").write_text(strict_yaml.dump(made))
    again = parse(["--config", str(tmp_path / "config.yaml"), "--overwrite"])
    assert again.config == made and again.overwrite
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.seed = 3


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"class_weights": "no"}, "class_weights must be true or false, not 'no'"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"sigma": 0}, "sigma must be from 0.001 to 0.5 of the frame's width, not 0.0"),
        ({"sigma": 1e-300}, "sigma must be from 0.001 to 0.5 of the frame's width, not 1e-300"),
        ({"sigma": 0.6}, "sigma must be from 0.001 to 0.5 of the frame's width, not 0.6"),
        ({"distil": {"epochs": 10**12}}, "distil.epochs must be at most 100,000"),
        ({"distil": {"batch_size": 10**12}}, "distil.batch_size must be at most 65,536"),
        ({"distil": {"warmup_epochs": 1e308}}, "distil.warmup_epochs must be at most"),
        ({"distil": {"learning_rate": 1e308}}, "distil.learning_rate must be at most 1e+30"),
        ({"distil": {"weight_decay": 1e308}}, "distil.weight_decay must be at most 1e+30"),
        ({"loss": {"gaze": 1e308}}, "loss.gaze must be at most 1e+30"),
        ({"augment": {"rotation_deg": 361}}, "augment.rotation_deg must be at most 360, not 361.0"),
        ({"augment": {"rotation_deg": 1e308}}, "augment.rotation_deg must be at most 1e+30"),
        ({"student_options": {"frame_shape": [1, 1, 1]}}, "has no option 'frame_shape'"),
        ({"student_options": {"keras_module": "os"}}, "has no option 'keras_module'"),
        ({"student_options": {"width": True}}, "option width must be a number, not True"),
        ({"student_options": {"width": "0.1"}}, "option width must be a number, not '0.1'"),
        (
            {"student_options": {"standardise": "false"}},
            "standardise must be true or false, not 'false': give all options as one, '{standardise: false}'",
        ),
        ({"student_options": {"standardise": 1}}, "option standardise must be true or false, not 1"),
        ({"student_options": {"dropout": 1.0}}, "option dropout must be at least 0 and below 1, not 1.0"),
        ({"sigma": float("nan")}, "sigma must be from 0.001 to 0.5"),
        ({"gaze": "left"}, "gaze must be one of real, none, shuffled, centre, not 'left'"),
        ({"unlabelled": "some"}, "unlabelled must be one of auto, all, patients, withheld, none, not 'some'"),
        ({"labelled_patients": 2.5}, "labelled_patients must be a whole number of patients, or a share"),
        ({"labelled_patients": 0}, "labelled_patients must be a whole number of patients, or a share"),
        ({"labelled_patients": float("inf")}, "labelled_patients must be a whole number of patients, or a share"),
        ({"labelled_share": 1}, "labelled_share must be above 0 and below 1, not 1"),
        ({"labelled_share": 0.5, "distil": {"batch_size": 1}}, "distil.batch_size must be at least 2"),
        ({"distil": {"steps_per_epoch": -1}}, "distil.steps_per_epoch must be a number of at least 0"),
        ({"distil": {"weight_average": 1}}, "distil.weight_average must be at least 0 and below 1, not 1"),
        ({"stages": []}, "stages must name at least one"),
        ({"stages": "pupil"}, "stages must be one of teacher, student, int8, not 'pupil'"),
        ({"student": "vgg16"}, "there is no student 'vgg16'"),
        ({"teacher": "vgg17"}, "did you mean vgg16"),
        ({"teach": 3}, "teach must be a mapping"),
        ({"teach": {"epocs": 3}}, "did you mean epochs"),
        ({"teach": {"epochs": 0}}, "teach.epochs must be a number of at least 1, not 0"),
        ({"distil": {"learning_rate": float("inf")}}, "distil.learning_rate must be above 0"),
        ({"loss": {"alpha": "much"}}, "loss.alpha must be a number, not 'much'"),
        ({"loss": {"attention_taps": ["stride5"]}}, "has no tap 'stride5'"),
        ({"augment": {"zoom": "far"}}, "augment.zoom must be a number"),
        ({"student_options": ["width"]}, "student_options must be a mapping"),
        ({"student_init": "best"}, "student_init must be one of random, teacher, imagenet or a .keras"),
        ({"student_init": "teacher", "teacher": "none"}, "takes the channels of one teacher, and there is none"),
        ({"student_init": "teacher", "teacher_path": ["a", "b"]}, "and there are 2"),
        ({"teacher_path": ["a"], "teacher_weights": [1, 2]}, "one for each of the 1 teachers in teacher_path, not 2"),
        ({"teacher_path": ["a", "b"], "teacher_weights": [1, -2]}, "teacher_weights must be above 0, not -2"),
        ({"teacher": "none", "pretrained": "imagenet"}, "pretrained is for a teacher that is trained here"),
        ({"teacher": "none", "pretrain_teacher": {"epochs": 2}}, "pretrain_teacher.epochs 2 is for a teacher"),
        ({"teacher_path": ["a"], "pretrain_teacher": {"epochs": 2}}, "is trained here, and teacher_path is given"),
        ({"teacher": "none", "stages": ["teacher"]}, "stages names the teacher alone, and teacher is 'none'"),
        ({"teacher": "none", "loss": {"attention": 2}}, "needs a teacher"),
        ({"gaze": "none", "pretrain_teacher": {"epochs": 1}}, "pretrain_teacher.epochs must be 0 where gaze is 'none'"),
        ({"distil": {"average_views": True}}, "distil.average_views true: needs a teacher cache"),
        (
            {"loss": {"hint": 1}, "distil": {"views": 6, "average_views": True}},
            "distil.average_views true: the term hint needs the live teacher",
        ),
        (
            {"loss": {"alpha": 0}, "distil": {"views": 6, "average_views": True}},
            "distil.average_views true: is of the teacher's answers, and no term learns from them",
        ),
        ({"loss": {"attention_taps": []}}, "loss.attention_taps names no layer: name one, or set loss.attention to 0"),
        ({"gaze": "none", "pretrain": {"epochs": 1}}, "pretrain.epochs must be 0 where gaze is 'none', not 1"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_cannot_be_is_refused_by_the_name_of_the_parameter(settings, named):
    with pytest.raises(InputError) as caught:
        config(**settings)
    assert named in str(caught.value) and "--" not in str(caught.value) and "\n" not in str(caught.value)


CHANGES = [
    # (settings, the stages whose outcome they change)
    ({"teach": TeachSettings(epochs=3)}, "teacher student int8"),
    ({"teacher_options": {"width": 0.5}}, "teacher student int8"),
    ({"teacher": "none"}, "teacher student int8"),
    ({"distil": DistilSettings(epochs=3)}, "student int8"),
    ({"student_options": {"width": 0.5}}, "pretrain student int8"),
    ({"student_init": "teacher"}, "pretrain student int8"),
    ({"pretrain": {"epochs": 3}}, "pretrain student int8"),
    ({"pretrain": {"learning_rate": 0.1}}, "pretrain"),  # without an epoch of it its settings don't matter
    ({"loss": {"alpha": 0.5}}, "student int8"),
    ({"loss": {"gaze_uniform_share": 0.5}}, "pretrain student int8"),
    ({"labelled_share": 0.5}, "student int8"),
    ({"distil": DistilSettings(views=2, average_views=True)}, "student int8"),
    ({"pretrain_teacher": {"epochs": 3}}, "teacher student int8"),
    ({"pretrain_teacher": {"learning_rate": 0.1}}, ""),  # without an epoch of it its settings don't matter
    ({"teach": {"steps_per_epoch": 5}}, "teacher student int8"),
    ({"unlabelled": "none"}, "pretrain student int8"),
    ({"quantize": {"epochs": 3}}, "int8"),
    *[
        (settings, "teacher pretrain student int8")
        for settings in (
            {"seed": 1},
            {"gaze": "centre"},
            {"labelled_patients": 3},
            {"sigma": 0.05},
            {"augment": Augmentation(zoom=0.2)},
        )
    ],
    ({"class_weights": True}, "teacher student int8"),  # a gaze pretraining uses no label
    ({"evaluate": False}, ""),
    ({"stages": ["student"]}, ""),
]


@pytest.mark.parametrize(("settings", "stages"), CHANGES, ids=lambda value: str(value)[:50])
def test_a_stage_is_known_by_all_that_decides_its_outcome_and_by_nothing_else(settings, stages):
    before, after = stage_fingerprints(config(), data()), stage_fingerprints(config(**settings), data())
    assert {name for name in before if before[name] != after[name]} == set(stages.split())


def test_a_pretraining_from_a_teachers_channels_is_known_by_the_frames_that_refit_them():
    """An interrupted one went on from a start that other settings had made."""
    given = {"student_init": "teacher", "teacher": "sononet_16", "student": "sononet_8", "pretrain": {"epochs": 2}}
    one, other = (stage_fingerprints(config(**given, labelled_share=share), data()) for share in (0.25, 0.75))
    assert one["pretrain"] != other["pretrain"] and one["teacher"] == other["teacher"]


@pytest.mark.parametrize(
    "settings",
    [{"labelled_share": 0.5}, {"labelled_patients": 3}, {"pretrain_teacher": {"epochs": 3}}],
    ids=str,
)
def test_a_fingerprint_is_of_the_same_settings_whatever_their_values(settings, monkeypatch):
    """Once a setting at its default was left out, which is how the hash of one run may be that of another."""

    def names(shared, **others):
        return tuple(sorted({**shared, **others}))

    monkeypatch.setattr("training.stages.fingerprint", names)
    assert stage_fingerprints(config(), data()) == stage_fingerprints(config(**settings), data())


def test_a_teacher_that_predicts_gaze_is_known_by_its_target_too():
    given = [
        stage_fingerprints(config(teacher="multitask_sonoeyenet", loss={"gaze_uniform_share": share}), data())
        for share in (0.05, 0.5)
    ]
    assert given[0]["teacher"] != given[1]["teacher"]


def test_a_teacher_is_known_by_the_precision_that_auto_comes_to(monkeypatch):
    """Once "auto" stood in the fingerprint: a run folder moved to another machine was taken for its own."""
    found = {}
    for machine in ("float32", "mixed_bfloat16"):
        monkeypatch.setattr(
            "training.stages.resolve_precision", lambda name, at=machine: at if name == "auto" else name
        )
        given = [stage_fingerprints(config(teach={"precision": name}), data()) for name in ("auto", machine)]
        assert given[0] == given[1]
        found[machine] = given[0]
    assert found["float32"]["teacher"] != found["mixed_bfloat16"]["teacher"]
    assert found["float32"]["int8"] != found["mixed_bfloat16"]["int8"]


def test_a_stage_is_known_by_the_content_of_what_it_starts_from(tmp_path):
    file, given = tmp_path / "w.keras", {}
    for content in (b"one", b"two"):
        file.write_bytes(content)
        given[content] = [
            stage_fingerprints(config(**{setting: str(file)}), data())["student"]
            for setting in ("student_init", "pretrained", "teacher_path")
        ]
    assert not set(given[b"one"]) & set(given[b"two"])
    other = stage_fingerprints(config(), SimpleNamespace(checksum="1", gaze_frames=data().gaze_frames))
    assert not set(other.values()) & set(stage_fingerprints(config(), data()).values())


@pytest.mark.parametrize(
    ("settings", "gaze_frames", "expected"),
    [
        ({}, 1, "all"),
        ({"teacher": "none"}, 1, "all"),  # the gaze loss learns from them
        ({"teacher": "none"}, 0, "none"),
        ({"teacher": "none", "gaze": "none"}, 1, "none"),
        ({"teacher": "none", "loss": {"gaze": 0}}, 1, "none"),
        ({"teacher": "none", "gaze": "none", "unlabelled": "all"}, 1, "all"),
        ({"loss": {"gaze": 0, "alpha": 0, "attention": 0}}, 1, "none"),
        ({"unlabelled": "patients"}, 1, "patients"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_frames_without_a_label_are_left_out_where_nothing_learns_from_them(settings, gaze_frames, expected):
    made = config(**settings)
    assert unlabelled_of("student", made, data(gaze_frames)) == expected
    assert unlabelled_of("int8", made, data(gaze_frames)) == expected
    assert unlabelled_of("teacher", made, data(gaze_frames)) == "none"
