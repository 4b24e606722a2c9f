"""Whatever is registered is tested here, from the moment it is registered."""

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from common.errors import InputError
from data.saliency import map_size
from evaluation.artefacts import Metadata
from models.registry import MODELS, create, find, names, outline

# Parameters with default options, 1 channel, 112×144, 4 classes. A new model needs its line.
PARAMETERS = {"mobilenet_v1": 219_428, "squeezenet_1_1": 149_584, "vgg16": 56_718_660}
PARAMETERS |= {"mobilenet_v2": 131_588, "squeezenet_1_0": 147_072}
PARAMETERS |= {"resnet50": 23_596_420, "densenet121": 7_041_732}
PARAMETERS |= {"sononet_4": 59_192, "sononet_8": 234_316}
PARAMETERS |= {"sononet_16": 932_436, "sononet_32": 3_719_844, "sononet_64": 14_859_588}
PARAMETERS |= {"sonoeyenet": 932_436, "multitask_sonoeyenet": 947_796}
# Options that make a model small enough to run in a test.
SMALL = {"mobilenet_v1": {"width": 0.1}, "squeezenet_1_1": {"width": 0.15}}
SMALL |= {"vgg16": {"width": 0.1, "dense_units": 16}}
SMALL |= {"mobilenet_v2": {"width": 0.1}, "squeezenet_1_0": {"width": 0.15}}
SMALL |= {name: {"width": 0.1, "depths": (1, 2, 1, 1)} for name in ("resnet50", "densenet121")}
SMALL |= {"sononet_4": {"width": 1.0}, "sononet_8": {"width": 0.5}}
SMALL |= {"sononet_16": {"width": 0.5}, "sononet_32": {"width": 0.25}, "sononet_64": {"width": 0.125}}
SMALL |= {name: {"width": 0.5} for name in ("sonoeyenet", "multitask_sonoeyenet")}
# Options that bring a student below 150,000 parameters.
BELOW_150K = {"mobilenet_v1": {"width": 0.2}, "squeezenet_1_1": {"width": 0.45}}
BELOW_150K |= {"mobilenet_v2": {"width": 0.2}, "squeezenet_1_0": {"width": 0.44}}
BELOW_150K |= {"sononet_4": {"width": 1.5}, "sononet_8": {"width": 0.75}}
# What may learn behind a tap on its grid: the classifying convolution, the fusion, and DenseNet's
# transitions, whose 1×1 convolution stands between their activation and their pooling.
BEHIND_TAPS = {"classes_conv", "gaze_modulation", "pool2_conv", "pool3_conv", "pool4_conv"}

every_model = pytest.mark.parametrize("name", MODELS)
every_student = pytest.mark.parametrize("name", names("student"))


def entry_of(table, name):
    if name not in table:
        pytest.fail(f"model {name} is registered and has no entry in this test's table: add one")
    return table[name]


def count(name, frame_shape, classes, **options):
    """Number of parameters, from shapes alone: nothing is allocated."""
    return outline(name, frame_shape, classes, **options).count_params()


def small(name, frame_shape=(64, 96, 1), classes=3, **options):
    keras.utils.set_random_seed(3)
    return create(name, frame_shape, classes, **{**entry_of(SMALL, name), **options})


@functools.cache
def shapes(name, frame_shape=(64, 96, 1)):
    """The small model without values, for what its shapes alone tell."""
    return outline(name, frame_shape, 3, **entry_of(SMALL, name))


def inputs_of(model, frames=4, seed=0):
    random = np.random.default_rng(seed)
    values = [random.random((frames, *model.inputs[0].shape[1:])).astype(np.float32)]
    for tensor in model.inputs[1:]:
        gaze = random.random((frames, *tensor.shape[1:])).astype(np.float32) ** 8
        values.append(gaze / gaze.sum(axis=(1, 2), keepdims=True))
    return values if len(values) > 1 else values[0]


@every_model
def test_gives_finite_logits_for_each_class(name):
    model = small(name, classes=5)
    logits = model(inputs_of(model), training=False).numpy()
    assert logits.shape == (4, 5) and logits.dtype == np.float32 and np.isfinite(logits).all()
    assert (logits.sum(axis=1) != 1).all()  # logits, not probabilities


@every_model
def test_has_exactly_its_parameters(name):
    assert count(name, (112, 144, 1), 4) == entry_of(PARAMETERS, name)


@pytest.mark.parametrize(
    "name, shape, classes, options, published",
    [
        ("squeezenet_1_1", (224, 224, 3), 1000, {"width": 1.0, "batch_norm": False}, 1_235_496),
        ("squeezenet_1_0", (224, 224, 3), 1000, {"width": 1.0, "batch_norm": False}, 1_248_424),
        ("mobilenet_v1", (224, 224, 3), 1000, {"width": 1.0}, 4_253_864),
        ("mobilenet_v2", (224, 224, 3), 1000, {"width": 1.0}, 3_538_984),
        ("mobilenet_v1", (112, 144, 1), 4, {"width": 0.25}, 219_428),
        ("vgg16", (224, 224, 3), 1000, {"fusion": "none", "batch_norm": False}, 138_357_544),
        ("resnet50", (224, 224, 3), 1000, {"fusion": "none"}, 25_636_712),
        ("densenet121", (224, 224, 3), 1000, {"fusion": "none"}, 8_062_504),
        ("densenet121", (224, 224, 3), 1000, {"fusion": "none", "depths": (6, 12, 32, 32)}, 14_307_880),
    ],
)
def test_published_sizes(name, shape, classes, options, published):
    assert count(name, shape, classes, **options) == published


