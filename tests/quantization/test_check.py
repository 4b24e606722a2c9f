import pytest

import models
from common.errors import InputError
from quantization.check import dry_run, refused_layers
from quantization.legacy import tf_keras, tfmot
from tests.quantization import small

keras_module = tf_keras()
L = keras_module.layers


def model_of(*layers):
    x = frame = keras_module.Input((16, 16, 2), name="frame")
    for layer in layers:
        x = layer(x)
    return keras_module.Model(frame, x)


BAD = {
    "Rescaling": lambda: L.Rescaling(2.0, name="bad"),
    "BatchNormalization": lambda: L.BatchNormalization(name="bad"),
    "LayerNormalization": lambda: L.LayerNormalization(name="bad"),
    "PReLU": lambda: L.PReLU(name="bad"),
    "Conv2D": lambda: L.Conv2D(2, 3, activation="elu", name="bad"),
    "Sequential": lambda: keras_module.Sequential([L.Conv2D(2, 1)], name="bad"),
}


def test_a_dry_run_of_a_student_that_can_be_quantized_names_nothing():
    # Every family is quantized in test_families.py.
    assert dry_run(small.NAME, (32, 40, 1), 3) == []


@pytest.mark.parametrize("kind", BAD)
def test_what_tfmot_refuses_is_named_and_nothing_else(kind):
    layers = L.ReLU(name="before"), BAD[kind](), L.Conv2D(3, 3, name="after")
    assert [refusal[:2] for refusal in refused_layers(model_of(*layers))] == [("bad", kind)]
    # The independent truth: TF-MOT itself.
    with pytest.raises((ValueError, RuntimeError, AttributeError)):
        tfmot().quantization.keras.quantize_model(model_of(L.ReLU(), BAD[kind](), L.Conv2D(3, 3)))


def test_all_bad_layers_are_named_at_once():
    frame = keras_module.Input((16, 16, 1), name="frame")
    x = L.Rescaling(2.0, name="scale")(frame)
    x = L.Concatenate(name="both")([L.Conv2D(4, 3, name="left")(x), L.Conv2D(4, 3, name="right")(x)])
    x = L.BatchNormalization(name="late_norm")(x)
    x = keras_module.Sequential([L.Conv2D(3, 1)], name="backbone")(x)
    x = L.Lambda(lambda values: values * 2, name="trick")(x)
    x = L.GlobalAveragePooling2D(name="pool")(x)
    model = keras_module.Model(frame, L.Dense(2, dtype="float16", name="half")(x))
    refused = {refusal.layer: refusal.reason for refusal in refused_layers(model)}
    assert list(refused) == ["scale", "late_norm", "backbone", "trick", "half"]
    assert "both (Concatenate)" in refused["late_norm"]
    assert "float16" in refused["half"]


def test_norm_of_a_branched_convolution_is_refused():
    frame = keras_module.Input((16, 16, 1), name="frame")
    conv = L.Conv2D(4, 3, name="conv")(frame)
    model = keras_module.Model(frame, L.Add()([conv, L.BatchNormalization(name="norm")(conv)]))
    assert [refusal.layer for refusal in refused_layers(model)] == ["norm"]


def test_foldable_layers_are_accepted():
    layers = (
        L.SeparableConv2D(4, 3),
        L.DepthwiseConv2D(3),
        L.BatchNormalization(),
        L.ReLU(6.0),
        L.MaxPooling2D(),
        L.Flatten(),
        L.Dense(4),
        L.BatchNormalization(),
        L.ReLU(),
        L.Dropout(0.1),
        L.Dense(2),
    )
    assert refused_layers(model_of(*layers)) == []


def test_subclassed_model_is_refused_whole():
    class Own(keras_module.Model):
        def call(self, frame):
            return frame

    (refusal,) = refused_layers(Own(name="own"))
    assert refusal.layer == "own" and "Functional" in refusal.reason


def test_unknown_model_is_an_input_error():
    with pytest.raises(InputError, match="no model 'mobilenet_v9'"):
        dry_run("mobilenet_v9", (32, 40, 1), 3)


def test_a_builder_that_needs_keras_3_is_a_refusal(monkeypatch):
    def build(keras_module, frame_shape, num_classes):
        frame = keras_module.Input(frame_shape, name="frame")
        return keras_module.Model(frame, keras_module.layers.NoSuchLayer()(frame))

    monkeypatch.setitem(models.MODELS, "modern", models.registry.Entry(build, "student", ()))
    (refusal,) = dry_run("modern", (32, 40, 1), 3)
    assert refusal.layer == "modern" and "NoSuchLayer" in refusal.reason
