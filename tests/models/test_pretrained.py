"""Weights from elsewhere: the network that they come from and ours give the same features."""

import socket

import keras
import numpy as np
import pytest
from keras.src.applications import densenet, resnet  # whose depths can be set

import models
from common.errors import InputError
from models.preprocess import ImageNetFrame
from models.registry import create, find

APPLICATIONS = ("vgg16", "resnet50", "densenet121")
MODULES = {"vgg16": keras.applications.vgg16, "resnet50": keras.applications.resnet}
MODULES |= {"densenet121": keras.applications.densenet}
LAYOUT = {"vgg16": {"batch_norm": False, "preprocess": "imagenet", "dense_units": 8}, "resnet50": {}, "densenet121": {}}
# Every stage, and a stage of more than one block; that the full networks have their blocks, the registry's sizes say.
SHALLOW = (1, 2, 1, 1)
SIZE = (32, 64)


def grey(count=2, size=SIZE):
    return np.random.default_rng(0).random((count, *size, 1)).astype(np.float32)


def as_trained(model, seed=0):
    """Statistics and biases away from their start, where a mistake with them would not show."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if len(variable.shape) == 1:
            low, high = (0.7, 1.3) if variable.path.endswith(("gamma", "moving_variance")) else (-0.1, 0.1)
            variable.assign(random.uniform(low, high, variable.shape))
    return model


def features(model, tap="stride32"):
    return keras.Model(model.input, model.get_layer(tap).output)


def published(name):
    """The library's network without its head; ResNet and DenseNet with `SHALLOW` stages."""
    options = {"weights": None, "include_top": False, "input_shape": (*SIZE, 3)}
    if name == "vgg16":
        return keras.applications.VGG16(**options)
    if name == "densenet121":
        return densenet.DenseNet(SHALLOW, **options)

    def stages(x):
        for number, blocks in enumerate(SHALLOW):
            stride = 1 if number == 0 else 2
            x = resnet.stack_residual_blocks_v1(x, 64 * 2**number, blocks, stride1=stride, name=f"conv{number + 2}")
        return x

    return resnet.ResNet(stages, preact=False, use_bias=True, **options)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_grey_frame_gives_what_the_library_gives_for_the_picture_in_colour(name, tmp_path):
    keras.utils.set_random_seed(0)
    library = as_trained(published(name))
    # VGG-16 by a file of weights, the others by one that says how they are built.
    file = tmp_path / ("imagenet.weights.h5" if name == "vgg16" else "imagenet.keras")
    library.save_weights(file) if name == "vgg16" else library.save(file)
    colour = np.repeat(255 * grey(), 3, axis=-1)
    wanted = library(MODULES[name].preprocess_input(colour.copy()), training=False).numpy()
    options = LAYOUT[name] if name == "vgg16" else {**LAYOUT[name], "depths": SHALLOW}
    ours = create(name, (*SIZE, 1), 4, fusion="none", **options)
    models.check_pretrained(name, file, options)
    line = models.load_pretrained(ours, name, file)
    new = ["dense6", "dense7", "logits"] if name == "vgg16" else ["logits"]
    assert line.endswith("new: " + ", ".join(new))
    given = features(ours)(grey(), training=False).numpy()
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(given, wanted, atol=1e-4 * abs(wanted).max())


