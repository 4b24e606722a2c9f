"""Weights that a model starts from: ImageNet's, SonoNet's authors', or those of an earlier run."""

from __future__ import annotations

import dataclasses
import http.client
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from common.errors import InputError
from models.densenet import DEPTHS_121
from models.keras_file import read_keras_model
from models.registry import find
from models.resnet import DEPTHS_50
from models.sononet_weights import check_sononet, load_sononet
from models.weights import assign_weights

IMAGENET = "imagenet"


@dataclasses.dataclass(frozen=True)
class _Family:
    """A network that `keras.applications` has too.

    Attributes:
        application: its name there.
        layout: the options at which ours is the same network.
        widths: at which there are weights.
        rename: layer name there → here.
        widest: (layer here, its channels at width 1), which tells a built model's width.
    """

    application: str
    layout: dict[str, object]
    rename: Callable[[str], str]
    widths: tuple[float, ...] = (1.0,)
    widest: tuple[str, int] | None = None


def _vgg(name: str) -> str:
    block, conv = name.split("_")
    return f"conv{block.removeprefix('block')}_{conv.removeprefix('conv')}_conv"


def _mobilenet_v1(name: str) -> str:
    if name.startswith("conv1"):
        return "stem_bn" if name.endswith("_bn") else "stem_conv"
    _, kind, number, *norm = name.split("_")
    return f"block{number}_{kind}_{'bn' if norm else 'conv'}"


def _mobilenet_v2(name: str) -> str:
    kind = "bn" if name.lower().endswith("_bn") or name.startswith("bn_") else "conv"
    if name in ("Conv1", "bn_Conv1"):
        return f"stem_{kind}"
    if name.startswith("Conv_1"):
        return f"head_{kind}"
    # The first block there is the "expanded" one, the second block_1.
    number = 1 if name.startswith("expanded_conv") else int(name.split("_")[1]) + 1
    part = next(ours for theirs, ours in _PARTS_V2.items() if theirs in name.replace("expanded_conv", ""))
    return f"block{number}_{part}_{kind}"


_PARTS_V2 = {"expand": "expand", "depthwise": "dw", "project": "project"}
_FAMILIES = {
    "vgg16": _Family("VGG16", {"batch_norm": False, "preprocess": "imagenet"}, _vgg),
    "resnet50": _Family("ResNet50", {"depths": DEPTHS_50, "preprocess": "imagenet"}, str),
    "densenet121": _Family("DenseNet121", {"depths": DEPTHS_121, "preprocess": "imagenet"}, str),
    "mobilenet_v1": _Family("MobileNet", {}, _mobilenet_v1, (0.25, 0.5, 0.75, 1.0), ("block13_pw_conv", 1024)),
    "mobilenet_v2": _Family(
        "MobileNetV2", {}, _mobilenet_v2, (0.35, 0.5, 0.75, 1.0, 1.3, 1.4), ("block17_project_conv", 320)
    ),
}


def check_pretrained(name: str, source: str | os.PathLike, options: dict | None = None) -> None:
    """Refuse what `load_pretrained` could not do, before anything is built.

    Args:
        name: of the model in the registry.
        source: see `load_pretrained`.
        options: those given to `models.create`.

    Raises:
        InputError: naming the model, the source and the option to change.
    """
    source, options = str(source), {**find(name).options, **(options or {})}
    if source != IMAGENET:
        path = Path(source)
        if path.suffix not in (".npz", ".h5", ".keras"):
            raise InputError(f"weights {source}: is neither imagenet nor a .npz, .h5 or .keras file: give one of these")
        if not path.is_file():
            raise InputError(f"weights {source}: there is no such file: check the path")
        if path.suffix == ".npz":
            check_sononet(name, options, path)
        if path.suffix != ".h5":
            return
    family = _family(name, source)
    width = options["width"]
    if width not in family.widths:
        there = ", ".join(f"{one:g}" for one in family.widths)
        raise InputError(
            f"weights {source}: there are no ImageNet weights for {name} at width {width!r}: choose {there}"
        )
    layout = dict(family.layout)
    if name == "mobilenet_v2":
        layout["head_width"] = max(1.0, width)
        if options["head_width"] is None and width >= 1:
            del layout["head_width"]
    given = {option: options[option] for option in layout}
    wrong = [option for option in layout if _plain(given[option]) != _plain(layout[option])]
    if wrong:
        found = ", ".join(f"{option} {given[option]!r}" for option in wrong)
        wanted = ", ".join(f"{option}: {_yaml(layout[option])}" for option in wrong)
        raise InputError(f"weights {source}: does not fit model {name} with {found}: set its options to '{{{wanted}}}'")


