"""Does a model look where the sonographer looked? Its maps against the gaze, over a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from skimage.transform import resize

from common.errors import InputError
from common.shown import shown_paths
from data.dataset import Dataset
from data.pipeline import evaluation_batches
from data.reading import read_split
from evaluation.artefacts import Artefact, check_matches, read_metadata
from evaluation.attention import attention_maps, has_attention
from evaluation.fixations import frame_fixations
from evaluation.gaze_head import gaze_head_path, load_gaze_head, predict_gaze
from evaluation.saliency import fixation_counts, saliency_table, static_prior


def gaze_agreement(
    artefacts: Sequence[Artefact],
    data: Dataset,
    split: str,
    *,
    gaze: str = "real",
    fixations: str = "idt",
    batch_size: int = 64,
) -> dict[str, Any]:
    """Saliency metrics of every map that the artefacts give, over the frames with gaze.

    The rows, in this order: "gaze head", the `gaze_map.keras` next to a student; "attention",
    the channel mean of squared activations at stride 8 of a `.keras` artefact; "static
    prior", the mean gaze map of the training split; "head × prior", their product,
    normalised; "uniform". Artefacts that were trained with different sigmas are compared
    with gaze maps of their own sigma, each group with a prior of that sigma.

    Args:
        artefacts: those that show neither head nor attention add no row.
        data, split: the frames.
        gaze: what teachers see; what is compared with is always the real gaze.
        fixations: rule for what is fixated, "idt" or "samples"; see `frame_fixations`.
        batch_size: frames per batch.

    Returns:
        {"n_frames", "fixations": `FrameFixations.describe()`, "rows": [{"map", "name",
        "sigma", "kld", "cc", "sim", "nss", "auc_judd", "sauc"}]}. NSS and the AUCs are over
        the frames with a fixation.

    Raises:
        InputError: the split, or the training split, has no gaze on any frame.
    """
    require_gaze(data, split)
    found = frame_fixations(data, split, fixations)
    groups: dict[float, list[Artefact]] = {}
    for artefact in artefacts:
        groups.setdefault(artefact.metadata.sigma, []).append(artefact)
    names = _shown_names(artefacts)
    rows, frames = [], 0
    for sigma, group in groups.items():
        valid, density = _densities(data, split, sigma, batch_size)
        train_valid, train_density = _densities(data, "train", sigma, batch_size)
        prior = static_prior(train_density[train_valid])
        maps = _maps(group, names, data, split, gaze, batch_size, density.shape[1:], prior)
        fixated = np.array([fixation_counts(p[:, 0], p[:, 1], density.shape[1:]) for p in found.points])[valid]
        on_gaze = {key: values if values.ndim == 2 else values[valid] for key, values in maps.items()}
        table = saliency_table(on_gaze, density[valid], fixated)
        for (kind, name), metrics in zip(maps, table.to_dict("records")):
            rows.append({"map": kind, "name": name, "sigma": sigma, **metrics})
        frames = int(valid.sum())
    return {"n_frames": frames, "fixations": found.describe(), "rows": rows}


def require_gaze(data: Dataset, split: str) -> None:
    """Refuse a split without gaze, or a training split without it, which the prior comes from.

    Raises:
        InputError: naming the split.
    """
    for name in dict.fromkeys(("train", split)):
        if not data.gaze_frames(name):
            raise InputError(f"{data.path}: split {name!r} has no gaze to compare with: leave out saliency")


def _shown_names(artefacts: Sequence[Artefact]) -> dict[Path, str]:
    """{path of an artefact or of the gaze head next to it: the name in the report}."""
    heads = filter(None, (gaze_head_path(artefact.path) for artefact in artefacts))
    paths = [*(artefact.path for artefact in artefacts), *heads]
    return dict(zip(paths, shown_paths(paths)))


def _maps(
    group: Sequence[Artefact],
    names: Mapping[Path, str],
    data: Dataset,
    split: str,
    gaze: str,
    batch_size: int,
    map_size: tuple[int, int],
    prior: np.ndarray,
) -> dict[tuple[str, str], np.ndarray]:
    """{(kind, name): maps [n, h, w], or [h, w] where they are the same for all frames}."""
    heads = {}
    for path in dict.fromkeys(filter(None, (gaze_head_path(artefact.path) for artefact in group))):
        check_matches(read_metadata(path), data, path)
        heads[names[path]] = _head(path, data, split, batch_size)
    maps = {("gaze head", name): values for name, values in heads.items()}
    for artefact in group:
        if has_attention(artefact):
            maps["attention", names[artefact.path]] = _attention(artefact, data, split, gaze, batch_size, map_size)
    maps["static prior", "static prior"] = prior
    for name, values in heads.items():
        maps["head × prior", f"{name} × static prior"] = values * prior
    maps["uniform", "uniform"] = np.ones(map_size)
    return maps


def _head(path: Path, data: Dataset, split: str, batch_size: int) -> np.ndarray:
    model = load_gaze_head(path)
    frames = read_split(data, split).map(lambda example: example["frame"]).batch(batch_size).as_numpy_iterator()
    return np.concatenate([predict_gaze(model, batch) for batch in frames])


def _densities(data: Dataset, split: str, sigma: float, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which frames have gaze, bool [n], and all gaze maps, float32 [n, h, w]."""
    batches = evaluation_batches(data, split, batch_size=batch_size, sigma=sigma)
    parts = [(features["gaze_valid"], features["gaze"]) for features, _, _ in batches.as_numpy_iterator()]
    valid, density = zip(*parts)
    return np.concatenate(valid), np.concatenate(density)


def _attention(
    artefact: Artefact, data: Dataset, split: str, gaze: str, batch_size: int, map_size: tuple[int, int]
) -> np.ndarray:
    mode = gaze if "gaze" in artefact.metadata.inputs else "none"
    batches = evaluation_batches(data, split, batch_size=batch_size, sigma=artefact.metadata.sigma, gaze=mode)
    maps = np.concatenate([attention_maps(artefact, features) for features, _, _ in batches.as_numpy_iterator()])
    if maps.shape[1:] == map_size:
        return maps
    # Unpadded convolutions give a smaller grid; the gaze's own grid is the one to compare on.
    return resize(maps, (len(maps), *map_size), order=1, anti_aliasing=False)
