"""Whatever is registered is tested here, from the moment it is registered."""

import dataclasses
import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from common.errors import InputError
from data.saliency import map_size
from models.registry import MODELS, create, find, names, outline, register
from models.teaching import predicts_gaze
from tests.models.zoo import count, families, frame_of, full, inputs_of, small

# What may learn behind a tap on its grid in any family: the fusion of the gaze.
FUSION = {"gaze_modulation"}

every_model = pytest.mark.parametrize("name", MODELS)
every_builder = pytest.mark.parametrize("name", families("student") + families("teacher"))
every_student = pytest.mark.parametrize("name", names("student"))


@dataclasses.dataclass(frozen=True)
class Stepped:
    """A small model whose statistics a pass in training mode has moved; no test leaves it changed.

    Attributes:
        given: frames, and gaze if the model takes it.
        trained: logits [8, 5] of that pass. slopes: of its loss, for each trainable variable.
        answer: logits [8, 5] after it, in inference mode.
    """

    model: keras.Model
    given: np.ndarray | list[np.ndarray]
    trained: np.ndarray
    slopes: list
    answer: np.ndarray


@functools.cache
def stepped(name) -> Stepped:
    dropped = {"dropout": 0.5} if "dropout" in find(name).options else {}
    model = small(name, frame_of(name, 32, 64), classes=5, **dropped)
    given, labels = inputs_of(model, 8), tf.constant([0, 1, 2, 0, 4, 2, 3, 0])
    with tf.GradientTape() as tape:
        logits = model(given, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    slopes = tape.gradient(loss, model.trainable_variables)
    return Stepped(model, given, logits.numpy(), slopes, model(given, training=False).numpy())


@every_builder
def test_gives_finite_logits_for_each_class(name):
    logits = stepped(name).answer
    assert logits.shape == (8, 5) and logits.dtype == np.float32 and np.isfinite(logits).all()
    assert (logits.sum(axis=1) != 1).all()  # logits, not probabilities


@every_model
def test_has_exactly_its_parameters(name):
    assert full(name).count_params() == find(name).parameters


@pytest.mark.parametrize(
    ("name", "published"), [(name, one) for name, entry in MODELS.items() for one in entry.published]
)
def test_published_sizes(name, published):
    shape, classes, options, parameters = published
    assert count(name, shape, classes, **options) == parameters


@every_student
def test_its_widths_stay_below_their_numbers_of_parameters(name):
    """And not far below: of twice the width it would have about four times as many."""
    for most, width in find(name).width_below.items():
        assert most / 4 < count(name, (112, 144, 1), 4, width=width) < most


@every_builder
def test_every_trainable_variable_learns(name):
    step = stepped(name)
    for variable, slope in zip(step.model.trainable_variables, step.slopes, strict=True):
        assert slope is not None and np.isfinite(slope).all(), variable.path
        # Batch normalisation takes a constant away again: the bias before it, there for the
        # published layout's sake, has no slope but rounding.
        if not _feeds_batch_norm(step.model, variable):
            assert np.abs(slope).max() > 0, variable.path


def _feeds_batch_norm(model, variable):
    layer, kind = variable.path.split("/")[-2:]
    return kind == "bias" and layer.replace("_conv", "_bn") in {other.name for other in model.layers}


@every_model
def test_taps_exist_and_lie_at_their_strides(name):
    model = full(name)
    there = {layer.name for layer in model.layers if layer.name.startswith("stride")}
    assert there >= set(find(name).taps)
    for tap in there:
        stride = int(tap.removeprefix("stride"))
        for side, cells in zip((112, 144), model.get_layer(tap).output.shape[1:3], strict=True):
            assert cells in (side // stride, -(-side // stride))  # these differ at stride 32 alone


@every_builder
def test_on_frames_that_the_strides_divide_taps_lie_exactly_there(name):
    model = stepped(name).model
    height, width, _ = frame_of(name, 32, 64)
    for tap in find(name).taps:
        stride = int(tap.removeprefix("stride"))
        assert model.get_layer(tap).output.shape[1:3] == (height // stride, width // stride)


@pytest.mark.parametrize("name", families("student"))
def test_a_students_taps_are_ceil_divisions_as_the_gaze_map_is(name):
    """Of the two sizes, each halving meets an even side and an odd one."""
    for size, model in (((112, 144), full(name)), ((33, 47), outline(name, (33, 47, 1), 3, **find(name).small))):
        for tap in find(name).taps:
            stride = int(tap.removeprefix("stride"))
            assert model.get_layer(tap).output.shape[1:3] == map_size(size, stride), tap


@every_model
def test_taps_are_the_last_activations_at_their_strides(name):
    """No later layer that learns still works on a tap's grid, but for those that may."""
    model = full(name)
    order = [layer.name for layer in model.layers]
    for tap in find(name).taps:
        grid = model.get_layer(tap).output.shape[1:3]
        later = model.layers[order.index(tap) + 1 :]
        learning = [
            layer.name
            for layer in later
            if layer.weights and len(layer.output.shape) == 4 and layer.output.shape[1:3] == grid
        ]
        assert set(learning) <= {*FUSION, *find(name).learns_behind_taps}, tap


@every_builder
def test_keras_file_round_trip(name, tmp_path):
    step = stepped(name)
    step.model.save(tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(back(step.given, training=False), step.answer)
    assert [layer.name for layer in back.layers] == [layer.name for layer in step.model.layers]


@every_model
def test_is_flat_functional_and_without_preprocessing(name):
    model = full(name)
    assert isinstance(model, keras.Model) and model.name == name
    assert not any(isinstance(layer, keras.Model | keras.layers.Rescaling) for layer in model.layers)


@every_model
def test_what_predicts_gaze_has_the_layer_of_the_map(name):
    assert find(name).predicts_gaze == predicts_gaze(full(name))


@every_student
def test_a_student_takes_the_frame_alone(name):
    assert [tensor.name for tensor in full(name).inputs] == ["frame"]


@every_student
def test_wider_is_larger(name):
    default = find(name).options["width"]
    widths = find(name).width_below.values() or (default / 2,)
    sizes = {width: count(name, (112, 144, 1), 4, width=width) for width in widths}
    sizes[default] = full(name).count_params()
    ordered = [sizes[width] for width in sorted(sizes)]
    assert len(ordered) >= 2 and (np.diff(ordered) > 0).all()


@every_builder
def test_only_training_is_random(name):
    step = stepped(name)
    before = step.model.get_weights()
    np.testing.assert_array_equal(step.model(step.given, training=False), step.answer)
    assert (step.model(step.given, training=True).numpy() != step.trained).any() == ("dropout" in find(name).options)
    step.model.set_weights(before)


@pytest.mark.parametrize("name", families("student"))
def test_a_students_taps_are_not_negative(name):
    """A tap is an activation, not a linear bottleneck: what attention transfer squares keeps its order."""
    step = stepped(name)
    before = step.model.get_weights()
    maps = keras.Model(step.model.input, [step.model.get_layer(tap).output for tap in find(name).taps])
    for values in maps(step.given, training=True):
        assert np.min(values) == 0 and np.max(values) > 0
    step.model.set_weights(before)


@every_builder
def test_what_can_not_be_built_is_an_input_error(name):
    for wrong in (0, -1, 99, "wide"):
        with pytest.raises(InputError, match="width"):
            create(name, (64, 64, 1), 4, width=wrong)
    with pytest.raises(InputError, match=rf"model {name}: has no option 'depth'; it has .*width"):
        create(name, (64, 64, 1), 4, depth=3)
    with pytest.raises(InputError, match=rf"model {name}: 1 classes: at least two"):
        create(name, (64, 64, 1), 1)


def test_what_keras_refuses_is_an_input_error_too():
    with pytest.raises(InputError, match=r"model vgg16: can't be built .* dense_units=0"):
        outline("vgg16", (64, 64, 1), 3, dense_units=0)


def test_a_misspelt_name_is_answered_with_the_names():
    with pytest.raises(InputError, match=r"no model 'mobilnet'.*did you mean mobilenet_v\d.*vgg16"):
        create("mobilnet", (64, 64, 1), 4)
    with pytest.raises(InputError, match=r"no student 'vgg16'"):
        find("vgg16", "student")
    assert find("vgg16", "teacher") is MODELS["vgg16"] and models.create is create
    assert set(names("student")) | set(names("teacher")) == set(MODELS)


WRONG = {"fusion": "add", "fusion_stride": 3, "gaze_dropout": 1.5, "dense_units": 0}
WRONG |= {"preprocess": "vgg", "depths": [3, 4, 6]}


@pytest.mark.parametrize(
    "name, option", [(name, option) for name in names("teacher") for option in WRONG if option in find(name).options]
)
def test_a_wrong_option_of_a_teacher_is_named(name, option):
    value = WRONG[option]
    with pytest.raises(InputError, match=rf"model {name}.*{option}.*{re.escape(str(value))}"):
        small(name, **{option: value})


@pytest.mark.parametrize("name", [name for name in names("teacher") if "fusion" in find(name).options])
def test_a_frame_too_small_for_a_teacher_is_refused(name):
    with pytest.raises(InputError, match=rf"model {name}: .*12×64 .* at least (16×16|32×32)"):
        create(name, (12, 64, 1), 4)


def test_an_option_that_is_a_dataclass_is_given_by_its_fields():
    options = find("vgg16").options
    assert {"fusion": "multiply", "fusion_stride": 8, "gaze_dropout": 0.3}.items() <= options.items()
    assert "gaze" not in options and find("sonoeyenet").options["gaze_dropout"] == 0.0
    model = small("vgg16", fusion_stride=4)
    assert model.get_layer("gaze_dropout").rate == 0.3 and model.get_layer("gaze_modulation").output.shape[1] == 16


def test_a_name_is_registered_once():
    with pytest.raises(InputError, match="model vgg16: there is one of this name already"):
        register("vgg16", "teacher", taps=())(lambda *given: None)
