"""What the student families promise beyond the registry's tests: sizes, published rounding, taps."""

import keras
import numpy as np
import pytest

from common.errors import InputError
from models.registry import create, find, names, outline
from tests.models.zoo import count, inputs_of, small

# Published widths, at which the rounding to multiples of 8 does something.
WIDTHS_V2 = (0.35, 0.75, 1.4)


@pytest.mark.parametrize("width", WIDTHS_V2)
def test_mobilenet_v2_has_the_parameters_of_keras_applications(width):
    with keras.StatelessScope(initialize_variables=False):
        other = keras.applications.MobileNetV2((96, 96, 3), alpha=width, weights=None, classes=10).count_params()
    keras.utils.clear_session()
    # Narrow published models keep the last convolution's 1280 channels.
    assert count("mobilenet_v2", (96, 96, 3), 10, width=width, head_width=max(1.0, width)) == other


@pytest.mark.parametrize("version", [1, 2])
def test_mobilenets_give_the_logits_of_keras_applications(version):
    """The same weights in the same order give the same function."""
    keras.utils.set_random_seed(0)
    application = {1: keras.applications.MobileNet, 2: keras.applications.MobileNetV2}[version]
    other = application((64, 96, 3), alpha=0.5, weights=None, classes=5, classifier_activation=None)
    options = {"head_width": 1.0} if version == 2 else {}
    ours = create(f"mobilenet_v{version}", (64, 96, 3), 5, width=0.5, **options)
    random = np.random.default_rng(0)
    theirs = [v for v in other.get_weights() if v.size]
    shapes = [v.shape for v in ours.weights if "seed_generator" not in v.path]
    values = [random.uniform(0.5, 1.5, v.shape) if v.ndim == 1 else random.normal(v, 0.01) for v in theirs]
    other.set_weights([v.astype(np.float32) for v in values])
    # v1's classifier is a 1×1 convolution there and a dense layer here.
    pairs = zip([v for v in ours.weights if "seed_generator" not in v.path], values, shapes, strict=True)
    for variable, value, shape in pairs:
        variable.assign(np.reshape(value, shape))
    frames = random.random((2, 64, 96, 3)).astype(np.float32)
    wanted = np.reshape(other(frames, training=False), (2, 5))
    np.testing.assert_allclose(ours(frames, training=False), wanted, atol=1e-4 * abs(wanted).max())
    assert wanted.std() > 1e-3


def test_the_residuals_of_mobilenet_v2_are_the_published_ten():
    model = outline("mobilenet_v2", (64, 96, 1), 3, width=1.0)
    added = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert len(added) == 10
    assert {layer.output.shape[-1] for layer in added} == {24, 32, 64, 96, 160}
    expanded = [layer.output.shape[-1] for layer in model.layers if layer.name.endswith("_expand_conv")]
    assert expanded == [96, 144, 144, 192, 192, 192, *[384] * 4, *[576] * 3, *[960] * 3]


def test_mobilenet_v2_may_have_fewer_blocks_and_keeps_its_stages():
    model = outline("mobilenet_v2", (64, 96, 1), 3, width=1.0, depths=(1, 2, 1, 1, 2, 1, 1))
    added = [layer.output.shape[-1] for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert added == [24, 96]
    strides = {name: 64 // model.get_layer(name).output.shape[1] for name in find("mobilenet_v2").taps}
    assert strides == {f"stride{stride}": stride for stride in (4, 8, 16, 32)}
    for wrong in ([1, 2, 3, 4], [1, 2, 0, 1, 1, 1, 1], 7):
        with pytest.raises(InputError, match=r"model mobilenet_v2: depths .* must be 7 whole numbers of at least 1"):
            outline("mobilenet_v2", (64, 96, 1), 3, depths=wrong)


@pytest.mark.parametrize("name, stem", [("squeezenet_1_0", (7, 7, 1, 96)), ("squeezenet_1_1", (3, 3, 1, 64))])
def test_squeezenet_stems_and_pooling_places(name, stem):
    model = outline(name, (64, 96, 1), 3, width=1.0)
    assert model.get_layer("stem_conv").kernel.shape == stem
    names = [layer.name for layer in model.layers]
    fires = {pool: names[names.index(pool) + 1].split("_")[0] for pool in ("pool4", "pool8", "pool16")}
    later = {"squeezenet_1_0": ("fire2", "fire5", "fire9"), "squeezenet_1_1": ("fire2", "fire4", "fire6")}
    assert tuple(fires.values()) == later[name]


@pytest.mark.parametrize("name", [name for name in names("student") if "standardise" in find(name).options])
def test_a_student_that_standardises_gives_the_same_answer_for_any_gain_and_offset(name):
    model, plain = small(name, standardise=True), small(name)
    assert model.count_params() == plain.count_params()
    frames = inputs_of(model, 3)
    wanted = np.array(model(frames, training=False))
    np.testing.assert_allclose(model(0.3 * frames + 0.4, training=False), wanted, atol=1e-3 * abs(wanted).max())
    moved = np.array(plain(0.3 * frames + 0.4, training=False)) - np.array(plain(frames, training=False))
    assert abs(moved).max() > 1e-2 * abs(wanted).max()
    assert np.isfinite(np.array(model(np.full_like(frames, 0.5), training=False))).all()


def test_standardised_frames_have_mean_0_and_deviation_1():
    model = small("sononet_4", standardise=True)
    frames = inputs_of(model, 3)
    given = np.array(keras.Model(model.input, model.get_layer("standardise").output)(0.1 * frames + 0.2))
    wanted = (frames - frames.mean((1, 2, 3), keepdims=True)) / frames.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(given, wanted, atol=3e-3)
