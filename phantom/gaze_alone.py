"""How well the gaze map alone predicts the class: the shortcut that matters most.

A teacher that multiplies its features by the gaze map could recognise the class by the map's
shape. A small convolutional network therefore gets the maps and nothing else: as long as it
stays near chance, what gaze adds is where to look, not what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import InputError

if TYPE_CHECKING:
    import keras

    from data.dataset import Dataset

BOUND = 0.45  # with four balanced classes, chance 0.25
_BATCH = 64


def gaze_alone_accuracy(dataset: Dataset, seed: int = 0, epochs: int = 12) -> dict[str, Any]:
    """Train a small network on gaze maps alone and test it on patients it has not seen.

    It sees what a teacher's gaze input sees: the data set's own maps, 14×18 for frames of
    112×144 and at the default width, uniform where a frame has no gaze.

    Args:
        dataset: an opened `data.dataset.Dataset` with split "train", and "test" or "val".
        seed: of the network's weights and of the order of frames. epochs: over the train split.

    Returns:
        accuracy: over all labelled frames of the tested split.
        accuracy_with_gaze: over those of them that have gaze; None if none has.
        balanced_accuracy: mean recall of the classes that the tested split has.
        recall: {class: recall, or None if the tested split has none of it}.
        chance: of the tested split: its largest class's share. bound: what it should stay under.
        n_train, n_test: frames. split: the one tested. classes: names.
        map_size: [h, w]. parameters: of the network. epochs, seed: as given.

    Raises:
        InputError: no "train" split, neither "test" nor "val", or no labelled frame in one of them.
    """
    split = next((name for name in ("test", "val") if dataset.info["splits"][name]["frames"]), None)
    if split is None:
        raise InputError(f"{dataset.path}: has neither a test nor a val split: prepare it with a test_fraction above 0")
    train, _, train_label = _maps(dataset, "train")
    test, has_gaze, label = _maps(dataset, split)
    model = _train(train, train_label, len(dataset.classes), seed, epochs)
    found = model.predict(test, batch_size=512, verbose=0).argmax(axis=-1)
    right = found == label
    recall = {
        name: float(right[label == index].mean()) if (label == index).any() else None
        for index, name in enumerate(dataset.classes)
    }
    return {
        "accuracy": float(right.mean()),
        "accuracy_with_gaze": float(right[has_gaze].mean()) if has_gaze.any() else None,
        "balanced_accuracy": float(np.mean([value for value in recall.values() if value is not None])),
        "recall": recall,
        "chance": float(np.bincount(label).max() / len(label)),
        "bound": BOUND,
        "n_train": len(train),
        "n_test": len(test),
        "split": split,
        "classes": list(dataset.classes),
        "map_size": list(train.shape[1:3]),
        "parameters": int(model.count_params()),
        "epochs": epochs,
        "seed": seed,
    }


def _maps(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maps float32 [n, h, w, 1], whether each has gaze bool [n], and labels int [n]."""
    # Imported late: it loads TensorFlow, which the worker processes must not.
    from data.pipeline import evaluation_batches

    rows = [
        (inputs["gaze"].numpy(), inputs["gaze_valid"].numpy(), label.numpy())
        for inputs, label, _ in evaluation_batches(dataset, split, batch_size=256)
    ]
    maps, valid, label = (np.concatenate(column) for column in zip(*rows, strict=True))
    known = label >= 0
    if not known.any():
        raise InputError(f"{dataset.path}: split {split!r} has no labelled frame")
    # A uniform map becomes 1; the root keeps one blob's peak from drowning the rest.
    maps = np.sqrt(maps[known] * maps[0].size)
    return maps[..., None], valid[known], label[known]


def _train(maps: np.ndarray, label: np.ndarray, classes: int, seed: int, epochs: int) -> keras.Model:
    """A fitted Keras network: logits [n, classes] of maps [n, h, w, 1]."""
    import keras
    import tensorflow as tf

    seeds = iter(range(1000 * seed, 1000 * seed + 1000))

    def start() -> keras.initializers.Initializer:
        return keras.initializers.HeNormal(seed=next(seeds))

    inputs = x = keras.Input(maps.shape[1:])
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=start())(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
        x = keras.layers.MaxPooling2D(2, padding="same")(x)
    x = keras.layers.Flatten()(x)  # not pooled: where the blob lies is part of what may tell
    x = keras.layers.Dropout(0.3, seed=next(seeds))(x)
    x = keras.layers.Dense(64, activation="relu", kernel_initializer=start())(x)
    x = keras.layers.Dropout(0.3, seed=next(seeds))(x)
    model = keras.Model(inputs, keras.layers.Dense(classes, kernel_initializer=start())(x))

    batches = tf.data.Dataset.from_tensor_slices((maps, label)).shuffle(len(maps), seed=seed).batch(_BATCH)
    steps = epochs * -(-len(maps) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.optimizer.build(model.trainable_variables)  # or Keras traces the step twice
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0)
    return model
