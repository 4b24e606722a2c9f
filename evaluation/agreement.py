"""Does a model look where the sonographer looked? Attention against gaze, over a split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skimage.transform import resize

from common.errors import InputError
from data.dataset import Dataset, read_split
from data.pipeline import evaluation_batches
from evaluation.artefacts import Artefact
from evaluation.attention import attention_maps, has_attention
from evaluation.saliency import fixated_pixels, saliency_table, static_prior


def gaze_agreement(
    artefacts: Sequence[Artefact], data: Dataset, split: str, *, gaze: str = "real", batch_size: int = 64
) -> dict:
    """Saliency metrics of every artefact that shows its attention, over frames with gaze.

    Args:
        artefacts: those that are not `.keras`, or lack the tap, are left out.
        data, split: the frames.
        gaze: what teachers see; what is compared with is always the real gaze.
        batch_size: frames a batch.

    Returns:
        {"n_frames", "rows": [{"name": path, or "static prior", or "uniform", "kld", "cc",
        "sim", "nss", "auc_judd", "sauc"}]}. The static prior is the mean gaze map of the
        training split.

    Raises:
        InputError: the split, or the training split, has no gaze on any frame.
    """
    require_gaze(data, split)
    sigma = artefacts[0].metadata.sigma
    valid, density = _densities(data, split, sigma, batch_size)
    train_valid, train_density = _densities(data, "train", sigma, batch_size)
    map_size = density.shape[1:]
    points = read_split(data, split).map(lambda example: (example["gaze_x"], example["gaze_y"]))
    fixated = np.array([fixated_pixels(x, y, map_size) for x, y in points.as_numpy_iterator()])
    maps = {
        str(artefact.path): _attention(artefact, data, split, gaze, batch_size, map_size)[valid]
        for artefact in artefacts
        if has_attention(artefact)
    }
    table = saliency_table(maps, density[valid], fixated[valid], static_prior(train_density[train_valid]))
    return {"n_frames": int(valid.sum()), "rows": table.rename_axis("name").reset_index().to_dict("records")}


def require_gaze(data: Dataset, split: str) -> None:
    """Refuse a split without gaze, or a training split without it, which the prior comes from.

    Raises:
        InputError: naming the split.
    """
    for name in dict.fromkeys(("train", split)):
        if not data.gaze_frames(name):
            raise InputError(f"{data.path}: split {name!r} has no gaze to compare with: leave out --saliency")


def _densities(data: Dataset, split: str, sigma: float, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which frames have gaze, bool [n], and all gaze maps, float32 [n, h, w]."""
    batches = evaluation_batches(data, split, batch_size=batch_size, sigma=sigma)
    parts = [(features["gaze_valid"], features["gaze"]) for features, _, _ in batches.as_numpy_iterator()]
    valid, density = zip(*parts)
    return np.concatenate(valid), np.concatenate(density)


def _attention(artefact, data, split, gaze, batch_size, map_size) -> np.ndarray:
    mode = gaze if "gaze" in artefact.metadata.inputs else "none"
    batches = evaluation_batches(data, split, batch_size=batch_size, sigma=artefact.metadata.sigma, gaze=mode)
    maps = np.concatenate([attention_maps(artefact, features) for features, _, _ in batches.as_numpy_iterator()])
    if maps.shape[1:] == map_size:
        return maps
    # Unpadded convolutions give a smaller grid; the gaze's own grid is the one to compare on.
    return resize(maps, (len(maps), *map_size), order=1, anti_aliasing=False)
