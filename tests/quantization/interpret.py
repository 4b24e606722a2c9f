"""What LiteRT answers for a `.tflite` file, and a model for the same frames."""

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def run_tflite(path, images):
    """Answers [N, K] for frames [N, H, W, 1] of uint8; a float model gets bytes / 255."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for image in images:
        frame = image if source["dtype"] == np.uint8 else image.astype(np.float32) / 255
        interpreter.set_tensor(source["index"], frame[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"])[0].copy())
    return np.stack(outputs)


def probabilities(model, images):
    """Probabilities [N, K] of a Keras 3 or `tf_keras` model."""
    return keras.ops.convert_to_numpy(tf.nn.softmax(model(images.astype(np.float32) / 255, training=False)))
