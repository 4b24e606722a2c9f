"""A problem that a small network learns in seconds: in which quarter of the frame is the blob?"""

import keras
import numpy as np
import tensorflow as tf

SIZE = (32, 40)
CLASSES = ("abdomen", "femur", "head", "other")


def frames(count, seed):
    """8-bit frames [N, 32, 40, 1] and labels [N]."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count).astype(np.int32)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    images = random.uniform(0, 60, (count, *SIZE))
    for image, label in zip(images, labels):
        row = (0.25 + 0.5 * (label // 2)) * SIZE[0] + random.uniform(-4, 4)
        column = (0.25 + 0.5 * (label % 2)) * SIZE[1] + random.uniform(-4, 4)
        image += 180 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 18)
    return np.rint(images).astype(np.uint8)[..., None], labels


def batches(count=256, seed=0, batch=16, endless=True):
    """Batches of the pipeline's form; each frame's gaze lies on the middle of its quarter."""
    images, labels = frames(count, seed)
    gaze = np.zeros((count, SIZE[0] // 8, SIZE[1] // 8), np.float32)
    gaze[np.arange(count), 1 + 2 * (labels // 2), 1 + 2 * (labels % 2)] = 1
    features = {
        "frame": images.astype(np.float32) / 255,
        "gaze": gaze,
        "gaze_valid": np.arange(count) % 4 > 0,
    }
    data = tf.data.Dataset.from_tensor_slices((features, labels, np.ones(count, np.float32)))
    return (data.repeat() if endless else data).batch(batch)


def feed(skip=0):
    """The endless batches without the first `skip`, as a training takes them."""
    return batches().skip(skip)


def make_teacher(seed=0):
    """A teacher with gaze and the taps that the default losses need, trained."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    frame = keras.Input((*SIZE, 1), name="frame")
    gaze = keras.Input((SIZE[0] // 8, SIZE[1] // 8), name="gaze")
    x = layers.Conv2D(16, 8, 8, activation="relu", name="stride8")(frame)
    x = layers.Multiply()([x, layers.Reshape((SIZE[0] // 8, SIZE[1] // 8, 1))(gaze) + 0.5])
    x = layers.Conv2D(16, 3, 2, padding="same", activation="relu", name="stride16")(x)
    logits = layers.Dense(4, name="teacher_logits")(layers.Flatten()(x))
    teacher = keras.Model([frame, gaze], logits, name="gazing_teacher")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile(keras.optimizers.Adam(3e-3), loss)
    teacher.optimizer.build(teacher.trainable_variables)  # or the step is traced twice
    data = batches().map(lambda f, label, _: ({"frame": f["frame"], "gaze": f["gaze"]}, label))
    teacher.fit(data, steps_per_epoch=60, verbose=0)
    return teacher


def build_tiny(keras_module, frame_shape, num_classes):
    """A student of a few layers, for tests in which the architecture does not matter."""
    layers = keras_module.layers
    x = frame = keras_module.Input(frame_shape, name="frame")
    for stride, filters in ((8, 8), (16, 8)):
        steps = 8 if stride == 8 else 2
        x = layers.Conv2D(filters, 8, steps, padding="same", use_bias=False, name=f"conv{stride}")(x)
        x = layers.ReLU(name=f"stride{stride}")(layers.BatchNormalization(name=f"norm{stride}")(x))
    x = layers.Dropout(0.2, name="dropout")(layers.Flatten(name="flatten")(x))
    return keras_module.Model(frame, layers.Dense(num_classes, name="logits")(x), name="tiny")


def randomised(model, seed=0):
    """Weights as after training: no batch normalisation at its start, where it does nothing."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            size = layer.get_weights()[0].shape
            low_high = ((0.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 1.5))
            layer.set_weights([random.uniform(*ends, size).astype(np.float32) for ends in low_high])
        elif type(layer).__name__ == "DepthwiseConv2D":
            layer.set_weights([random.normal(0, 0.5, layer.get_weights()[0].shape)])
    return model
