"""The weights that SonoNet's authors publish (Baumgartner et al., IEEE TMI 2017), as `.npz` files.

75 arrays, five a layer in forward order: kernel (out, in, h, w), and of the batch
normalisation behind it beta, gamma, mean and the *inverse* standard deviation. The last layer
has one too; folded into its convolution, it is a plain classifying convolution with a bias.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from common.errors import InputError
from common.files import check_file
from common.npz import read_npz
from models.layers import channels
from models.registry import create, find
from models.sononet import ADAPTATION, BLOCKS
from models.weights import assign_weights

AUTHORS_CLASSES = (
    "3VV",
    "4CH",
    "Abdominal",
    "Background",
    "Brain (Cb.)",
    "Brain (Tv.)",
    "Femur",
    "Kidneys",
    "Lips",
    "LVOT",
    "Profile",
    "RVOT",
    "Spine (cor.)",
    "Spine (sag.)",
)
_PARTS = ("kernel", "beta", "gamma", "mean", "inverse standard deviation")
_NAMES = [f"conv{block}_{k}" for block, (depth, _) in enumerate(BLOCKS, 1) for k in range(1, depth + 1)]
_NAMES += ["adaptation", "classes"]
PUBLISHED_FILTERS = (16, 32, 64)
_CURE = "give the authors' SonoNet16.npz, SonoNet32.npz or SonoNet64.npz"


class SonoNetLayer(NamedTuple):
    """One convolution and the batch normalisation behind it; `inverse_std` is 1/√(variance + ε)."""

    name: str
    kernel: np.ndarray  # float32 [h, w, in, out]
    beta: np.ndarray  # float32 [out], as the three below
    gamma: np.ndarray
    mean: np.ndarray
    inverse_std: np.ndarray


def read_sononet_npz(path: str | os.PathLike) -> list[SonoNetLayer]:
    """Read an authors' file, from the first 3×3 convolution to the classifying one.

    Raises:
        InputError: no such file, no `.npz`, or an array that is missing, of another shape than
            the network's, or not finite.
    """
    path = Path(path)
    arrays = _arrays(path)
    filters = arrays["arr_0"].shape[0] if arrays["arr_0"].ndim == 4 else 0
    layers, before = [], 1
    for number, name in enumerate(_NAMES):
        first = 5 * number
        classes = arrays[f"arr_{first}"].shape[0] if arrays[f"arr_{first}"].ndim == 4 else 0
        size, count = _layout(name, filters, classes)
        for part, kind in enumerate(_PARTS):
            key = f"arr_{first + part}"
            wanted = (count, before, size, size) if part == 0 else (count,)
            if arrays[key].shape != wanted or not np.issubdtype(arrays[key].dtype, np.floating):
                raise InputError(
                    f"{path}, {key} ({kind} of {name}): has shape {arrays[key].shape} of {arrays[key].dtype}, "
                    f"expected {wanted} of float: {_CURE}"
                )
            if not np.isfinite(arrays[key]).all() or (part == 4 and (arrays[key] <= 0).any()):
                what = "values of at most 0" if np.isfinite(arrays[key]).all() else "values that are not finite"
                raise InputError(f"{path}, {key} ({kind} of {name}): holds {what}: fetch the file again")
        kernel, *rest = (arrays[f"arr_{first + part}"].astype(np.float32) for part in range(5))
        layers.append(SonoNetLayer(name, np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)), *rest))
        before = count
    return layers


def authors_network(path: str | os.PathLike, frame_shape: tuple[int, int, int] = (224, 288, 1)) -> keras.Model:
    """The network as published, with its own 14 classes (`AUTHORS_CLASSES`).

    Their frames are rows 115:734, columns 81:874 of a 975×735 screen, resized to 224×288
    and averaged over the channels; here they are [0, 1], and standardised inside.

    Returns:
        Model frame [B, H, W, 1] → logits [B, 14].

    Raises:
        InputError: see `read_sononet_npz`.
    """
    layers = read_sononet_npz(path)
    filters, classes = layers[0].kernel.shape[-1], layers[-1].kernel.shape[-1]
    if filters not in PUBLISHED_FILTERS:
        raise InputError(f"{path}, arr_0: has {filters} filters, expected one of {PUBLISHED_FILTERS}")
    model = create(f"sononet_{filters}", frame_shape, classes, fusion="none")
    _assign(model, layers, path, head=True)
    return model


def check_sononet(name: str, options: dict, path: str | os.PathLike) -> None:
    """Refuse a file that can't go into a model with these options (all of them, resolved).

    Raises:
        InputError: no SonoNet teacher, another number of filters, no standardising.
    """
    filters = read_sononet_npz(path)[0].kernel.shape[-1]
    if find(name).role != "teacher" or "standardise" not in options:
        raise InputError(f"{path}: holds weights of a SonoNet teacher, the model is {name}: choose sononet_{filters}")
    by_option = "filters" in options
    own = channels(options["filters"] if by_option else int(name.removeprefix("sononet_")), options["width"])
    if own != filters:
        cure = f"set its option filters to {filters}" if by_option else f"choose sononet_{filters}"
        raise InputError(
            f"{path}, arr_0: has {filters} filters, the first layer of {name} at width {options['width']:g} has "
            f"{own}: {cure} at width 1, or give the authors' SonoNet{own}.npz"
        )
    if not options["standardise"]:
        raise InputError(
            f"{path}: was trained on standardised frames, and model {name} has standardise false: leave that option out"
        )


def load_sononet(model: keras.Model, path: str | os.PathLike) -> list[str]:
    """Copy all but the classifying layer; give the names of the layers that keep their random start.

    Raises:
        InputError: a file or an array that does not fit.
    """
    return _assign(model, read_sononet_npz(path), path, head=False)


def _assign(model: keras.Model, layers: Sequence[SonoNetLayer], path: str | os.PathLike, head: bool) -> list[str]:
    values, labels, there = {}, {}, {layer.name for layer in model.layers}
    for number, layer in enumerate(layers[:-1]):
        norm = f"{layer.name}_bn"
        if norm not in there:
            raise InputError(f"{path}: layer {layer.name} has no place in model {model.name}: choose a SonoNet teacher")
        # In double precision: the difference of two numbers that may be far larger than itself.
        variance = layer.inverse_std.astype(np.float64) ** -2 - model.get_layer(norm).epsilon
        values[f"{layer.name}_conv"] = [layer.kernel]
        values[norm] = [layer.gamma, layer.beta, layer.mean, variance.astype(np.float32)]
        labels[f"{layer.name}_conv"] = f"arr_{5 * number}"
        labels[norm] = f"arr_{5 * number + 1} to arr_{5 * number + 4}"
    if head:
        last = layers[-1]
        factor = last.gamma.astype(np.float64) * last.inverse_std
        values["classes_conv"] = [(last.kernel * factor).astype(np.float32), last.beta - last.mean * factor]
    return assign_weights(model, values, str(path), "choose the SonoNet with the file's number of filters", labels)


def _layout(name: str, filters: int, classes: int) -> tuple[int, int]:
    """(side of the kernel, output channels) of a layer."""
    if name == "classes":
        return 1, classes
    if name == "adaptation":
        return 1, filters * ADAPTATION
    return 3, filters * BLOCKS[int(name[4]) - 1][1]


def _arrays(path: Path) -> dict[str, np.ndarray]:
    check_file(path, "the authors' SonoNet16.npz, SonoNet32.npz or SonoNet64.npz")
    stored = read_npz(path, ".npz file", "fetch it again")
    wanted = [f"arr_{number}" for number in range(5 * len(_NAMES))]
    missing = [key for key in wanted if key not in stored]
    if missing or len(stored) != len(wanted):
        detail = f"without {missing[0]}" if missing else f"with {list(stored)[-1]} besides"
        raise InputError(
            f"{path}: holds {len(stored)} arrays, {detail}, expected {len(wanted)} from arr_0 to {wanted[-1]}: {_CURE}"
        )
    return {key: stored[key] for key in wanted}