@pytest.mark.parametrize("mode, module", [("caffe", keras.applications.resnet), ("torch", keras.applications.densenet)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_frame_is_converted_as_the_library_does(mode, module, channels):
    frames = np.random.default_rng(0).random((2, 5, 7, channels)).astype(np.float32)
    wanted = module.preprocess_input(255 * np.repeat(frames, 3 // channels, axis=-1))
    np.testing.assert_allclose(ImageNetFrame(mode)(frames), wanted, atol=1e-4)


@pytest.mark.parametrize("version, width, top", [(1, 0.25, True), (2, 0.35, False)])
def test_a_mobilenet_takes_grey_frames_in_0_1_with_the_scaling_folded_in(version, width, top, tmp_path):
    keras.utils.set_random_seed(0)
    name = f"mobilenet_v{version}"
    application = {1: keras.applications.MobileNet, 2: keras.applications.MobileNetV2}[version]
    library = as_trained(application(weights=None, alpha=width, include_top=top, input_shape=(224, 224, 3)))
    library.save_weights(tmp_path / "m.weights.h5")
    options = {"width": width} | ({"head_width": 1.0} if version == 2 else {})
    models.check_pretrained(name, tmp_path / "m.weights.h5", options)
    ours = create(name, (*SIZE, 1), 4, **options)
    assert models.load_pretrained(ours, name, tmp_path / "m.weights.h5").endswith("new: logits")
    first = library.get_layer({1: "conv1_relu", 2: "Conv1_relu"}[version])
    frames = np.zeros((2, 224, 224, 1), np.float32)
    frames[:, : SIZE[0], : SIZE[1]] = grey()
    wanted = keras.Model(library.input, first.output)(np.repeat(2 * frames - 1, 3, axis=-1), training=False).numpy()
    given = features(ours, "stem_relu")(grey(), training=False).numpy()
    inside = (slice(None), slice(0, SIZE[0] // 2 - 1), slice(0, SIZE[1] // 2 - 1))
    assert wanted[inside].std() > 1e-2
    np.testing.assert_allclose(given[inside], wanted[inside], atol=1e-5)
    for layer in ours.layers:  # and behind the stem, each has its own
        if layer.name == "block2_dw_conv":
            theirs = library.get_layer({1: "conv_dw_2", 2: "block_1_depthwise"}[version])
            np.testing.assert_array_equal(layer.get_weights()[0], theirs.get_weights()[0])


def test_a_run_of_ones_own_starts_a_model_with_other_classes(tmp_path):
    before = as_trained(create("sononet_16", (32, 48, 1), 3, width=0.5))
    before.save(tmp_path / "teacher.keras")
    after = create("sononet_16", (32, 48, 1), 5, width=0.5)
    line = models.load_pretrained(after, "sononet_16", tmp_path / "teacher.keras")
    assert line.endswith("new: classes_conv")
    given = [grey(size=(32, 48)), np.full((2, 4, 6), 1 / 24, np.float32)]
    taps = [features(model, "stride16")(given, training=False) for model in (before, after)]
    np.testing.assert_array_equal(*taps)
    with pytest.raises(InputError, match=r"teacher\.keras: conv1_1_conv has shape 3×3×1×8, model sononet_16 wants"):
        models.load_pretrained(create("sononet_16", (32, 48, 1), 5), "sononet_16", tmp_path / "teacher.keras")


def test_weights_of_standardised_frames_stay_with_them(tmp_path):
    """The layer has no weights of its own, by which a file of the other kind would be found."""
    own = [create("sononet_4", (32, 48, 1), 3, width=0.25, standardise=standardise) for standardise in (False, True)]
    for model, other in (own, own[::-1]):
        model.save(tmp_path / "student.keras")
        with pytest.raises(InputError, match=r"student\.keras: was trained on .*, and model sononet_4 takes .*frames"):
            models.load_pretrained(other, "sononet_4", tmp_path / "student.keras")


def test_without_the_network_it_is_an_error_and_not_a_random_start(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", refuse)
    model = create("mobilenet_v1", (*SIZE, 1), 4)
    before = model.get_weights()
    with pytest.raises(InputError, match=r"mobilenet_v1 can't be fetched \(URL fetch failure.*give a local \.h5"):
        models.load_pretrained(model, "mobilenet_v1", "imagenet")
    for now, then in zip(model.get_weights(), before):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    "name, source, options, message",
    [
        ("vgg16", "imagenet", {}, r"vgg16 with batch_norm True, preprocess 'none': .*'\{batch_norm: false, preprocess"),
        ("vgg16", "imagenet", {"width": 0.5}, r"no ImageNet weights for vgg16 at width 0\.5: choose 1"),
        ("resnet50", "imagenet", {"depths": [3, 4, 23, 3]}, r"depths \[3, 4, 23, 3\]: .*depths: \[3, 4, 6, 3\]"),
        ("densenet121", "imagenet", {"preprocess": "none"}, r"'\{preprocess: imagenet\}'"),
        ("mobilenet_v1", "imagenet", {"width": 0.2}, r"at width 0\.2: choose 0\.25, 0\.5, 0\.75, 1"),
        ("mobilenet_v2", "imagenet", {"width": 0.5}, r"head_width None: .*head_width: 1"),
        ("mobilenet_v2", "imagenet", {"width": 1.0, "depths": [1] * 7}, r"depths: \[1, 2, 3, 4, 3, 3, 1\]"),
        (
            "mobilenet_v1",
            "imagenet",
            {"width": 0.25, "standardise": True},
            r"standardise True: .*'\{standardise: false",
        ),
        ("sononet_16", "imagenet", {}, r"no ImageNet weights for sononet_16: choose densenet121, mobilenet_v1"),
        ("resnet50", "weights.pt", {}, r"weights\.pt: is neither imagenet nor"),
        ("resnet50", "none.h5", {}, r"none\.h5: there is no such file"),
    ],
)
def test_what_can_not_be_loaded_is_said_before_anything_is_built(name, source, options, message):
    with pytest.raises(InputError, match=message):
        models.check_pretrained(name, source, options)
    with pytest.raises(InputError, match=rf"^student_init {source}: "):  # the caller's word for it
        models.check_pretrained(name, source, options, parameter="student_init")


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("fusion", ["multiply", "concat", "early", "none"])
def test_every_fusion_may_start_from_imagenet(name, fusion):
    models.check_pretrained(name, "imagenet", {**LAYOUT[name], "fusion": fusion})
    assert set(LAYOUT[name]) <= set(find(name).options)


def test_weights_of_another_network_and_broken_files_are_refused(tmp_path):
    model = create("mobilenet_v1", (*SIZE, 1), 4)
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "broken.h5").write_bytes(b"no HDF5")
    for name, why in (("other.weights.h5", "holds no weights of MobileNet"), ("broken.h5", "can't be loaded")):
        with pytest.raises(InputError, match=f"{name}: {why}"):
            models.load_pretrained(model, "mobilenet_v1", tmp_path / name)
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"broken\.keras: can't be loaded"):
        models.load_pretrained(model, "mobilenet_v1", tmp_path / "broken.keras")
