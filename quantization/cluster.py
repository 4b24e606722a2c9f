"""Weight clustering: every kernel has a handful of different values (Han et al. 2016, arXiv 1510.00149).

A weight is then an index into a small table; a general compressor finds that by itself.
"""

from __future__ import annotations

from types import ModuleType

import keras
import numpy as np

from common.errors import InputError
from data.traced import as_written
from quantization.finetune import FineTuning, fine_tune
from quantization.legacy import LegacyLayer, tf_keras, tfmot
from quantization.legacy_copy import build_legacy_copy, copy_weights

# Far more than an 8-bit kernel has values; a table of many more would fill the memory.
MOST_CLUSTERS = 65_536


def check_clusters(clusters: int) -> None:
    """Refuse a number of clusters that can't be.

    Raises:
        InputError: naming it.
    """
    if not 3 <= clusters <= MOST_CLUSTERS:
        raise InputError(
            f"clusters must be at least 3 (one below zero, zero, one above) and at most {MOST_CLUSTERS:,}, "
            f"not {clusters}"
        )


def cluster(
    student: keras.Model,
    name: str,
    options: dict,
    clusters: int,
    training: FineTuning,
    keep_sparsity: bool = False,
) -> keras.Model:
    """A student of the same layers whose kernels have at most `clusters` different values.

    The centroids start by k-means++ and are trained, as are the weights' choices among them.
    Depthwise kernels are left as they are (TF-MOT does not cluster them); so is a kernel
    that has no more weights than there are clusters.

    Args:
        student: trained Keras 3 student; it is not changed.
        name, options: what it was built with.
        clusters: different values of a kernel, at least 3.
        training: data, loss, steps; see `FineTuning`.
        keep_sparsity: weights that are 0 stay 0, which is then one of the values.

    Returns:
        Keras 3 model.

    Raises:
        InputError: a number of clusters that can't be, or options that the student was not built with.
    """
    check_clusters(clusters)
    keras_module, clustering = tf_keras(), tfmot().clustering.keras
    # Dropout's seeds are made with the copy, the first centroids with the wrappers.
    keras.utils.set_random_seed(training.seed)
    copy = build_legacy_copy(student, name, options)

    def wrapped(layer: LegacyLayer) -> LegacyLayer:
        if type(layer) not in (keras_module.layers.Conv2D, keras_module.layers.Dense):
            return layer
        if np.count_nonzero(layer.kernel.numpy()) < clusters:
            # Trained on, it would neither stay sparse nor keep to its few values.
            layer.trainable = False
            return layer
        return _clustered(layer, clusters, clustering, keep_sparsity)

    model = as_written(keras_module.models.clone_model)(copy, clone_function=wrapped)
    fine_tune(model, training, f"clustering to {clusters} values")
    result = keras.models.clone_model(student)
    copy_weights(as_written(clustering.strip_clustering)(model), result)
    return result


def _clustered(layer: LegacyLayer, clusters: int, clustering: ModuleType, keep_sparsity: bool) -> LegacyLayer:
    # The public function knows nothing of sparsity; this one is behind it.
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster as experimental

    return experimental.cluster_weights(
        layer,
        number_of_clusters=clusters,
        cluster_centroids_init=clustering.CentroidInitialization.KMEANS_PLUS_PLUS,
        preserve_sparsity=keep_sparsity,
    )
