"""Layers that tests make are those that Keras makes: of `tests.quick`."""

import inspect

import keras
import keras.src.layers.layer
import keras.src.ops.operation
from keras.src.saving import saving_lib


class Parts(keras.Layer):
    """Whatever a layer may hold that Keras follows, and what it does not."""

    def __init__(self, number: int = 3, *, word="a", **more):
        super().__init__(**more)
        self.number, self.word, self.none, self.rule = number, word, None, keras.initializers.Ones()
        self.inner, self.row, self.layer = keras.layers.Dense(2), [keras.layers.Dense(1), None], None
        self.layer = keras.layers.ReLU()  # in the place of what is not followed
        self.named = {"mean": keras.metrics.Mean(name="mean"), "random": keras.random.SeedGenerator(1)}
        self.pair = (keras.Variable([1.0], name="one"), keras.Variable([2.0], trainable=False, name="two"))

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x, scale=2.0):
        return self.inner(x) * scale


def followed(made):
    made(keras.ops.ones((1, 3)))
    kinds = {name: type(value).__name__ for name, value in vars(made).items() if name != "_tracker"}
    stores = {name: [type(each).__name__ for each in store] for name, (_, store) in made._tracker.config.items()}
    return kinds, stores, [variable.name for variable in made.weights], made.get_config() | {"name": ""}


def test_a_layer_is_what_keras_makes(monkeypatch):
    quickly = followed(Parts(4, word="b"))
    assert {"number", "rule", "row"} <= set(quickly[0]) and all(quickly[1].values())
    monkeypatch.setattr(keras.Layer, "__setattr__", keras.Layer.__setattr__.__wrapped__)
    for module in (keras.src.ops.operation, keras.src.layers.layer):
        monkeypatch.setattr(module, "inspect", inspect)
    assert followed(Parts(4, word="b")) == quickly


def test_signatures_are_those_that_python_reads():
    layer, quick = Parts(), keras.src.layers.layer.inspect
    assert quick is not inspect
    for of in (Parts.__init__, layer.call, keras.layers.Dense(2).call, len):
        assert quick.signature(of) == quick.signature(of) == inspect.signature(of)
    assert quick.getfullargspec(Parts.__init__) == inspect.getfullargspec(Parts.__init__)


def test_what_is_not_saved_of_a_layer_is_what_keras_says():
    for kind in ("Layer", "Functional", "Metric"):
        assert saving_lib.get_attr_skipset(kind) == saving_lib.get_attr_skipset.__wrapped__(kind)
