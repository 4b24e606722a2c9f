"""A student that starts as its teacher's best channels: equal where it can be, near where it is narrower."""

import keras
import numpy as np
import pytest

import models
from common.errors import InputError
from models.channel_pruning import best_channels
from models.inherit import check_inheritable, inherit

SIZE = (48, 64)


def teacher(width=0.25, **options):
    """A SonoNet-16 whose statistics are those of a network that was trained.

    Its widths of 0.25, 0.5 and 1 are those of a student's `sononet_8` of 0.5, 1 and 2, but for 8 filters at least.
    """
    keras.utils.set_random_seed(1)
    made = models.create("sononet_16", (*SIZE, 1), 3, width=width, **{"fusion": "none", **options})
    rng = np.random.default_rng(1)
    for layer in made.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([
                rng.uniform(0.5, 1.5, gamma.shape), rng.normal(0, 0.2, beta.shape),
                rng.normal(0, 0.2, mean.shape), rng.uniform(0.5, 2, variance.shape),
            ])  # fmt: skip
    return made


def student(name="sononet_8", width=0.5, **options):
    keras.utils.set_random_seed(2)
    return models.create(name, (*SIZE, 1), 3, width=width, **options)


def batches(count=2, seed=0):
    rng = np.random.default_rng(seed)
    coarse = [rng.random((8, 6, 8, 1)).astype(np.float32) for _ in range(count)]
    return [
        {
            "frame": np.array(keras.ops.image.resize(frame, SIZE)),
            "gaze": np.full((8, SIZE[0] // 8, SIZE[1] // 8), 1 / (SIZE[0] * SIZE[1] / 64), np.float32),
        }
        for frame in coarse
    ]


def test_a_student_as_wide_as_its_teacher_becomes_it():
    of, to = teacher(standardise=False), student()
    assert of.count_params() == to.count_params()
    frame = batches()[0]["frame"]
    assert np.abs(of(frame) - to(frame)).max() > 0.1
    inherit(to, of, batches())
    np.testing.assert_allclose(to(frame, training=False), of(frame, training=False), atol=1e-5)


def test_standardisation_goes_into_the_first_convolution():
    """Frames of one mean and one deviation are standardised alike, so inside the border nothing differs."""
    of, to = teacher(), student()
    frame = batches(1)[0]["frame"]
    frame = (frame - frame.mean((1, 2, 3), keepdims=True)) / frame.std((1, 2, 3), keepdims=True) * 0.1 + 0.4
    inherit(to, of, [{"frame": frame}])

    def first(model):
        return np.array(keras.Model(model.inputs[0], model.get_layer("conv1_1_bn").output)(frame, training=False))

    np.testing.assert_allclose(first(to)[:, 1:-1, 1:-1], first(of)[:, 1:-1, 1:-1], rtol=1e-3, atol=1e-3)


def test_a_student_that_standardises_too_becomes_its_teacher():
    of, to = teacher(), student(standardise=True)
    frame = batches()[0]["frame"]
    inherit(to, of, batches())
    wanted = np.array(of(frame, training=False))
    np.testing.assert_allclose(to(frame, training=False), wanted, atol=1e-3 * abs(wanted).max())


def test_a_student_that_standardises_does_not_start_as_a_teacher_that_does_not():
    with pytest.raises(InputError, match="student sononet_8 standardises its frames, and teacher sononet_16 takes"):
        check_inheritable(student(standardise=True), teacher(standardise=False))


@pytest.fixture(scope="module")
def narrower():
    """A teacher and the student with half of its channels that inherited from it; both stay as they are."""
    of, to = teacher(1.0, standardise=False), student(width=1.0)
    inherit(to, of, batches(3))
    return of, to


def test_a_narrower_student_is_near_its_teacher_and_a_random_one_is_not(narrower):
    of, to = narrower
    random = student(width=1.0)
    frame = batches(4, seed=5)[3]["frame"]
    logits = [np.array(model(frame, training=False)) for model in (of, to, random)]
    moved = [each - each.mean(axis=0) for each in logits]  # how the answer changes with the frame
    near, far = (np.corrcoef(moved[0].ravel(), other.ravel())[0, 1] for other in moved[1:])
    assert near > 0.5 > far


def test_the_first_layer_holds_the_channels_with_the_largest_weights(narrower):
    of, to = narrower
    kernel = of.get_layer("conv1_1_conv").get_weights()[0]
    best = np.sort(np.argsort(-np.abs(kernel).sum(axis=(0, 1, 2)))[:8])
    np.testing.assert_array_equal(best_channels(of, of.get_layer("conv1_1_conv"), 8), best)
    np.testing.assert_array_equal(to.get_layer("conv1_1_conv").get_weights()[0], kernel[..., best])


def test_a_teacher_with_gaze_gives_its_channels_too():
    of, to = teacher(0.5, fusion="multiply"), student()
    assert of.count_params() > to.count_params()
    inherit(to, of, batches(1))
    assert [tensor.name for tensor in to.inputs] == ["frame"]
    assert np.isfinite(to(batches(1)[0]["frame"], training=False)).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("squeezenet_1_1", r"student squeezenet_1_1 has a layer \w+, and teacher sononet_16 has none of that name"),
        ("sononet_8", r"layer conv1_1_conv of 8 channels \(Conv2D 3×3\), and teacher sononet_16 one of 4 channels"),
    ],
)
def test_a_pair_that_does_not_fit_is_refused(name, message):
    keras.utils.set_random_seed(0)
    narrow = models.create("sononet_16", (*SIZE, 1), 3, width=0.25, fusion="none")
    # At least 8 channels stay of any width: a teacher of 4 is made by hand.
    narrow = _cut(narrow) if name == "sononet_8" else narrow
    with pytest.raises(InputError, match=message):
        check_inheritable(models.create(name, (*SIZE, 1), 3), narrow)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        ("early", r"layer conv1_1_conv that sees the frame alone, and in teacher sononet_16 it sees the gaze too"),
        ("concat", r"layer conv3_3_conv whose channels .* are read by a layer that needs all of them"),
    ],
)
def test_a_teacher_whose_gaze_is_mixed_into_its_channels_is_refused(fusion, message):
    with pytest.raises(InputError, match=message):
        check_inheritable(student(), teacher(0.5, fusion=fusion))


def _cut(model):
    from models.channel_pruning import remove_channels

    return remove_channels(model, {"conv1_1_conv": np.arange(4)})
