"""Prediction on files: tables, summary, and, where asked for, annotated videos and best frames."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from common.console import console, notice, track
from common.errors import InputError
from common.files import whole_folder, write_text
from deployment.config import PredictConfig, crop_box
from deployment.inputs import Clip, FoundView, find_view, open_clips, require
from deployment.look import Look, find_look
from deployment.prediction import Prediction, Rule, View, answer, classify, prepare, rule_of
from deployment.recordings import open_recordings, recordings_summary
from evaluation.artefacts import Artefact, load_artefact

SUMMARY, TABLE = "summary.json", "predictions.csv"


@dataclasses.dataclass(frozen=True)
class Answered:
    """An input with what came out of it.

    Attributes:
        clip: the input. found: what of it was shown. prediction: the answers.
        files: {what: path relative to the output folder}.
    """

    clip: Clip
    found: FoundView
    prediction: Prediction
    files: dict[str, Any]


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
        clips += open_recordings(config.manifest, artefact.metadata.classes)
    _notices(artefact, config)
    with whole_folder(config.out, overwrite=config.overwrite, marker=SUMMARY) as folder:
        answered = [_predict_clip(artefact, clip, rules, look, config, folder) for clip in clips]
        write_text(folder / TABLE, _table(answered).to_csv(index=False, float_format="%.6f"))
        summary = _summary(artefact, config, answered)
        write_text(folder / SUMMARY, json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    _print(answered, config.out)
    if summary["recordings"] is not None:
        _print_recordings(summary["recordings"])
    return summary


def _notices(artefact: Artefact, config: PredictConfig) -> None:
    metadata = artefact.metadata
    if metadata.decision is None and config.threshold is None:
        notice(
            f"{artefact.path}: its metadata holds no threshold, so nothing is filtered or rejected: give threshold, or "
            "fit one with evaluate.py --fit"
        )
    elif metadata.decision is not None and not metadata.decision.two_sided.reached and config.threshold is None:
        point = metadata.decision.two_sided
        notice(
            f"{artefact.path}: no threshold kept {metadata.decision.target:.0%} accuracy on the validation split; "
            f"this one kept {point.accuracy:.1%}"
        )
    if metadata.ood is None and config.check:
        notice(f"{artefact.path}: its metadata holds no rule for frames unlike the training frames: none is flagged")
    if "gaze" in metadata.inputs:
        notice(f"{artefact.path}: takes gaze, and there is none here: it is given the uniform map")


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
    written: dict[str, str] = {}

    def keep_best(index: int, picture: np.ndarray) -> None:
        if index in best:
            x, y, width, height = view.crop or (0, 0, picture.shape[1], picture.shape[0])
            name = f"{clip.label}_best_{_file_name(best[index])}.png"
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
    """The folder of a refused prediction is not written; the picture that says why is wanted all the same."""
    kept = out.with_name(f"{out.name}_{picture.name}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(picture.read_bytes())
    notice(f"{clip.name}: what was found is drawn in {kept}")


def _table(answered: list[Answered]) -> pd.DataFrame:
    tables = [each.prediction.table.assign(input=each.clip.name) for each in answered]
    joined = pd.concat(tables, ignore_index=True)
    joined["rejected"] = joined["rejected"].astype(int)
    return joined[["input", *joined.columns.drop("input")]]


def _summary(artefact: Artefact, config: PredictConfig, answered: list[Answered]) -> dict[str, Any]:
    metadata = artefact.metadata
    return {
        "artefact": {
            "path": str(artefact.path),
            "sha256": metadata.sha256,
            "name": metadata.name,
            "stage": metadata.stage,
            "classes": list(metadata.classes),
            "frame_size": list(metadata.frame_size),
            "fit": metadata.fit,
            "fan": metadata.fan,
            "version": metadata.version,
            "decision": None if metadata.decision is None else dataclasses.asdict(metadata.decision),
        },
        "settings": {
            "crop": config.crop,
            "pixel_aspect": config.pixel_aspect,
            "fps": config.fps,
            "check": bool(config.check and metadata.ood is not None),
        },
        "inputs": [_input_summary(each) for each in answered],
        "recordings": recordings_summary([(each.clip, each.prediction) for each in answered], metadata),
    }


def _input_summary(each: Answered) -> dict[str, Any]:
    video, prediction, found = each.clip.video, each.prediction, each.found
    table = prediction.table
    kept = table[~table["rejected"]]
    best = prediction.best_frames()
    for name, file in each.files.get("best", {}).items():
        best[name]["file"] = file
    return {
        "input": each.clip.name,
        "sha256": each.clip.sha256(),
        "frames": len(video),
        "duration_s": round(video.duration_s, 6),
        "size_px": list(video.size),
        "crop": {
            "box": list(found.view.crop or (0, 0, *video.size)),
            "how": found.how,
            "confidence": None if found.confidence is None else round(found.confidence, 4),
        },
        "rule": dataclasses.asdict(prediction.rule),
        "kept": {name: int((kept["smoothed_class"] == name).sum()) for name in prediction.classes},
        "rejected": int(table["rejected"].sum()),
        "flagged": {str(name): int(n) for name, n in table["flag"][table["flag"] != ""].value_counts().items()},
        "intervals": prediction.intervals(),
        "best_frames": best,
        **{key: value for key, value in each.files.items() if key != "best"},
    }


def _print(answered: list[Answered], out: Path) -> None:
    for each in answered:
        prediction, found = each.prediction, each.found
        table = prediction.table
        x, y, width, height = found.view.crop or (0, 0, *each.clip.video.size)
        sure = "" if found.confidence is None else f" (confidence {found.confidence:.2f})"
        lines = [f"{each.clip.name}: {len(table)} frames, crop {x},{y},{width},{height} {found.how}{sure}"]
        rejected, flagged = int(table["rejected"].sum()), int((table["flag"] != "").sum())
        lines.append(f"  rejected {rejected} of {len(table)}, {flagged} of them unlike the training frames")
        for row in prediction.intervals()[:20]:
            lines.append(
                f"  {row['start_s']:8.2f} – {row['end_s']:.2f} s  {row['class']}, {row['frames']} frames, "
                f"mean confidence {row['confidence']:.2f}"
            )
        console.print("\n".join(lines), markup=False, highlight=False)
    files = [name for each in answered for name in _names(each.files)]
    for name in [TABLE, SUMMARY, *files]:
        console.print(f"wrote {out / name}", markup=False, highlight=False)


def _print_recordings(worth: dict[str, Any]) -> None:
    lines = [f"{worth['frames']} labelled frames, accuracy {worth['accuracy']:.3f} without a filter"]
    clips = worth["clips"]
    if clips is not None:
        first, decision = clips["time_to_first_correct_s"], clips["frames_to_decision"]
        lines.append(
            f"{clips['n_clips']} clips, accuracy {clips['accuracy']:.3f}; first correct answer after "
            f"{_number(first['median'])} s (median; never in {first['never']}), first decision at frame "
            f"{_number(decision['median'])} (never in {decision['never']})"
        )
    console.print("\n".join(lines), markup=False, highlight=False)


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:g}"


def _names(files: dict[str, Any]) -> list[str]:
    return [name for value in files.values() for name in (value.values() if isinstance(value, dict) else [value])]


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)