def load_pretrained(model: keras.Model, name: str, source: str | os.PathLike) -> str:
    """Start a freshly built model from trained weights; its classifying layers stay new.

    Grey frames need no other weights: a teacher repeats the frame over three channels
    (`models.preprocess.ImageNetFrame`) and answers exactly as to the same picture in colour; a
    MobileNet, whose students hold no preprocessing, gets its first kernel summed over the
    channels, with the scaling to [-1, 1] folded in. That is exact but for the last row
    and column of the first map, where the padding meant black there and means mid-grey here.

    Args:
        model: what `models.create(name, …)` gave.
        name: of the model in the registry.
        source: "imagenet" (fetched once by Keras); a `.h5` or `.keras` file of the same
            `keras.applications` network; a `.keras` file of this project's, of the same
            name and options; or a `.npz` file of SonoNet's authors.

    Returns:
        One line that says what was loaded and which layers start anew.

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
            family = _family(name, source)
            given = given or _application(model, name, family, source)
            new = _load_application(model, given, family, source)
    return f"{name} starts from {source}; new: {', '.join(new)}"


def _load_own(model, given, source) -> list[str]:
    head = [layer.name for layer in given.layers if layer.name in ("logits", "classes_conv")]
    values = {layer.name: _arrays(layer) for layer in given.layers if _arrays(layer) and layer.name not in head}
    return assign_weights(model, values, source, f"build {given.name} with the options that the file was trained with")


def _load_application(model, given, family, source) -> list[str]:
    values, labels = {}, {}
    for layer in given.layers:
        if not layer.weights or layer.name in ("fc1", "fc2", "predictions", "conv_preds"):
            continue
        ours = family.rename(layer.name)
        values[ours], labels[ours] = _arrays(layer), layer.name
    if family.widest:
        _take_grey(values, model)
    return assign_weights(model, values, source, f"choose the options of {family.application}", labels)


def _take_grey(values: dict, model) -> None:
    """conv(k, 2x − 1) = conv(2k, x) − Σk, and what is taken off can be added to the mean behind it."""
    kernel = values["stem_conv"][0].astype(np.float64)
    gamma, beta, mean, variance = values["stem_bn"]
    values["stem_bn"] = [gamma, beta, (mean + kernel.sum(axis=(0, 1, 2))).astype(np.float32), variance]
    if model.inputs[0].shape[-1] == 1:
        kernel = kernel.sum(axis=2, keepdims=True)
    values["stem_conv"] = [(2 * kernel).astype(np.float32)]


def _application(model, name, family, source) -> keras.Model:
    """The `keras.applications` network without its head, with the weights of a file or ImageNet's."""
    options = {}
    if family.widest:
        layer, channels = family.widest
        options["alpha"] = model.get_layer(layer).filters / channels
    build = getattr(keras.applications, family.application)
    with warnings.catch_warnings():
        # MobileNet says that weights for 224×224 are taken for frames of any other size.
        warnings.simplefilter("ignore")
        if source == IMAGENET:
            return _fetched(lambda: build(include_top=False, weights=IMAGENET, **options), name)
        failures = []
        for top in (False, True):
            given = build(include_top=top, weights=None, **options)
            try:
                given.load_weights(source)
                return given
            except (ValueError, KeyError, OSError) as error:
                failures.append(_first_line(error))
    raise InputError(
        f"weights {source}: holds no weights of {family.application} ({failures[0]}): save them with "
        f"keras.applications.{family.application}(…).save_weights(…)"
    )


def _fetched(build: Callable[[], keras.Model], name: str) -> keras.Model:
    try:
        return build()
    except Exception as error:
        # Keras reports a failed download by a bare Exception, a damaged one by a ValueError.
        text = str(error)
        known = isinstance(error, (OSError, http.client.HTTPException))
        if not known and "URL fetch failure" not in text and "corrupted file" not in text:
            raise
        raise InputError(
            f"weights imagenet: those of {name} can't be fetched ({_first_line(error)}): this needs the "
            "network once; give a local .h5 or .keras file instead, or start without them"
        ) from error


def _family(name: str, source: str) -> _Family:
    if name not in _FAMILIES:
        raise InputError(f"weights {source}: there are no ImageNet weights for {name}: choose {', '.join(_FAMILIES)}")
    return _FAMILIES[name]


def _arrays(layer) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(v) for v in layer.weights if "seed_generator" not in v.path]


def _plain(value):
    return tuple(value) if isinstance(value, list) else value


def _yaml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
