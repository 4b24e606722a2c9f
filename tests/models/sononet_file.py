"""A made-up SonoNet weight file in the authors' layout, and the network computed with NumPy alone."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BLOCKS = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))


def made_up(filters=16, classes=14, seed=0):
    """75 arrays, random, with activations that neither vanish nor explode."""
    random = np.random.default_rng(seed)
    shapes, before = [], 1
    for depth, multiple in BLOCKS:
        for _ in range(depth):
            shapes.append((filters * multiple, before, 3, 3))
            before = filters * multiple
    shapes += [(4 * filters, before, 1, 1), (classes, 4 * filters, 1, 1)]
    arrays = []
    for number, shape in enumerate(shapes):
        out, into, height, width = shape
        scale = 100.0 if number == 0 else 1.0  # standardised frames are in hundreds
        arrays.append(random.normal(0, np.sqrt(2 / (into * height * width)), shape))
        arrays += [random.normal(0, 0.2, out), random.uniform(0.8, 1.2, out)]
        arrays += [random.normal(0, 0.2 * scale, out), random.uniform(0.5, 1.0, out) / scale]
    return [array.astype(np.float32) for array in arrays]


def write(path, arrays):
    np.savez(path, *arrays)
    return path


def forward(arrays, frame):
    """Logits of one frame [H, W] with even sides, as the paper describes the network."""
    x = frame.astype(np.float64)
    x = ((x - x.mean()) / x.std() * 255)[None]
    layers = [arrays[start : start + 5] for start in range(0, len(arrays), 5)]
    number = 0
    for block, (depth, _) in enumerate(BLOCKS):
        if block:
            channels, height, width = x.shape
            x = x.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))
        for _ in range(depth):
            x = np.maximum(_conv_norm(x, layers[number]), 0)
            number += 1
    x = np.maximum(_conv_norm(x, layers[number]), 0)
    return _conv_norm(x, layers[number + 1]).mean(axis=(1, 2))


def _conv_norm(x, layer):
    kernel, beta, gamma, mean, inverse_std = (array.astype(np.float64) for array in layer)
    side = kernel.shape[-1]
    padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2))
    windows = sliding_window_view(padded, (side, side), axis=(1, 2))
    y = np.einsum("ihwab,oiab->ohw", windows, kernel, optimize=True)
    return (y - mean[:, None, None]) * (gamma * inverse_std)[:, None, None] + beta[:, None, None]
