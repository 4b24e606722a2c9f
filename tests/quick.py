"""TensorFlow, Keras and Python without work that a test does not gain by: what it sees is the same."""

import functools
import inspect
import random
import types
import typing
import weakref


def run_quickly() -> None:
    """Each graph and each data set runs a few times: it is not worth optimizing.

    What commands do in processes of their own keeps it.
    """
    import tensorflow as tf
    from tensorflow.python.data.ops import dataset_ops

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    iterator_of = dataset_ops.DatasetV2.__iter__
    dataset_ops.DatasetV2.__iter__ = lambda self: iterator_of(self.with_options(options))


def build_models_quickly() -> None:
    """Answers are kept that can't change, and what nothing can track is not looked at.

    Saves two fifths of the time that building models takes.
    """
    import keras.src.layers.layer
    import keras.src.ops.operation
    import keras.src.saving.saving_lib
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops
    from tensorflow.python.ops import resource_variable_ops
    from tensorflow.python.util import tf_inspect, tf_stack

    # TensorFlow notes for each operation of a graph from where it was built, frame by frame.
    here = tf_stack.extract_stack()
    ops.tf_stack = types.SimpleNamespace(extract_stack=lambda stacklevel=1: here)
    # Setting a seed forgets all kernels, for the sake of those that keep a seed; random numbers here are stateless.
    context.Context._set_global_seed = _seeded
    resource_variable_ops._variable_handle_from_shape_and_dtype = _nameless(
        resource_variable_ops._variable_handle_from_shape_and_dtype
    )
    if hasattr(typing, "_get_protocol_attrs"):  # before Python 3.12 it is asked in every isinstance of a protocol
        typing._get_protocol_attrs = functools.cache(typing._get_protocol_attrs)
    # Keras keeps it under one name and looks for it under another.
    keras.src.saving.saving_lib.get_attr_skipset = functools.cache(keras.src.saving.saving_lib.get_attr_skipset)
    # Each layer reads the signatures of its class.
    for module in (keras.src.ops.operation, keras.src.layers.layer):
        module.inspect = _Inspect("inspect")
    # Legacy Keras and TensorFlow do so through a module of each, which takes this function when it is imported.
    inspect.getfullargspec = tf_inspect._getfullargspec = _kept(inspect.getfullargspec)
    layer = keras.Layer
    layer.__setattr__ = _setting(layer.__setattr__)


def _seeded(context, seed):
    context._seed, context._rng = seed, random.Random(None if seed is None else int(seed))


def _nameless(make):
    """`make`, of a variable's handle: its name outside of graphs is for debuggers alone, and costs its own kernel."""

    def handle(shape, dtype, shared_name, name, graph_mode, initial_value=None):
        return make(shape, dtype, shared_name, name if graph_mode else "variable", graph_mode, initial_value)

    return handle


def _kept(slowly):
    """`inspect.getfullargspec`, which looks at a function of a module or a class once."""
    found = weakref.WeakKeyDictionary()

    @functools.wraps(slowly)
    def getfullargspec(of):
        of = of.__func__ if isinstance(of, types.MethodType) else of
        if not isinstance(of, types.FunctionType):
            return slowly(of)
        if of not in found:
            found[of] = slowly(of)
        return found[of]

    return getfullargspec


class _Inspect(types.ModuleType):
    """`inspect`, which reads the signature of a function once."""

    getfullargspec = staticmethod(functools.cache(inspect.getfullargspec))

    def __getattr__(self, name):
        return getattr(inspect, name)

    @staticmethod
    def signature(of):
        if isinstance(of, types.MethodType) and isinstance(of.__func__, types.FunctionType):
            return _signature(of.__func__, bound=True)
        return _signature(of) if isinstance(of, types.FunctionType) else inspect.signature(of)


@functools.cache
def _signature(of, bound=False):
    found = inspect.signature(of)
    return found.replace(parameters=list(found.parameters.values())[1:]) if bound else found


def _setting(slowly):
    """`Layer.__setattr__`, which asks of every value, also of numbers and names, whether it is to be tracked."""
    import keras
    import tensorflow as tf
    from tensorflow.python.trackable.data_structures import NoDependency

    containers = (tuple, list, dict, set)
    parts = (keras.Variable, keras.Layer, keras.Metric, keras.random.SeedGenerator)
    tracked = (*containers, *parts, tf.__internal__.tracking.Trackable, NoDependency)
    is_tracked = functools.cache(lambda kind: issubclass(kind, tracked))

    @functools.wraps(slowly)
    def setting(self, name, value):
        if is_tracked(value.__class__) or "_tracker" not in self.__dict__:
            slowly(self, name, value)
        else:
            object.__setattr__(self, name, value)

    return setting
