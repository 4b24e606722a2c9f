"""MACs, parameters and NetScore against published figures and against a count by hand."""

import math

import keras
import pytest

from evaluation.complexity import bytes_on_disk, count_macs, count_params, netscore


@pytest.mark.parametrize(
    ("build", "params", "macs"),
    [
        (keras.applications.MobileNet, 4_253_864, 568.7e6),
        (keras.applications.MobileNetV2, 3_538_984, 300.8e6),
    ],
)
def test_published_networks(build, params, macs):
    model = build(weights=None)
    assert count_params(model) == params
    assert count_macs(model) == pytest.approx(macs, rel=2e-4)


def test_vgg16_of_plain_layers():
    x = inputs = keras.Input((224, 224, 3))
    zeros = {"kernel_initializer": "zeros"}  # 138 M random numbers take their time
    for depth, filters in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(depth):
            x = keras.layers.Conv2D(filters, 3, padding="same", **zeros)(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    for units in (4096, 4096, 1000):
        x = keras.layers.Dense(units, **zeros)(x)
    model = keras.Model(inputs, x)
    assert count_params(model) == 138_357_544
    assert count_macs(model) == pytest.approx(15.47e9, rel=1e-3)


def test_squeezenet_of_plain_layers():
    def fire(x, squeeze, expand):
        x = keras.layers.Conv2D(squeeze, 1)(x)
        return keras.layers.Concatenate()(
            [keras.layers.Conv2D(expand, 1)(x), keras.layers.Conv2D(expand, 3, padding="same")(x)]
        )

    inputs = keras.Input((224, 224, 3))
    x = keras.layers.Conv2D(64, 3, 2)(inputs)
    for group in (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256))):
        x = keras.layers.MaxPooling2D(3, 2)(x)
        for squeeze, expand in group:
            x = fire(x, squeeze, expand)
    model = keras.Model(inputs, keras.layers.Conv2D(1000, 1)(x))
    assert count_params(model) == 1_235_496
    assert count_macs(model) == pytest.approx(349e6, rel=2e-3)


def loop_convolution(height, width, kernel, strides, channels, filters):
    """Counts every product of a 'same' convolution's output, as a loop would do them."""
    return sum(
        kernel * kernel * channels * filters for _ in range(0, height, strides) for _ in range(0, width, strides)
    )


def test_each_layer_by_hand():
    inputs = keras.Input((10, 13, 4))
    dense, depthwise = 10 * 13 * 4, keras.layers.DepthwiseConv2D(3, 2, padding="same", depth_multiplier=2)
    layers = {
        keras.layers.Conv2D(6, 3, 2, padding="same"): loop_convolution(10, 13, 3, 2, 4, 6),
        keras.layers.Conv2D(6, 3, padding="same", groups=2): loop_convolution(10, 13, 3, 1, 2, 6),
        depthwise: 5 * 7 * 3 * 3 * 4 * 2,
        keras.layers.SeparableConv2D(6, 3, 2, padding="same"): 5 * 7 * (9 * 4 + 4 * 6),
        keras.layers.Dense(5): 10 * 13 * 4 * 5,
        keras.layers.BatchNormalization(): 0,
        keras.layers.MaxPooling2D(): 0,
    }
    for layer, expected in layers.items():
        assert count_macs(keras.Model(inputs, layer(inputs))) == expected, layer.name
    flat = keras.layers.Dense(5)(keras.layers.Flatten()(inputs))
    assert count_macs(keras.Model(inputs, flat)) == dense * 5


def test_a_nested_model_counts():
    inner = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Conv2D(3, 3, padding="same")])
    inputs = keras.Input((8, 8, 2))
    assert count_macs(keras.Model(inputs, inner(inputs))) == count_macs(inner) == 8 * 8 * 9 * 2 * 3


def test_what_is_not_known_is_not_guessed():
    inputs = keras.Input((8, 8, 2))
    with pytest.raises(ValueError, match="Conv2DTranspose"):
        count_macs(keras.Model(inputs, keras.layers.Conv2DTranspose(3, 3)(inputs)))
    free = keras.Input((None, 8, 2))
    with pytest.raises(ValueError, match="not fixed"):
        count_macs(keras.Model(free, keras.layers.Conv2D(3, 3)(free)))


@pytest.mark.parametrize(
    ("accuracy", "params_m", "macs_g", "score"),
    [
        (70.9, 4.253864, 0.5687, 70.19),
        (71.9, 3.538984, 0.3008, 74.00),
        (58.2, 1.235496, 0.349, 74.25),
        (71.5, 138.357544, 15.47, 40.87),
    ],
)
def test_netscore_of_published_networks(accuracy, params_m, macs_g, score):
    assert netscore(accuracy, params_m, macs_g) == pytest.approx(score, abs=0.01)


def test_netscore_identities():
    assert netscore(1, 1, 1) == 0
    # A hundredth of the parameters is worth 20 points; ten times the accuracy, 40.
    assert netscore(50, 0.01, 1) - netscore(50, 1, 1) == pytest.approx(20)
    assert netscore(50, 1, 1) - netscore(5, 1, 1) == pytest.approx(40)
    assert netscore(0, 1, 1) == -math.inf
    with pytest.raises(ValueError, match="not defined"):
        netscore(50, 0, 1)


def test_bytes_on_disk(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "a").write_bytes(b"x" * 10)
    (tmp_path / "folder" / "inner" / "b").write_bytes(b"x" * 7)
    assert bytes_on_disk(tmp_path / "folder") == 17
    assert bytes_on_disk(tmp_path / "folder" / "a") == 10
