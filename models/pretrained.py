"""Weights that a model starts from: ImageNet's, SonoNet's authors', or those of an earlier run."""

from __future__ import annotations

import http.client
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from common.errors import InputError, in_words
from common.files import path_kind
from models.imagenet import ImageNetWeights
from models.keras_file import check_weights_file, read_keras_model
from models.layers import standardises
from models.registry import MODELS, find
from models.sononet_weights import check_sononet, load_sononet
from models.weights import assign_weights

IMAGENET = "imagenet"


def check_pretrained(
    name: str, source: str | os.PathLike, options: Mapping[str, Any] | None = None, parameter: str = "pretrained"
) -> None:
    """Refuse what `load_pretrained` could not do, before anything is built.

    Args:
        name: of the model in the registry.
        source: see `load_pretrained`.
        options: those given to `models.create`.
        parameter: what the caller calls the source, for errors.

    Raises:
        InputError: naming the model, the source and the option to change.
    """
    source, options = str(source), {**find(name).options, **(options or {})}
    if source != IMAGENET:
        path = Path(source)
        if path.suffix not in (".npz", ".h5", ".keras"):
            raise InputError(
                f"{parameter} {source}: is neither imagenet nor a .npz, .h5 or .keras file: give one of these"
            )
        if path_kind(path) != "file":
            raise InputError(f"{parameter} {source}: there is no such file: check the path")
        if path.suffix == ".npz":
            check_sononet(name, options, path)
        if path.suffix != ".h5":
            return
    weights, width = _imagenet(name, source, parameter), options["width"]
    if width not in weights.widths:
        there = ", ".join(f"{one:g}" for one in weights.widths)
        raise InputError(
            f"{parameter} {source}: there are no ImageNet weights for {name} at width {width!r}: choose {there}"
        )
    layout = weights.layout(options)
    wrong = [option for option in layout if _plain(options[option]) != _plain(layout[option])]
    if wrong:
        found = ", ".join(f"{option} {options[option]!r}" for option in wrong)
        wanted = ", ".join(f"{option}: {_yaml(layout[option])}" for option in wrong)
        raise InputError(
            f"{parameter} {source}: does not fit model {name} with {found}: set its options to '{{{wanted}}}'"
        )


def load_pretrained(model: keras.Model, name: str, source: str | os.PathLike, parameter: str = "pretrained") -> str:
    """Start a freshly built model from trained weights; its classifying layers stay new.

    Grey frames need no other weights: a teacher repeats the frame over three channels
    (`models.preprocess.ImageNetFrame`) and answers exactly as to the same picture in colour; a
    MobileNet, whose students hold no preprocessing, gets its first kernel summed over the
    channels, with the scaling to [-1, 1] folded in. That is exact but for the last row
    and column of the first map, where the padding meant black there and means mid-grey here.
    MobileNet v1 samples its maps as the network of Keras does only where the frame's sides are
    multiples of 32; at other sizes its maps are up to one cell larger, and its kernels see other cells.

    Args:
        model: what `models.create(name, …)` gave.
        name: of the model in the registry.
        source: "imagenet" (fetched once by Keras); a `.h5` or `.keras` file of the same
            `keras.applications` network; a `.keras` file of this project's, of the same
            name and options; or a `.npz` file of SonoNet's authors.
        parameter: what the caller calls the source, for errors.

    Returns:
        One line that says what was loaded and which layers keep their random start.

    Raises:
        InputError: the source can't be fetched, read or does not fit; the model is unchanged.
    """
    source = str(source)
    path = Path(source)
    if path.suffix == ".npz":
        new = load_sononet(model, path)
    else:
        given = read_keras_model(path) if path.suffix == ".keras" else None
        if given is not None and any(tensor.name == "frame" for tensor in given.inputs):
            new = _load_own(model, given, source)
        else:
            weights = _imagenet(name, source, parameter)
            given = given or _application(model, name, weights, source, parameter)
            new = _load_application(model, given, weights, source)
    return f"{name} starts from {source}; new: {', '.join(new)}"