@every_student
def test_a_width_below_150_000_parameters_exists(name):
    options = entry_of(BELOW_150K, name)
    assert count(name, (112, 144, 1), 4, **options) < 150_000
    assert count(name, (112, 144, 1), 4, width=2 * options["width"]) > 150_000


@every_model
def test_every_trainable_variable_learns(name):
    options = {"gaze_dropout": 0.0} if "gaze_dropout" in find(name).options else {}
    model = small(name, (32, 64, 1), dropout=0.0, **options)
    labels = tf.constant([0, 1, 2, 0, 1, 2, 1, 0])
    with tf.GradientTape() as tape:
        logits = model(inputs_of(model, 8), training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    for variable, slope in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables)):
        assert slope is not None and np.isfinite(slope).all(), variable.path
        # Batch normalisation takes a constant away again: the bias before it, there for the
        # published layout's sake, has no slope but rounding.
        if not _feeds_batch_norm(model, variable):
            assert np.abs(slope).max() > 0, variable.path


def _feeds_batch_norm(model, variable):
    layer, kind = variable.path.split("/")[-2:]
    return kind == "bias" and layer.replace("_conv", "_bn") in {other.name for other in model.layers}


@every_model
def test_taps_exist_and_lie_at_exactly_their_strides(name):
    model = shapes(name, (64, 96, 1))
    there = {layer.name for layer in model.layers if layer.name.startswith("stride")}
    assert there == set(find(name).taps)
    for tap in there:
        stride = int(tap.removeprefix("stride"))
        assert model.get_layer(tap).output.shape[1:3] == (64 // stride, 96 // stride)


@every_student
@pytest.mark.parametrize("size", [(112, 144), (33, 47), (57, 129)])
def test_a_students_taps_are_ceil_divisions_as_the_gaze_map_is(name, size):
    model = shapes(name, (*size, 1))
    for tap in find(name).taps:
        stride = int(tap.removeprefix("stride"))
        assert model.get_layer(tap).output.shape[1:3] == map_size(size, stride), tap


@every_model
def test_taps_are_the_last_activations_at_their_strides(name):
    """No later layer that learns still works on a tap's grid, but for those that may."""
    model = shapes(name, (128, 192, 1))
    order = [layer.name for layer in model.layers]
    for tap in find(name).taps:
        grid = model.get_layer(tap).output.shape[1:3]
        later = model.layers[order.index(tap) + 1 :]
        learning = [
            layer.name
            for layer in later
            if layer.weights and len(layer.output.shape) == 4 and layer.output.shape[1:3] == grid
        ]
        assert set(learning) <= BEHIND_TAPS, tap


@every_model
def test_keras_file_round_trip(name, tmp_path):
    model = small(name)
    given = inputs_of(model)
    model(given, training=True)  # moving statistics away from their start
    model.save(tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(back(given, training=False), model(given, training=False))
    assert [layer.name for layer in back.layers] == [layer.name for layer in model.layers]


@every_model
def test_is_flat_functional_and_without_preprocessing(name):
    model = shapes(name)
    assert isinstance(model, keras.Model) and model.name == name
    assert not any(isinstance(layer, keras.Model | keras.layers.Rescaling) for layer in model.layers)


@every_student
def test_a_student_takes_the_frame_alone(name):
    assert [tensor.name for tensor in shapes(name).inputs] == ["frame"]


@every_student
def test_a_student_becomes_a_full_int8_file(name, tmp_path):
    """TF-MOT quantizes all of it, and between the bytes at both ends the file computes in integers."""
    from ai_edge_litert.interpreter import Interpreter

    from quantization.qat import quantize
    from quantization.tflite import export_int8

    student, options = small(name, (32, 48, 1)), entry_of(SMALL, name)
    frames = inputs_of(student)
    made = quantize(student, name, options, [frames])
    export_int8(made, tmp_path / "s.tflite", Metadata(name, ("a", "b", "c"), (32, 48), "probabilities", "int8"))
    interpreter = Interpreter(str(tmp_path / "s.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    assert {detail["dtype"] for detail in interpreter.get_tensor_details()} == {np.uint8, np.int8, np.int32}
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], (255 * frames[:1]).astype(np.uint8))
    interpreter.invoke()
    given = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]) / 256
    wanted = tf.nn.softmax(made.model(frames[:1], training=False)).numpy()
    np.testing.assert_allclose(given, wanted, atol=0.1)


@every_student
def test_wider_is_larger(name):
    sizes = [count(name, (112, 144, 1), 4, width=width) for width in (0.2, 0.5, 1.0, 1.5)]
    assert sizes == sorted(sizes) and len(set(sizes)) == 4


@every_model
def test_evaluation_draws_no_lots_and_training_does(name):
    model = small(name, (32, 64, 1), dropout=0.5)
    given = inputs_of(model)
    np.testing.assert_array_equal(model(given, training=False), model(given, training=False))
    assert (model(given, training=True).numpy() != model(given, training=True).numpy()).any()


@every_model
def test_what_can_not_be_built_is_an_input_error(name):
    for wrong in (0, -1, 99, "wide"):
        with pytest.raises(InputError, match="width"):
            create(name, (64, 64, 1), 4, width=wrong)
    with pytest.raises(InputError, match=name):
        small(name, dropout=2.0)
    with pytest.raises(InputError, match=rf"model {name}: has no option 'depth'; it has .*width"):
        create(name, (64, 64, 1), 4, depth=3)
    with pytest.raises(InputError, match=rf"model {name}: 1 classes: at least two"):
        create(name, (64, 64, 1), 1)


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
