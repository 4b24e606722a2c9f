"""Prediction on files: tables, summary, and, where asked for, annotated videos and best frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common.console import notice, track
from common.errors import InputError
from common.file_names import file_names
from common.files import whole_folder, write_text
from deployment.config import PredictConfig, crop_box
from deployment.inputs import Clip, distinct_labels, open_clips
from deployment.look import Look, find_look
from deployment.missing import say_missing
from deployment.outputs import (
    SUMMARY,
    TABLE,
    Answered,
    named,
    print_answers,
    print_recordings,
    summary_of,
    table_of,
)
from deployment.prediction import Prediction, Rule, View, answer, classify, prepare, rule_of
from deployment.recordings import open_recordings
from deployment.view import FoundView, find_view, require, unblanked_notice
from evaluation.artefacts import Artefact, load_artefact


def predict_files(config: PredictConfig) -> dict[str, Any]:
    """Predict on every input and write the output folder, whole or not at all.

    Args:
        config: with `inputs` and `out`.

    Returns:
        What `summary.json` holds.

    Raises:
        InputError: an artefact or an input that can't be read, a crop that is not sure, or a folder that can't
            be written. Every input is opened before the first is decoded.
    """
    if config.out is None:
        raise InputError("out is missing: name the folder for predictions.csv and summary.json")
    artefact = load_artefact(config.artefact, trust=config.trust)
    rules = {kind: rule_of(artefact, kind, config.threshold, config.smoothing) for kind in ("still", "two_sided")}
    look = find_look(artefact) if config.attention else None
    if look is not None:
        notice(f"attention: {look.what}")
    clips = open_clips(config.inputs, config.fps)
    if config.manifest is not None:
        clips += open_recordings(config.manifest, artefact.metadata.classes, config.fps, crop_box(config.crop))
    clips = distinct_labels(clips)
    say_missing(artefact, config, "two_sided")
    with whole_folder(config.out, overwrite=config.overwrite, marker=SUMMARY) as folder:
        answered = [_predict_clip(artefact, clip, rules, look, config, folder) for clip in clips]
        answered = named(answered)
        write_text(folder / TABLE, table_of(answered).to_csv(index=False, float_format="%.6f"))
        summary = summary_of(artefact, config, answered)
        write_text(folder / SUMMARY, json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    print_answers(answered, config.out)
    if summary["recordings"] is not None:
        print_recordings(summary["recordings"])
    return summary


def _predict_clip(
    artefact: Artefact,
    clip: Clip,
    rules: dict[str, Rule],
    look: Look | None,
    config: PredictConfig,
    folder: Path,
) -> Answered:
    video, metadata = clip.video, artefact.metadata
    crop = config.crop if clip.box is None else "given"
    found = find_view(video, crop, clip.box or crop_box(config.crop), metadata.fan, config.pixel_aspect)
    files: dict[str, Any] = {}
    if config.show_crop:
        files["crop_picture"] = _write_crop(clip, found, folder)
    if found.refused and config.show_crop and config.out is not None:
        _keep_crop(clip, folder / files["crop_picture"], config.out)
    view = require(found, clip.name)
    if said := unblanked_notice(found, clip.name):
        notice(said)
    prepared = (prepare(artefact, picture, view) for _, _, picture in track(video, clip.label, len(video)))
    probabilities, flags = classify(artefact, prepared, check=config.check)
    rule = rules["still" if len(video) == 1 else "two_sided"]
    prediction = answer(metadata.classes, probabilities, flags, video.times_s, rule)
    if config.video and len(video) == 1:
        notice(f"{clip.name}: is one image, of which no video is made")
    if (config.video and len(video) > 1) or config.frames:
        files |= _write_pictures(artefact, clip, view, prediction, look, config, folder)
    return Answered(clip, found, prediction, files)


def _write_pictures(
    artefact: Artefact,
    clip: Clip,
    view: View,
    prediction: Prediction,
    look: Look | None,
    config: PredictConfig,
    folder: Path,
) -> dict[str, Any]:
    """A second pass over the clip: the annotated video, the best frames, or both."""
    from deployment.annotate import Annotator
    from deployment.film import open_film

    best = {row["frame"]: name for name, row in prediction.best_frames().items()} if config.frames else {}
    part = dict(zip(prediction.classes, file_names(prediction.classes)))
    written: dict[str, str] = {}

    def keep_best(index: int, picture: np.ndarray) -> None:
        if index in best:
            x, y, width, height = view.crop or (0, 0, picture.shape[1], picture.shape[0])
            name = f"{clip.label}_best_{part[best[index]]}.png"
            Image.fromarray(picture[y : y + height, x : x + width]).save(folder / name)
            written[best[index]] = name

    if not config.video or len(clip.video) == 1:
        for index, _, picture in clip.video:
            keep_best(index, picture)
        return {"best": written}
    annotator = Annotator(prediction, clip.video.size, view, artefact.metadata, f"{clip.label}, for research only")
    name = f"{clip.label}_annotated.mp4"
    with open_film(folder / name, annotator.layout.size) as film:
        for index, time_s, picture in track(clip.video, f"{clip.label}, drawing", len(clip.video)):
            keep_best(index, picture)
            seen = look.of(prepare(artefact, picture, view)) if look is not None else None
            film.add(annotator.draw(index, picture, seen), time_s)
    return {"video": name, **({"best": written} if config.frames else {})}


def _write_crop(clip: Clip, found: FoundView, folder: Path) -> str:
    from deployment.annotate import draw_crop

    middle = len(clip.video) // 2
    picture = next(frame for index, _, frame in clip.video if index == middle)
    box = ",".join(map(str, found.view.crop)) if found.view.crop else "the whole picture"
    sure = "" if found.confidence is None else f", confidence {found.confidence:.2f}"
    caption = f"{found.how}: {box}{sure}" + (f"; refused: {found.refused}" if found.refused else "")
    name = f"{clip.label}_crop.png"
    Image.fromarray(draw_crop(picture, found.view.crop, caption)).save(folder / name)
    return name


def _keep_crop(clip: Clip, picture: Path, out: Path) -> None:
    """Keep the picture that shows why, since the folder of a refused prediction is not written."""
    named = out if out.name else out.resolve()  # "." has no name
    kept = named.with_name(f"{named.name}_{picture.name}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(picture.read_bytes())
    notice(f"{clip.name}: what was found is drawn in {kept}")
