"""SonoEyeNet, which is given the gaze, and Multi-task SonoEyeNet, which predicts it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from common.errors import InputError
from data.saliency import map_size
from evaluation.agreement import gaze_agreement
from evaluation.artefacts import load_artefact
from evaluation.attention import attention_maps
from losses import gaze_saliency_loss
from models.registry import create, outline
from models.sonoeyenet import SpatialSoftmax
from tests.evaluation.small import make_dataset, save_keras
from tests.models.zoo import inputs_of, small
from tests.quantization import blobs


def state(layer):
    return [v for v in layer.weights if "seed_generator" not in v.path]


def parts(model, *names):
    outputs = [model.get_layer(name).output for name in names]
    return keras.Model(model.input, outputs if len(names) > 1 else outputs[0])


@pytest.mark.parametrize("fusion", ["multiply", "concat", "early"])
def test_sonoeyenet_is_sononet_with_gaze_that_is_never_dropped(fusion):
    ours = small("sonoeyenet", fusion=fusion)
    other = small("sononet_16", fusion=fusion)
    for layer in other.layers:
        for variable, value in zip(state(ours.get_layer(layer.name)), state(layer), strict=True):
            variable.assign(value)
    given = inputs_of(ours)
    np.testing.assert_array_equal(ours(given, training=False), other(given, training=False))
    assert ours.get_layer("gaze_dropout").rate == 0
    assert [tensor.name for tensor in ours.inputs] == ["frame", "gaze"]


@pytest.mark.parametrize("name", ["sonoeyenet", "multitask_sonoeyenet"])
def test_filters_are_those_of_the_published_sononets(name):
    with pytest.raises(InputError, match=rf"model {name}: filters 20 is none of 16, 32, 64"):
        create(name, (64, 96, 1), 3, filters=20)
    kernels = [outline(name, (64, 96, 1), 3, filters=n).get_layer("conv5_3_conv").kernel for n in (16, 32, 64)]
    assert [kernel.shape for kernel in kernels] == [(3, 3, 8 * n, 8 * n) for n in (16, 32, 64)]


def test_sonoeyenet_without_gaze_is_refused_and_the_alternative_is_named():
    with pytest.raises(InputError, match=r"model sonoeyenet: fusion 'none'.*multiply, concat or early.*sononet_32"):
        create("sonoeyenet", (64, 96, 1), 3, filters=32, fusion="none")


@pytest.mark.parametrize("size", [(112, 144), (33, 47), (57, 129)])
def test_the_predicted_map_lies_on_the_grid_of_the_gaze_maps(size):
    model = outline("multitask_sonoeyenet", (*size, 1), 3)
    assert [tensor.name for tensor in model.inputs] == ["frame"]
    assert model.get_layer("saliency").output.shape == (None, *map_size(size), 1)
    assert model.get_layer("saliency_density").output.shape == (None, *map_size(size))


def test_features_are_multiplied_by_the_predicted_density_as_by_a_real_one():
    model = small("multitask_sonoeyenet")
    strength = model.get_layer("gaze_modulation").strength
    strength.assign(np.linspace(-0.5, 2, strength.shape[0]))
    saliency = model.get_layer("saliency")
    saliency.set_weights([0.01 * saliency.get_weights()[0]])  # neither uniform nor one cell
    before, logits, after = parts(model, "conv4_2_relu", "saliency", "gaze_modulation")(inputs_of(model))
    density = softmax(logits.numpy().astype(float), axis=(1, 2))
    wanted = before * (1 + strength.numpy() * density * np.sqrt(density[0].size))
    np.testing.assert_allclose(after, wanted, rtol=1e-3, atol=1e-5)
    assert 2 / density[0].size < density.max() < 0.99


def test_a_spatial_softmax_is_a_density_that_no_shift_changes():
    logits = np.random.default_rng(0).normal(0, 50, (3, 4, 6, 1)).astype(np.float32)
    density = SpatialSoftmax()(logits).numpy()
    np.testing.assert_allclose(density.sum(axis=(1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(SpatialSoftmax()(logits + 9), density, atol=1e-5)
    np.testing.assert_array_equal(*(np.reshape(maps, (3, -1)).argmax(-1) for maps in (density, logits)))


def test_classes_alone_reach_the_saliency_branch():
    """Without gaze it is an attention that learns from the labels."""
    model = small("multitask_sonoeyenet")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(inputs_of(model), training=True)))
    assert np.abs(tape.gradient(loss, model.get_layer("saliency").kernel)).max() > 0


def test_the_map_learns_where_the_gaze_was():
    """A blob that was looked at is found in frames that were not seen."""
    keras.utils.set_random_seed(0)
    model = create("multitask_sonoeyenet", (*blobs.SIZE, 1), 4, width=0.25)
    map_logits = parts(model, "saliency")
    optimizer = keras.optimizers.Adam(1e-2)

    @tf.function(autograph=False)
    def step(frame, gaze):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(gaze_saliency_loss(gaze, map_logits(frame, training=True)[..., 0]))
        optimizer.apply(tape.gradient(loss, map_logits.trainable_variables), map_logits.trainable_variables)
        return loss

    optimizer.build(map_logits.trainable_variables)
    losses = [float(step(features["frame"], features["gaze"])) for features, *_ in blobs.batches().take(40)]
    assert np.mean(losses[-5:]) < 0.1 * losses[0]
    features, *_ = next(iter(blobs.batches(64, seed=5, endless=False, batch=64)))
    density = parts(model, "saliency_density")(features["frame"], training=False).numpy()
    found, wanted = (np.reshape(maps, (64, -1)).argmax(-1) for maps in (density, features["gaze"]))
    assert (found == wanted).mean() > 0.9


@pytest.mark.parametrize("name", ["sonoeyenet", "multitask_sonoeyenet"])
def test_under_mixed_precision_logits_and_map_stay_float32(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = outline(name, (64, 96, 1), 3)
    finally:
        keras.config.set_dtype_policy(before)
    kept = ["logits"] + (["saliency", "saliency_density"] if name.startswith("multitask") else [])
    assert all(model.get_layer(layer).output.dtype == "float32" for layer in kept)
    assert model.get_layer("stride8").output.dtype == "bfloat16"


def test_what_is_compared_with_the_gaze_is_the_map_that_it_predicts(tmp_path):
    dataset = make_dataset(tmp_path / "data")
    model = small("multitask_sonoeyenet", (16, 24, 1), 3, standardise=False)
    path = save_keras(tmp_path / "teacher.keras", model, stage="teacher", inputs=("frame",))
    artefact = load_artefact(path)
    assert len(gaze_agreement([artefact], dataset, "val")["rows"]) == 3
    features = {"frame": np.random.default_rng(0).random((2, 16, 24, 1)).astype(np.float32)}
    wanted = parts(artefact.model, "saliency_density")(features["frame"], training=False)
    np.testing.assert_allclose(attention_maps(artefact, features), wanted, atol=1e-5)
