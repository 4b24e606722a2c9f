"""Quantization-aware training that keeps zeros at zero and clusters together: TF-MOT's PQAT, CQAT and PCQAT.

Plain quantization-aware training moves every weight. Here a mask holds the zeros of a pruned
student, and the weights of a clustered one stay indices into a trained table. The int8 file
then has the sparsity of the float student, and in each output channel no more different
values than there were clusters (the scale of an int8 kernel is the channel's own).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import keras

from common.errors import InputError, in_words
from data.traced import as_written
from quantization.finetune import FineTuning, fine_tune
from quantization.legacy import LegacyLayer, tf_keras, tfmot
from quantization.legacy_copy import build_legacy_copy
from quantization.qat import RANGE_DECAY, QuantizedStudent
from quantization.ranges import set_ranges
from quantization.scheme import registry

if TYPE_CHECKING:
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_config import QuantizeConfig
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_scheme import QuantizeScheme

_COLLABORATIVE = "tensorflow_model_optimization.python.core.quantization.keras.collab_opts."


def quantize_preserving(
    student: keras.Model,
    name: str,
    options: dict,
    *,
    sparse: bool,
    clustered: bool,
    calibration: Iterable,
    training: FineTuning,
) -> QuantizedStudent:
    """Quantize a pruned, clustered, or pruned and clustered student and train it further.

    All three work with TF-MOT 0.8.1 and tf_keras 2.21 for Conv2D and Dense kernels; depthwise
    kernels are quantized as in `quantize_aware_train`, neither masked nor clustered.

    Args:
        student: what `prune` or `cluster` gave; it is not changed.
        name, options: what it was built with.
        sparse: keep its zeros.
        clustered: keep its clusters.
        calibration: a few batches of frames [B, H, W, C] in [0, 1] for the activations' first ranges.
        training: see `FineTuning`.

    Raises:
        InputError: neither of the two is to be kept, or TF-MOT refuses the model.
    """
    if not (sparse or clustered):
        raise InputError("neither sparse nor clustered is set, so nothing is to be kept: use quantize_aware_train")
    keras.utils.set_random_seed(training.seed)
    copy = build_legacy_copy(student, name, options)
    quantization = tfmot().quantization.keras
    try:
        annotated = as_written(quantization.quantize_annotate_model)(copy)
        model = as_written(quantization.quantize_apply)(annotated, _scheme(sparse, clustered))
    except (NotImplementedError, RuntimeError, ValueError) as error:
        why = in_words(error)
        raise InputError(f"model {name}: TF-MOT can't quantize it and keep what was compressed: {why}") from error
    set_ranges(model, calibration, RANGE_DECAY)
    history = fine_tune(model, training, "quantizing")
    if clustered:
        strip = importlib.import_module(_COLLABORATIVE + "cluster_preserve.cluster_utils").strip_clustering_cqat
        model = as_written(strip)(model)
    return QuantizedStudent(model, history)


def _scheme(sparse: bool, clustered: bool) -> QuantizeScheme:
    """TF-MOT's scheme, with what `quantization.scheme` does in another way."""
    if clustered:
        module = "cluster_preserve.default_8bit_cluster_preserve_quantize_scheme"
        scheme = importlib.import_module(_COLLABORATIVE + module).Default8BitClusterPreserveQuantizeScheme(sparse)
    else:
        module = "prune_preserve.default_8bit_prune_preserve_quantize_scheme"
        scheme = importlib.import_module(_COLLABORATIVE + module).Default8BitPrunePreserveQuantizeScheme()
    known = scheme.get_quantize_registry()
    preserving, plain = known.get_quantize_config, registry()
    own = (tf_keras().layers.DepthwiseConv2D, tf_keras().layers.LayerNormalization)

    def get_quantize_config(layer: LegacyLayer) -> QuantizeConfig:
        return plain.get_quantize_config(layer) if isinstance(layer, own) else preserving(layer)

    known.get_quantize_config = get_quantize_config
    scheme.get_quantize_registry = lambda: known
    return scheme
