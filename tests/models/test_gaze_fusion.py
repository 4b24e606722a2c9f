"""How a teacher takes the gaze: what it multiplies, and that it can do without."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from models.gaze_fusion import FUSIONS, GazeChannel, GazeDropout, GazeModulation
from models.registry import create, find, outline
from tests.models.zoo import inputs_of, small

FAMILIES = ("vgg16", "sononet_16", "resnet50", "densenet121")


def blob(batch=1, grid=(4, 6), at=(1, 2)):
    gaze = np.zeros((batch, *grid), np.float32)
    gaze[:, at[0], at[1]] = 1
    return gaze


def uniform(batch=1, grid=(4, 6)):
    return np.full((batch, *grid), 1 / (grid[0] * grid[1]), np.float32)


def test_the_factor_is_one_plus_a_times_the_scaled_density():
    layer = GazeModulation(initial=0.5)
    features = np.random.default_rng(0).random((2, 4, 6, 3)).astype(np.float32)
    out = layer([features, blob(2)]).numpy()
    layer.strength.assign([0.5, 0.0, -0.25])
    changed = layer([features, blob(2)]).numpy()
    peak = np.sqrt(24)
    np.testing.assert_allclose(out[:, 1, 2], features[:, 1, 2] * (1 + 0.5 * peak), rtol=1e-5)
    strengths = np.array([0.5, 0.0, -0.25])
    np.testing.assert_allclose(changed[:, 1, 2], features[:, 1, 2] * (1 + strengths * peak), rtol=1e-5)
    elsewhere = np.ones((4, 6), bool)
    elsewhere[1, 2] = False
    np.testing.assert_array_equal(out[:, elsewhere], features[:, elsewhere])


@pytest.mark.parametrize("grid", [(4, 6), (8, 12), (2, 3), (14, 18)])
def test_a_uniform_map_passes_the_features_nearly_unchanged(grid):
    features = np.random.default_rng(0).random((2, 14, 18, 3)).astype(np.float32)
    out = GazeModulation(initial=0.5)([features, uniform(2, grid)]).numpy()
    np.testing.assert_allclose(out, features * (1 + 0.5 / np.sqrt(14 * 18)), rtol=1e-4)


@pytest.mark.parametrize("grid", [(4, 6), (16, 24), (3, 5)])
def test_another_grid_keeps_the_density_and_its_place(grid):
    layer = GazeModulation(initial=1.0)
    ones = np.ones((1, *grid, 1), np.float32)
    place = (np.array((1.5, 2.5)) / (8, 12) * grid).astype(int)  # where cell (1, 2) of 8×12 lies
    added = (layer([ones, blob(grid=(8, 12), at=(1, 2))]).numpy() - 1)[0, ..., 0]
    np.testing.assert_allclose(added.sum(), np.sqrt(grid[0] * grid[1]), rtol=1e-4)  # sums to 1, scaled
    peak = np.array(np.unravel_index(added.argmax(), grid))
    assert np.abs(peak - place).max() <= 1


def test_the_strength_learns_and_survives_a_file(tmp_path):
    features, gaze = keras.Input((4, 6, 3)), keras.Input((4, 6))
    model = keras.Model([features, gaze], GazeModulation(initial=0.25)([features, gaze]))
    model.layers[-1].strength.assign([0.1, 0.2, 0.3])
    model.save(tmp_path / "m.keras")
    given = [np.ones((1, 4, 6, 3), np.float32), blob()]
    back = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(back(given), model(given))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(model(given))
    assert np.abs(tape.gradient(value, model.trainable_variables)[0]).min() > 0


def test_gaze_dropout_replaces_its_share_of_the_training_maps():
    gaze = blob(20_000)
    out = GazeDropout(0.3, seed=1)(gaze, training=True).numpy()
    dropped = (out == np.float32(1 / 24)).all(axis=(1, 2))
    kept = (out == gaze).all(axis=(1, 2))
    assert (dropped | kept).all()  # a map is replaced whole or not at all
    assert abs(dropped.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 20_000)
    np.testing.assert_allclose(out.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_gaze_dropout_is_the_identity_at_inference_and_at_rate_zero():
    gaze = blob(50)
    np.testing.assert_array_equal(GazeDropout(0.9)(gaze, training=False), gaze)
    np.testing.assert_array_equal(GazeDropout(0.0)(gaze, training=True), gaze)


def test_gaze_dropout_draws_again_each_time_and_repeats_with_its_seed():
    gaze = blob(200)
    one, other = GazeDropout(0.5, seed=3), GazeDropout(0.5, seed=3)
    first, second = one(gaze, training=True).numpy(), one(gaze, training=True).numpy()
    assert (first != second).any()
    np.testing.assert_array_equal(other(gaze, training=True), first)
    for rate in (-0.1, 1.0):
        with pytest.raises(ValueError, match="rate"):
            GazeDropout(rate)


def test_a_teacher_without_gaze_is_nearly_the_one_without_fusion():
    options = {"width": 0.2, "dense_units": 32, "dropout": 0.0}
    fused = create("vgg16", (64, 96, 1), 3, **options)
    plain = create("vgg16", (64, 96, 1), 3, fusion="none", **options)
    assert [t.name for t in fused.inputs] == ["frame", "gaze"] and [t.name for t in plain.inputs] == ["frame"]
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(fused.get_layer(layer.name).get_weights())
    frame = np.random.default_rng(0).random((3, 64, 96, 1)).astype(np.float32)
    without = np.array(plain(frame, training=False))
    empty = np.array(fused([frame, uniform(3, (8, 12))], training=False))
    looked = np.array(fused([frame, blob(3, (8, 12), (4, 7))], training=False))
    near, far = np.abs(empty - without).max(), np.abs(looked - without).max()
    assert near < 0.1 * np.abs(without).max()
    assert far > 3 * near  # and gaze does make a difference


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("fusion, layer", [("multiply", "gaze_modulation"), ("concat", "gaze_add")])
def test_the_gaze_is_fused_at_each_of_the_given_strides(name, fusion, layer):
    strides = (2, 4, 8, 16)
    model = outline(name, (64, 96, 1), 3, fusion=fusion, fusion_stride=list(strides), **find(name).small)
    order = [each.name for each in model.layers]
    for stride in strides:
        assert model.get_layer(f"{layer}_{stride}").output.shape[1:3] == (64 // stride, 96 // stride)
        if 4 <= stride <= 8:  # so that the teacher's map at this stride has seen the gaze
            assert order.index(f"{layer}_{stride}") < order.index(f"stride{stride}")
    assert sum(each.startswith(layer) for each in order) == len(strides)
    single = outline(name, (64, 96, 1), 3, fusion=fusion, fusion_stride=16, **find(name).small)
    assert single.get_layer(layer).output.shape[1:3] == (4, 6)


def test_vgg_looks_where_the_gaze_is_on_its_last_map_too():
    model = small("vgg16", (64, 96, 1), fusion_stride=32)
    assert model.get_layer("gaze_modulation").output.shape[1:3] == (2, 3)


def test_the_gaze_is_appended_as_the_scaled_density():
    features = np.random.default_rng(0).random((2, 4, 6, 3)).astype(np.float32)
    out = GazeChannel(gain=2.0)([features, blob(2)]).numpy()
    np.testing.assert_array_equal(out[..., :3], features)
    np.testing.assert_allclose(out[..., 3], 2 * np.sqrt(24) * blob(2), rtol=1e-6)


def test_on_a_frame_the_gaze_keeps_its_mass_and_its_place_and_has_the_frames_magnitude():
    frame = np.zeros((1, 112, 144, 1), np.float32)
    rows, columns = np.mgrid[:14, :18]
    gaze = np.exp(-((rows - 4) ** 2 + (columns - 12) ** 2) / (2 * 0.54**2))[None].astype(np.float32)
    gaze /= gaze.sum()
    channel = GazeChannel()([frame, gaze]).numpy()[0, ..., 1]
    np.testing.assert_allclose(channel.sum(), np.sqrt(112 * 144), rtol=1e-4)
    peak = np.unravel_index(channel.argmax(), channel.shape)
    assert abs(peak[0] - 8 * 4.5) <= 4 and abs(peak[1] - 8 * 12.5) <= 4
    assert 0.3 < channel.max() < 3


@functools.cache
def fused(name, fusion):
    """A small model without dropout, and its first weights; each is built once."""
    model = small(name, (32, 64, 1), fusion=fusion, gaze_dropout=0.0, dropout=0.0)
    return model, model.get_weights()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_family_fuses_in_every_way(name, fusion, tmp_path):
    """The logits depend on the gaze, if there is any; the file gives them again."""
    model, start = fused(name, fusion)
    model.set_weights(start)
    assert [tensor.name for tensor in model.inputs] == (["frame"] if fusion == "none" else ["frame", "gaze"])
    given = inputs_of(model)
    for layer in model.layers:
        if layer.name == "gaze_mix":
            layer.kernel.assign(np.random.default_rng(0).normal(0, 0.1, layer.kernel.shape))
    logits = model(given, training=False).numpy()
    if fusion in ("concat", "early") and name == FAMILIES[0]:  # the families make the round trip with the registry
        model.save(tmp_path / "m.keras")
        back = keras.models.load_model(tmp_path / "m.keras")
        np.testing.assert_array_equal(back(given, training=False), logits)
    if fusion != "none":
        frame, gaze = given
        moved = model([frame, gaze[:, ::-1, ::-1]], training=False).numpy()
        assert np.abs(moved - logits).max() > 1e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_concatenated_gaze_starts_as_the_network_without_and_learns(name):
    (model, start), (plain, _) = fused(name, "concat"), fused(name, "none")
    model.set_weights(start)
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    given = inputs_of(model)
    np.testing.assert_allclose(model(given, training=False), plain(given[0], training=False), atol=1e-5)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.square(model(given, training=True)))
    slope = tape.gradient(value, model.get_layer("gaze_mix").kernel).numpy()
    assert np.abs(slope[0, 0, -1]).max() > 0  # the row of the gaze


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_float32_under_mixed_precision(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = outline(name, (32, 64, 1), 3, **find(name).small)
        running = small(name, (32, 64, 1)) if name == FAMILIES[0] else None
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == "float32" and model.get_layer("stride8").output.dtype == "bfloat16"
    if running is not None:
        logits = running(inputs_of(running), training=False)
        assert logits.dtype == "float32" and np.isfinite(logits).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_no_fusion_is_refused(name):
    with pytest.raises(InputError, match=rf"model {name}: fusion 'late' is none of multiply, concat, early, none"):
        create(name, (64, 64, 1), 3, fusion="late")
    for wrong, named in (("8", "'8'"), ([8, 5], "5"), ([], r"\[\]")):
        with pytest.raises(InputError, match=rf"model {name}: fusion_stride {named} is none of 2, 4, 8, 16"):
            create(name, (64, 64, 1), 3, fusion="concat", fusion_stride=wrong)
