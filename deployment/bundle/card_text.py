"""The model card as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from common.markdown import markdown_table

_Card = Mapping[str, Any]


def markdown(card: _Card) -> str:
    """The page of a model card (`card.model_card`)."""
    parts = [
        *_head(card),
        *_use(card),
        *_input(card),
        *_data(card["data"]),
        *_accuracy(card["accuracy"]),
        *_confidence(card),
        *_cost(card),
        *_engines(card),
        *_provenance(card["provenance"]),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _head(card: _Card) -> list[str]:
    model, teacher = card["model"], card["model"]["teacher"]
    taught = "trained without a teacher"
    if teacher is not None:
        ratio = f", compression ratio {model['compression_to_teacher']:,.0f}" if model["compression_to_teacher"] else ""
        taught = f"taught by {teacher['name']} ({teacher['params']:,} parameters{ratio})"
    if model["compression_to_conventional"]:
        taught += f"; compression ratio {model['compression_to_conventional']:,.0f} to {model['conventional']}"
    rows = {
        "Task": card["task"],
        "Architecture": f"{model['architecture']}, 8-bit; {_count(model['parameters'])} parameters, "
        f"{_count(model['multiply_accumulates'])} multiply-accumulates a frame; {taught}",
        "Version": card["version"],
        "Licence": card["licence"],
        "Contact": card["contact"],
    }
    return [f"# {model['architecture']}, 8-bit", "", *_table(("", ""), rows.items())]


def _use(card: _Card) -> list[str]:
    lines = ["## Intended use", "", *_list(card["intended_use"]), "## Limits", "", *_list(card["limits"])]
    return lines


def _input(card: _Card) -> list[str]:
    shape = " × ".join(map(str, card["input"]["shape"]))
    return ["## Input", "", f"uint8 [{shape}]. {card['input']['preparation']}", ""]


def _data(data: _Card) -> list[str]:
    rows = [
        (
            split,
            f"{facts['frames']:,}",
            f"{facts['patients']:,}",
            f"{facts['recordings']:,}",
            ", ".join(f"{name} {count:,}" for name, count in facts["frames_per_class"].items()),
            f"{facts['gaze_frames']:,}",
        )
        for split, facts in data["splits"].items()
    ]
    cited = f" {data['citation']}." if data["citation"] else ""
    seed = "as the source has it" if data["split_seed"] is None else f"seed {data['split_seed']}"
    return [
        "## Data",
        "",
        f"{data['name']}; licence: {data['licence']}.{cited} Split by {data['split_by']}, {seed}; no patient is in two "
        f"splits. Frames of {data['frame_size'][0]}×{data['frame_size'][1]}. Checksum `{data['checksum']}`.",
        "",
        *_table(("split", "frames", "patients", "recordings", "frames a class", "with gaze"), rows),
    ]


def _accuracy(accuracy: _Card) -> list[str]:
    frames = f"{accuracy['n_frames']:,} labelled frames of {accuracy['n_patients']:,} patients"
    votes = accuracy["votes"]
    lines = [
        "## Accuracy",
        "",
        f"On the split {accuracy['split']}: {frames}. Intervals are 95 %, by bootstrap over patients.",
        "",
        f"- accuracy {_share(accuracy['accuracy'], accuracy['accuracy_ci95'])}",
        f"- macro-F1 {_share(accuracy['macro_f1'], accuracy['macro_f1_ci95'])}",
        f"- one answer per recording and class, by the mean of its frames: {votes['accuracy']:.3f} of "
        f"{votes['n_groups']:,}",
        "",
    ]
    classes = [
        (
            name,
            f"{facts['support']:,}",
            _share(facts["recall"], facts["recall_ci95"]),
            _share(facts["precision"], facts["precision_ci95"]),
            f"{facts['f1']:.3f}",
        )
        for name, facts in accuracy["per_class"].items()
    ]
    scanners = [
        (name, f"{facts['n_frames']:,}", f"{facts['n_patients']:,}", _share(facts["accuracy"], facts["accuracy_ci95"]))
        for name, facts in accuracy["per_scanner"].items()
    ]
    names = list(accuracy["per_class"])
    confusion = [(f"**{name}**", *map(str, row)) for name, row in zip(names, accuracy["confusion"])]
    return [
        *lines,
        *_table(("class", "frames", "recall", "precision", "F1"), classes),
        *(_table(("scanner", "frames", "patients", "accuracy"), scanners) if scanners else []),
        "Rows are true classes, columns answers:",
        "",
        *_table(("", *names), confusion),
    ]


def _confidence(card: _Card) -> list[str]:
    calibration, decision, unlike = card["calibration"], card["decision"], card["unlike_frames"]
    lines = [
        "## Confidence",
        "",
        f"- expected calibration error {calibration['expected_calibration_error']:.3f}, over 15 bins of confidence",
    ]
    if decision is not None:
        point, kept = decision["still"], calibration["selective"]
        lines.append(
            f"- threshold {point['threshold']:.3f} for single frames, fitted on {decision['frames']:,} validation "
            f"frames for an accuracy of {decision['target']:.0%} on what is kept: there it keeps "
            f"{point['coverage']:.1%} at {point['accuracy']:.1%}"
            + ("" if point["reached"] else ", the most that was reached")
        )
        if kept and kept.get("accuracy") is not None:
            lines.append(
                f"- the same threshold on the split of this card keeps {kept['coverage']:.1%} at {kept['accuracy']:.1%}"
            )
    if unlike is not None and unlike["flagged"] is not None:
        lines.append(f"- {unlike['flagged']:.1%} of these frames are flagged as unlike the training frames")
    return [*lines, ""]


def _cost(card: _Card) -> list[str]:
    latency, memory = card["latency_ms"], card["memory_bytes"]
    timed = "not measured"
    if latency["median"] is not None:
        timed = f"{latency['median']:.2f} ms median, {latency['p95']:.2f} ms 95th percentile ({latency['engine']})"
    rows = {
        "Latency": timed,
        "Memory, LiteRT": _bytes(memory["litert_peak"], "at the peak of loading and one answer"),
        "Memory, TensorFlow Lite Micro": _bytes(memory["micro_arena"], "arena, counted on a machine of 64 bits"),
        "Measured on": card["provenance"]["measured_on"],
    }
    sizes = [(f"`{name}`", f"{count:,}") for name, count in card["size_bytes"].items()]
    return ["## Size, time, memory", "", *_table(("", ""), rows.items()), *_table(("file", "bytes"), sizes)]


def _engines(card: _Card) -> list[str]:
    rows = []
    for name, facts in card["parity_with_litert"].items():
        if "not_measured" in facts:
            rows.append((name, "", "", facts["not_measured"]))
        else:
            rows.append(
                (name, f"{facts['frames']:,}", f"{facts['same_class']:.2%}", f"{facts['largest_difference']:.4f}")
            )
    head = ("engine or variant", "frames", "same class", "largest difference of a probability")
    operators = ", ".join(f"`{name}`" for name in card["operators"])
    return ["## Other engines, against LiteRT", "", *_table(head, rows), f"Operators: {operators}.", ""]


def _provenance(provenance: _Card) -> list[str]:
    seeds = ", ".join(f"{name} {seed}" for name, seed in provenance["seeds"].items() if seed is not None)
    rows = {
        "Trained with": f"{provenance['trained_with']}; commit {provenance['commit_of_training'] or 'not recorded'}",
        "Exported with": f"{provenance['exported_with']}, {provenance['date']}",
        "Seeds": seeds,
        "Packages": ", ".join(f"{name} {version}" for name, version in provenance["packages"].items()),
        "Data of the training": f"`{provenance['dataset_checksum_of_training']}`",
        "8-bit file in the run folder": f"`{provenance['sha256_in_the_run_folder']}`",
    }
    checksums = [(f"`{name}`", f"`{digest}`") for name, digest in provenance["sha256"].items()]
    settings = yaml.safe_dump(provenance["configuration"], sort_keys=False, allow_unicode=True)
    return [
        "## Provenance",
        "",
        *_table(("", ""), rows.items()),
        *_table(("file", "SHA-256"), checksums),
        "Settings of the training:",
        "",
        "```yaml",
        settings.rstrip(),
        "```",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [*markdown_table(head, rows), ""]


def _list(lines: Sequence[str]) -> list[str]:
    return [*(f"- {line}" for line in lines), ""]


def _share(value: float, interval: Sequence[float] | None) -> str:
    return f"{value:.3f}" if interval is None else f"{value:.3f} ({interval[0]:.3f}–{interval[1]:.3f})"


def _bytes(count: int | None, what: str) -> str:
    return "not measured" if count is None else f"{count:,} bytes, {what}"


def _count(number: int | None) -> str:
    return "not counted" if number is None else f"{number:,}"
