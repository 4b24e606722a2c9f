import functools

import keras
import numpy as np
import pytest

import models
from common.errors import InputError
from models.channel_pruning import choose_channels, prunable_layers, remove_channels
from models.reconstruction import reconstruct

FRAME = (32, 32, 1)
GAZE = (4, 4)
SMALL = {"width": 0.125, "dense_units": 24}


def build(name="vgg16", seed=0, **options):
    """A model whose weights look trained: no batch normalisation at its start."""
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    model = models.create(name, FRAME, 3, **options)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            size = layer.gamma.shape
            ends = ((0.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 1.5))
            layer.set_weights([random.uniform(*end, size).astype(np.float32) for end in ends])
    return model


def features(count=8, seed=1):
    random = np.random.default_rng(seed)
    gaze = random.random((count, *GAZE)).astype(np.float32)
    return {
        "frame": random.random((count, *FRAME), dtype=np.float32),
        "gaze": gaze / gaze.sum(axis=(1, 2), keepdims=True),
    }


def answer(model, given=None):
    given = given or features()
    inputs = keras.tree.map_structure(lambda tensor: given[tensor.name], model.input)
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def kill(model, name, dead):
    """Switch channels off: scale and offset of the batch normalisation behind them are 0.

    In a MobileNet the depthwise convolution has one too, whose offset would light them up again.
    """
    names = [layer.name for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    first = f"{name.removesuffix('_conv')}_bn"
    behind = names[names.index(first) + 1 :][:1]
    for norm in map(model.get_layer, [first, *(n for n in behind if n.endswith("_dw_bn"))]):
        gamma, beta, *rest = norm.get_weights()
        gamma[dead], beta[dead] = 0, 0
        norm.set_weights([gamma, beta, *rest])


FAMILIES = [
    ("vgg16", {**SMALL, "fusion": "multiply"}),
    ("vgg16", {**SMALL, "fusion": "concat"}),
    ("sononet_16", {"width": 0.5, "fusion": "none"}),
    ("resnet50", {"width": 0.125, "depths": (1, 2, 1, 1), "fusion": "none"}),
    ("squeezenet_1_1", {"width": 0.25}),
    ("mobilenet_v1", {"width": 0.25}),
]


@pytest.mark.parametrize(("name", "options"), FAMILIES)
def test_channels_that_are_switched_off_leave_without_a_trace(name, options):
    model = build(name, **options)
    random = np.random.default_rng(2)
    kept, before = {}, answer(model)
    for layer in prunable_layers(model):
        count = layer.kernel.shape[-1]
        dead = random.choice(count, count // 3, replace=False)
        kill(model, layer.name, dead)
        kept[layer.name] = np.setdiff1d(np.arange(count), dead)
    wanted = answer(model)
    smaller = remove_channels(model, kept)
    # The same sums without their zeros, in another order.
    np.testing.assert_allclose(answer(smaller), wanted, atol=1e-5 * max(1, abs(wanted).max()))
    assert abs(wanted - before).max() > 1e-2, "nothing was switched off: nothing is tested"
    assert smaller.count_params() < 0.8 * model.count_params()
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    # Both criteria find what is off, the scale at once.
    found = choose_channels(model, 0.5, "scale")
    assert all(set(found[layer]) <= set(kept[layer]) for layer in kept)


def vgg_parameters(widths, dense, inputs=1, classes=3, cells=1):
    """By hand: 3×3 kernels and four numbers a channel of batch normalisation."""
    total = 0
    for width in widths:
        total += 9 * inputs * width + 4 * width
        inputs = width
    inputs *= cells
    for units in dense:
        total += inputs * units + 4 * units
        inputs = units
    return total + inputs * classes + classes


@pytest.fixture(scope="module")
def vgg():
    """A VGG-16 without gaze, which no test changes."""
    return build(**SMALL, fusion="none")


@pytest.mark.parametrize("keep", [1.0, 0.25, 1e-9])
def test_parameters_are_those_of_the_formula(vgg, keep):
    model = vgg
    smaller = remove_channels(model, choose_channels(model, keep))
    widths = [layer.kernel.shape[-1] for layer in model.layers if type(layer).__name__ == "Conv2D"]
    of_keep = [max(1, round(keep * width)) for width in widths]
    assert model.count_params() == vgg_parameters(widths, [24, 24])
    assert smaller.count_params() == vgg_parameters(of_keep, [max(1, round(24 * keep))] * 2)


def test_keeping_all_changes_nothing(tmp_path):
    model = build(**SMALL)
    same = remove_channels(model, choose_channels(model, 1.0))
    np.testing.assert_array_equal(answer(same), answer(model))
    smaller = remove_channels(model, choose_channels(model, 0.5))
    smaller.save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(answer(read), answer(smaller))


def test_the_smallest_kernels_leave_by_l1():
    model = build(**SMALL, fusion="none")
    layer = model.get_layer("conv3_2_conv")
    kernel = layer.get_weights()[0]
    kernel *= np.linspace(1, 2, kernel.shape[-1])[::-1] / np.abs(kernel).sum(axis=(0, 1, 2))
    layer.set_weights([kernel])
    np.testing.assert_array_equal(choose_channels(model, 0.25)["conv3_2_conv"], np.arange(kernel.shape[-1] // 4))


def test_what_is_added_to_a_shortcut_or_given_out_keeps_its_channels():
    x = frame = keras.Input(FRAME, name="frame")
    x = short = keras.layers.Conv2D(8, 3, padding="same", name="short")(x)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="inside")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", name="back")(x)
    x = keras.layers.Add(name="add")([x, short])
    model = keras.Model(frame, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(x)))
    assert [layer.name for layer in prunable_layers(model)] == ["inside"]
    with pytest.raises(InputError, match="layer 'back' can't lose channels; these can: inside"):
        remove_channels(model, {"back": np.arange(4)})


def test_reconstruction_makes_up_for_a_channel_that_was_a_copy():
    model = build(**SMALL, fusion="none")
    count = model.get_layer("conv2_1_conv").kernel.shape[-1]
    # Channel 1 becomes a copy of channel 0: what read both can read 0 alone, at both weights.
    for name in ("conv2_1_conv", "conv2_1_bn"):
        weights = model.get_layer(name).get_weights()
        for values in weights:
            values[..., 1] = values[..., 0]
        model.get_layer(name).set_weights(weights)
    kept = {"conv2_1_conv": np.delete(np.arange(count), 1)}
    wanted, smaller = answer(model), remove_channels(model, kept)
    without = abs(answer(smaller) - wanted).max()
    reconstruct(smaller, model, kept, [features(32, seed=5)], positions=60)
    assert abs(answer(smaller) - wanted).max() < 0.02 * without
    reader = smaller.get_layer("conv2_2_conv").get_weights()[0][:, :, 0]
    both = model.get_layer("conv2_2_conv").get_weights()[0][:, :, :2].sum(axis=2)
    np.testing.assert_allclose(reader, both, atol=0.02)


def test_reconstruction_brings_a_pruned_model_nearer_to_what_it_was():
    model = build(**SMALL, fusion="multiply")
    kept = choose_channels(model, 0.75)
    smaller, unseen = remove_channels(model, kept), features(16, seed=9)
    before = abs(answer(smaller, unseen) - answer(model, unseen)).mean()
    untouched = smaller.get_layer("conv1_1_conv").get_weights()[0].copy()
    reconstruct(smaller, model, kept, [features(32, seed=5)])
    assert abs(answer(smaller, unseen) - answer(model, unseen)).mean() < 0.7 * before
    np.testing.assert_array_equal(smaller.get_layer("conv1_1_conv").get_weights()[0], untouched)


@functools.cache
def without_norm():
    return build(**SMALL, fusion="none", batch_norm=False)


@pytest.mark.parametrize(
    ("keep", "criterion", "message"),
    [
        (0.0, "l1", "keep must be above 0 and at most 1, not 0.0"),
        (1.5, "l1", "keep must .*, not 1.5"),
        (0.5, "l2", "criterion must be one of l1, scale, not 'l2'"),
        (0.5, "scale", "criterion 'scale': layer conv1_1_conv .* has no batch normalisation behind it: choose 'l1'"),
    ],
)
def test_what_cannot_be_is_named(keep, criterion, message):
    model = without_norm()
    with pytest.raises(InputError, match=message):
        choose_channels(model, keep, criterion)


def test_a_model_with_nothing_to_prune_is_refused():
    frame = keras.Input(FRAME, name="frame")
    model = keras.Model(frame, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(frame)), name="linear")
    with pytest.raises(InputError, match="model linear: no layer can lose channels"):
        choose_channels(model, 0.5)