def _load_own(model: keras.Model, given: keras.Model, source: str) -> list[str]:
    head = [layer.name for layer in given.layers if layer.name in ("logits", "classes_conv")]
    values = {layer.name: _arrays(layer) for layer in given.layers if _arrays(layer) and layer.name not in head}
    if standardises(given) != standardises(model):
        found, wanted = (
            "standardised frames" if standardises(each) else "frames as they are" for each in (given, model)
        )
        raise InputError(
            f"{source}: was trained on {found}, and model {model.name} takes {wanted}: build it with "
            "the same standardise"
        )
    return assign_weights(model, values, source, f"build {given.name} with the options that the file was trained with")


def _load_application(model: keras.Model, given: keras.Model, weights: ImageNetWeights, source: str) -> list[str]:
    values: dict[str, list[np.ndarray]] = {}
    labels: dict[str, str] = {}
    for layer in given.layers:
        if not layer.weights or layer.name in ("fc1", "fc2", "predictions", "conv_preds"):
            continue
        ours = weights.rename(layer.name)
        values[ours], labels[ours] = _arrays(layer), layer.name
    if weights.widest:
        if standardises(model):
            raise InputError(
                f"{source}: was trained on frames as they are, and model {model.name} standardises them: leave that "
                "option out"
            )
        _take_grey(values, model)
    return assign_weights(model, values, source, f"choose the options of {weights.application}", labels)


def _take_grey(values: dict[str, list[np.ndarray]], model: keras.Model) -> None:
    """conv(k, 2x − 1) = conv(2k, x) − Σk, and what is taken off can be added to the mean behind it."""
    kernel = values["stem_conv"][0].astype(np.float64)
    gamma, beta, mean, variance = values["stem_bn"]
    values["stem_bn"] = [gamma, beta, (mean + kernel.sum(axis=(0, 1, 2))).astype(np.float32), variance]
    if model.inputs[0].shape[-1] == 1:
        kernel = kernel.sum(axis=2, keepdims=True)
    values["stem_conv"] = [(2 * kernel).astype(np.float32)]


def _application(model: keras.Model, name: str, weights: ImageNetWeights, source: str, parameter: str) -> keras.Model:
    """The `keras.applications` network without its head, with the weights of a file or ImageNet's."""
    options = {}
    if weights.widest:
        layer, channels = weights.widest
        options["alpha"] = model.get_layer(layer).filters / channels
    build = getattr(keras.applications, weights.application)
    with warnings.catch_warnings():
        # MobileNet says that weights for 224×224 are taken for frames of any other size.
        warnings.simplefilter("ignore")
        if source == IMAGENET:
            return _fetched(lambda: build(include_top=False, weights=IMAGENET, **options), name, parameter)
        failures = []
        if Path(source).is_file():
            check_weights_file(Path(source))
        for top in (False, True):
            given = build(include_top=top, weights=None, **options)
            try:
                given.load_weights(source)
                return given
            except (ValueError, KeyError, OSError) as error:
                failures.append(in_words(error))
    raise InputError(
        f"{parameter} {source}: holds no weights of {weights.application} ({failures[0]}): save them with "
        f"keras.applications.{weights.application}(…).save_weights(…)"
    )


def _fetched(build: Callable[[], keras.Model], name: str, parameter: str) -> keras.Model:
    try:
        return build()
    except Exception as error:
        # Keras reports a failed download by a bare Exception, a damaged one by a ValueError.
        text = str(error)
        known = isinstance(error, (OSError, http.client.HTTPException))
        if not known and "URL fetch failure" not in text and "corrupted file" not in text:
            raise
        raise InputError(
            f"{parameter} imagenet: the weights of {name} can't be fetched ({in_words(error)}): this needs the "
            "network once; give a local .h5 or .keras file, or start from random weights"
        ) from error


def _imagenet(name: str, source: str, parameter: str) -> ImageNetWeights:
    weights = find(name).imagenet
    if weights is None:
        known = ", ".join(other for other, entry in MODELS.items() if entry.imagenet)
        raise InputError(f"{parameter} {source}: there are no ImageNet weights for {name}: choose {known}")
    return weights


def _arrays(layer: keras.layers.Layer) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(v) for v in layer.weights if "seed_generator" not in v.path]


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
