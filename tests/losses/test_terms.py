"""Every declared loss term, from the moment its file exists: limits, gradients, what it declares of itself."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from losses import TERMS, Given, LossSettings, Option, Term, loss_table
from losses.registry import add_term
from losses.settings import all_options

SETTINGS = LossSettings(**{term.setting: 0.5 for term in TERMS.values()})
B, K, GRID, CHANNELS = 6, 4, (4, 5), 3

every_term = pytest.mark.parametrize("term", TERMS.values(), ids=list(TERMS))
every_teacher_term = pytest.mark.parametrize(
    "term", [term for term in TERMS.values() if term.needs_teacher], ids=lambda term: term.name
)


def given(seed=0, count=B, size=1.0):
    """A random batch; student and teacher have all taps, on one grid and with as many channels."""
    random = np.random.default_rng(seed)

    def outputs():
        maps = {tap: random.normal(size=(B, *GRID, CHANNELS)) for tap in SETTINGS.taps()}
        return {"logits": 2 * random.normal(size=(B, K)), **maps}

    gaze = random.random((B, *GRID)) ** 4
    made = {
        "batch": {
            "label": np.array([0, 1, 2, -1, 3, 0], np.int32),
            "weight": np.ones(B, np.float32),
            "gaze": (gaze / gaze.sum(axis=(1, 2), keepdims=True)).astype(np.float32),
            "gaze_valid": np.ones(B, bool),
        },
        "student": {name: (size * value).astype(np.float32) for name, value in outputs().items()},
        "teacher": {name: (size * value).astype(np.float32) for name, value in outputs().items()},
    }
    made = tf.nest.map_structure(lambda value: tf.constant(value[:count]), made)
    return Given(**made, settings=SETTINGS, heads=heads())


def heads():
    """The heads of all terms; those with as many channels out as in are the identity."""
    shapes = dict.fromkeys(SETTINGS.taps(), (*GRID, CHANNELS))
    layers = [layer for term in TERMS.values() if term.heads for layer in term.heads(SETTINGS, shapes, shapes)]
    for layer in layers:
        kernel = layer.kernel
        identity = kernel.shape[-1] == kernel.shape[-2]
        kernel.assign(np.eye(CHANNELS)[None, None] if identity else np.full(kernel.shape, 0.5))
    return {layer.name: layer for layer in layers}


def value_and_slopes(term, example):
    """Values [B], and the gradients of their sum by the student's outputs and by the teacher's."""
    with tf.GradientTape() as tape:
        tape.watch([example.student, example.teacher])
        values = term.function(example)
    return values, *tape.gradient(values, [example.student, example.teacher])


def swapped(example, **parts):
    return dataclasses.replace(example, **parts)


@every_term
def test_gives_one_finite_value_a_frame_and_never_less_than_0(term):
    for seed in range(5):
        values = term.function(given(seed))
        assert values.shape == (B,) and values.dtype == tf.float32
        assert np.isfinite(values).all() and np.min(values) >= 0
    labelled = np.array(given().batch["label"]) >= 0
    assert (np.array(values)[labelled if term.needs_label else slice(None)] > 0).all()


@every_term
def test_has_finite_gradients_that_reach_the_student(term):
    for size in (1.0, 1e-6, 1e6):
        _, slopes, _ = value_and_slopes(term, given(size=size))
        known = [np.array(slope) for slope in slopes.values() if slope is not None]
        assert known and all(np.isfinite(slope).all() for slope in known)
        if size == 1:
            assert any(np.abs(slope).max() > 1e-4 for slope in known)


@every_term
def test_looks_at_nothing_that_it_does_not_declare(term):
    taps = getattr(SETTINGS, term.taps) if isinstance(term.taps, str) else term.taps
    needed = {"logits", *taps}
    full = given()
    bare = swapped(
        full,
        student={name: full.student[name] for name in needed},
        teacher={name: full.teacher[name] for name in needed} if term.needs_teacher else {},
    )
    np.testing.assert_array_equal(term.function(bare), term.function(full))


@every_teacher_term
def test_a_student_like_its_teacher_is_at_the_minimum_where_that_is_declared(term):
    like = swapped(given(), student=given().teacher)
    values, slopes, _ = value_and_slopes(term, like)
    assert (np.abs(values).max() < 1e-5) == term.zero_at_teacher
    if term.zero_at_teacher:
        for slope in slopes.values():
            assert slope is None or np.abs(slope).max() < 1e-4


@every_term
def test_a_permuted_batch_gives_permuted_values(term):
    order = np.array([4, 2, 0, 5, 1, 3])
    plain = given()
    parts = {part: getattr(plain, part) for part in ("batch", "student", "teacher")}
    permuted = swapped(plain, **tf.nest.map_structure(lambda value: tf.gather(value, order), parts))
    values = np.array(term.function(plain))
    np.testing.assert_allclose(term.function(permuted), values[order], rtol=1e-4, atol=1e-6)


@every_term
def test_depends_on_the_other_frames_only_where_that_is_declared(term):
    alone, values = term.function(given(count=3)), np.array(term.function(given()))[:3]
    assert np.allclose(alone, values, rtol=1e-4, atol=1e-6) == term.frame_by_frame


@pytest.mark.parametrize(
    ("term", "change"),
    [pytest.param(t, change, id=f"{t.name}-{change.__name__}") for t in TERMS.values() for change in t.invariances],
)
def test_does_not_see_what_it_declares_to_be_without_effect(term, change):
    plain = given()
    changed = change(plain)
    different = [
        not np.array_equal(one, other)
        for one, other in zip(
            tf.nest.flatten([plain.batch, plain.student, plain.teacher]),
            tf.nest.flatten([changed.batch, changed.student, changed.teacher]),
        )
    ]
    assert any(different), "the change changes something"
    np.testing.assert_allclose(term.function(changed), term.function(plain), rtol=1e-3, atol=1e-5)


@every_term
def test_low_precision_is_computed_in_float32(term):
    example = given()
    low = {
        part: {name: tf.cast(value, tf.bfloat16) for name, value in getattr(example, part).items()}
        for part in ("student", "teacher")
    }
    assert term.function(swapped(example, **low)).dtype == tf.float32


@every_term
def test_settings_validate_its_weight_and_options(term):
    for name in (term.setting, *(option.name for option in term.options if not option.names_taps)):
        for value in (-1.0, float("nan"), float("inf"), "much", True):
            with pytest.raises(InputError, match=rf"^loss\.{name} must be "):
                LossSettings(**{name: value})
    for option in term.options:
        if option.names_taps:
            assert getattr(LossSettings(**{option.name: ["a", "b"]}), option.name) == ("a", "b")
            assert getattr(LossSettings(**{option.name: "a"}), option.name) == ("a",)
            with pytest.raises(InputError, match=rf"^loss\.{option.name}"):
                LossSettings(**{option.name: [8]})


@every_term
def test_only_a_weight_switches_it_on(term):
    off = LossSettings(**{other.setting: 0.0 for other in TERMS.values()})
    assert off.active() == () and off.is_empty() and off.taps() == ()
    alone = dataclasses.replace(off, **{term.setting: 0.5})
    assert alone.active() == (term,) and alone.weight(term.name) == 0.5 and not alone.is_empty()
    assert alone.is_empty(labels=False) == term.needs_label
    assert (alone.without_teacher() == off) == term.needs_teacher
    assert bool(alone.teacher_taps()) == (term.needs_teacher and bool(term.taps))
    if term.needs_teacher:
        with pytest.raises(InputError, match=rf"loss\.{term.setting} 0.5: needs a teacher.*: give one"):
            alone.refuse_without_teacher("give one")
    else:
        alone.refuse_without_teacher("give one")


@every_term
def test_no_other_term_is_in_the_loss_of_one_alone(term):
    """As in pretraining on the gaze alone: without those that need no teacher, and those that are on by default."""
    one = SETTINGS.only(**{term.setting: 0.5})
    assert one.active() == (term,)
    assert all(getattr(one, option.name) == getattr(SETTINGS, option.name) for option in all_options())


def test_the_hard_labels_share_with_the_soft_targets():
    settings = LossSettings(alpha=0.25, hard=2.0)
    assert settings.weight("hard") == 2.0 * 0.75 and settings.weight("soft") == 0.25
    assert LossSettings(alpha=1.0, gaze=0.0, attention=0.0).weight("hard") == 0


def test_the_table_has_every_setting_once():
    names = [row.split("`")[1] for row in loss_table().splitlines()[2:]]
    settings = {field.name for field in dataclasses.fields(LossSettings)} - {"warmup", "decay_from"}
    assert sorted(names) == sorted(f"loss.{name}" for name in settings)
    assert all(len(row.replace("\\|", "").split("|")) == 7 for row in loss_table().splitlines())


def test_every_setting_is_described():
    for field in dataclasses.fields(LossSettings):
        assert f"    {field.name}: " in LossSettings.__doc__
    assert {option.name for option in all_options()} >= {"warmup", "decay_from", "temperature"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "soft", "setting": "new"}, "there is one of the name soft"),
        ({"name": "new", "setting": "alpha"}, "there is one of the name soft"),
        ({"name": "new", "setting": "temperature"}, "its setting temperature is the name of an option"),
        ({"name": "new", "setting": "warmup"}, "its setting warmup is the name of an option"),
        ({"options": (Option("temperature", 1.0, "another"),)}, "its option temperature is declared by"),
        (
            {"options": (Option("alpha", 1.0, "another"),)},
            "its option alpha has the name of a setting, the weight of soft",
        ),
        ({"options": (Option("new", 1.0, "another"),)}, "its option new has the name of a setting, the weight of new"),
        (
            {"options": (Option("warmup", 0.1, "another"),)},
            "its option warmup has the name of a setting, of the schedule",
        ),
    ],
)
def test_a_name_that_is_taken_is_refused(changes, words):
    fields = {"name": "new", "default": 0.0, "help": "", "source": "", "unit": "", "function": len, "setting": "new"}
    with pytest.raises(InputError, match=words):
        add_term(Term(**{**fields, **changes}))
    assert "new" not in TERMS
