"""Question: how far are simulated planes from real ones? Two numbers; neither is a claim that they are alike.

    python benchmarks/phantom_vs_real.py FETAL_PLANES_DIR --json phantom_vs_real.json

1. Grey levels: per class, the histograms of simulated and of real frames (each frame's own, averaged), compared
   by the 1-Wasserstein distance in grey levels (0 to 255) and by the total variation over 32 bins (0 to 1). Real
   training images against real test images, of other patients, give the scale: what two real samples differ by.
2. A student trained on simulated planes alone (head, abdomen, femur) names the real ones of the official test
   split. Nothing here was chosen on that split: `--split train` shows the part on which a choice may be made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import quiet  # noqa: F401  (before TensorFlow)
from common.console import console, track
from common.errors import InputError, run_command
from common.files import write_text
from common.parsing import Parser

if TYPE_CHECKING:
    import jsonargparse

    from data.dataset import Dataset

ROOT = Path(__file__).resolve().parent.parent
PLANES = ("abdomen", "femur", "head")
REAL = ("abdomen=Fetal abdomen", "femur=Fetal femur", "head=Fetal brain")
# Wide, since a scanner's settings and a picture's crop are what simulated and real frames differ by most.
AUGMENTATION = {
    "rotation_deg": 30,
    "zoom": 0.3,
    "shift": 0.15,
    "brightness": 0.15,
    "contrast": 0.5,
    "gamma": 0.6,
}


def main(argv: list[str]) -> None:
    flags = _parser().parse_args(argv)
    if flags.split not in ("train", "val", "test"):
        raise InputError(f"--split {flags.split}: is none of train, val, test")
    from data.sources import ImageSetConfig, prepare_images

    folder, size = Path(flags.run), tuple(flags.frame_size)
    # The real images first: a wrong folder is found before minutes of simulation.
    config = ImageSetConfig(
        source="fetal-planes", folder=flags.folder, out=folder / "real", frame_size=size, classes=REAL, overwrite=True
    )
    real = prepare_images(config)
    planes = _simulated_planes(folder, flags)
    grey = grey_level_distances(planes, real)
    _train(planes, folder / "student", flags)
    transfer = _transfer(folder / "student" / "student" / "student.keras", real, flags.split)
    report = {
        "frame_size": list(size),
        "patients": flags.patients,
        "difficulty": flags.difficulty,
        "rivals": flags.rivals,
        "seed": flags.seed,
        "epochs": flags.epochs,
        "augmentation": AUGMENTATION,
        "grey_levels": grey,
        "trained_on_simulated_planes": transfer,
    }
    print(markdown(report))
    if flags.json:
        write_text(flags.json, json.dumps(report, indent=2) + "\n")
        console.print(f"wrote {flags.json}")


def _parser() -> Parser:
    parser = Parser(prog="phantom_vs_real.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="FETAL_PLANES_DB: holds FETAL_PLANES_DB_data.csv and Images/")
    parser.add_argument("--frame-size", type=int, nargs=2, default=[112, 144], help="H W, pixels")
    parser.add_argument("--patients", type=int, default=240, help="simulated")
    parser.add_argument("--difficulty", type=str, default="default", help="of the simulated planes")
    parser.add_argument("--rivals", type=float | None, default=None, help="as of prepare.py phantom")
    parser.add_argument("--epochs", type=int, default=12, help="of the student")
    parser.add_argument("--seed", type=int, default=0, help="of simulation and training")
    parser.add_argument("--split", type=str, default="test", help="of the real images: test, or train to choose by")
    parser.add_argument("--run", type=Path, default=Path("runs/phantom_vs_real"), help="data and student are kept here")
    parser.add_argument("--json", type=Path | None, default=None, help="write everything there")
    return parser


def grey_level_distances(simulated: Dataset, real: Dataset) -> dict:
    """Distances of class-matched grey-level histograms, per class and their mean.

    Args:
        simulated, real: opened data sets with the same classes, in the same order.

    Returns:
        {class or "mean": {"simulated_real": {"wasserstein", "total_variation"}, "real_real": ...,
        "mean_grey": [simulated, real], "black": the same for the share of pixels below 8}}.
    """
    ours = _histograms(simulated, ("train", "val", "test"))
    train, test = _histograms(real, ("train", "val")), _histograms(real, ("test",))
    rows = {}
    for index, name in enumerate(real.classes):
        everything = (train[index].sum(0) + test[index].sum(0)) / (len(train[index]) + len(test[index]))
        mine = ours[index].mean(0)
        rows[name] = {
            "simulated_real": histogram_distances(mine, everything),
            "real_real": histogram_distances(train[index].mean(0), test[index].mean(0)),
            "mean_grey": [float(p @ np.arange(256)) for p in (mine, everything)],
            "black": [float(p[:8].sum()) for p in (mine, everything)],
        }
    pairs = ("simulated_real", "real_real")
    rows["mean"] = {
        pair: {key: float(np.mean([row[pair][key] for row in rows.values()])) for key in rows[name][pair]}
        for pair in pairs
    } | {key: np.mean([row[key] for row in rows.values()], axis=0).tolist() for key in ("mean_grey", "black")}
    return rows


def histogram_distances(p: np.ndarray, q: np.ndarray) -> dict:
    """Two densities over 256 grey levels: 1-Wasserstein distance, and total variation over 32 bins."""
    coarse = np.abs(p.reshape(32, 8).sum(1) - q.reshape(32, 8).sum(1))
    return {
        "wasserstein": float(np.abs(np.cumsum(p - q)[:-1]).sum()),
        "total_variation": float(coarse.sum() / 2),
    }


def _histograms(data: Dataset, splits: Sequence[str]) -> list[np.ndarray]:
    """For each class, each frame's histogram: float [n, 256], rows sum to 1."""
    from data.reading import read_split

    rows: list[list] = [[] for _ in data.classes]
    for split in splits:
        if not data.info["splits"][split]["frames"]:
            continue
        for example in read_split(data, split).as_numpy_iterator():
            frame = example["frame"]
            rows[example["label"]].append(np.bincount(frame.ravel(), minlength=256) / frame.size)
    return [np.array(found) for found in rows]


def _simulated_planes(folder: Path, flags: jsonargparse.Namespace) -> Dataset:
    """A data set of the three planes alone, made of simulated recordings; reused if it is there."""
    from data.dataset import FrameRecord, open_dataset, write_dataset
    from data.reading import read_split
    from phantom import PhantomConfig, prepare_phantom
    from phantom.prepare import describe

    config = PhantomConfig(
        patients=flags.patients,
        seed=flags.seed,
        frame_size=tuple(flags.frame_size),
        fps=4.0,
        val_fraction=0.1,
        test_fraction=0.1,
        difficulty=flags.difficulty,
        rivals=flags.rivals,
    )
    settings = {"rivals": None, **describe(config)}
    path = folder / "planes"
    if (path / "dataset.json").is_file():
        data = open_dataset(path)
        if data.frame_size == tuple(flags.frame_size) and settings.items() <= data.info["source"].items():
            console.print(f"simulated planes: reused from {path}")
            return data
    whole = prepare_phantom(folder / "phantom", config, overwrite=True)
    source = {**settings, "checksum": whole.checksum, "kept": "frames of the planes"}
    with write_dataset(
        path,
        classes=PLANES,
        frame_size=whole.frame_size,
        source=source,
        seed=flags.seed,
        overwrite=True,
        rule=whole.rule,
    ) as writer:
        for split in ("train", "val", "test"):
            for example in track(read_split(whole, split).as_numpy_iterator(), f"planes of {split}"):
                name = whole.classes[example["label"]]
                if name in PLANES:
                    record = FrameRecord(
                        example["frame"][..., 0],
                        PLANES.index(name),
                        example["recording_id"].decode(),
                        example["patient_id"].decode(),
                        int(example["frame_index"]),
                        float(example["time_s"]),
                    )
                    writer.add(split, record)
    return open_dataset(path)


def _train(planes: Dataset, run: Path, flags: jsonargparse.Namespace) -> None:
    words = [sys.executable, ROOT / "train.py", "--data", planes.path, "--run", run, "--seed", flags.seed]
    words += ["--teacher", "none", "--gaze", "none", "--stages", "[student]", "--student", "squeezenet_1_1"]
    words += ["--student-options", "{width: 0.45}", "--distil.epochs", flags.epochs, "--distil.learning_rate", "3e-3"]
    words += ["--overwrite"]
    for name, limit in AUGMENTATION.items():
        words += [f"--augment.{name}", limit]
    # train.py silences TensorFlow's start by itself, unless TF_CPP_MIN_LOG_LEVEL is set.
    env = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    if subprocess.run([str(word) for word in words], check=False, env=env).returncode:
        raise InputError(f"{run}: the student was not trained: see the message above")


def _transfer(student: Path, real: Dataset, split: str) -> dict:
    """What the student makes of real images: accuracy with its interval, per class, and what chance is."""
    from evaluation import EvaluateConfig, evaluate

    (row,) = evaluate(EvaluateConfig([student], real.path, split, latency=False))["artefacts"]
    counts = np.array([row["per_class"][name]["support"] for name in real.classes])
    keys = ("n_frames", "n_patients", "accuracy", "accuracy_ci95", "macro_f1", "per_class", "confusion")
    found = {key: row[key] for key in keys}
    balanced = float(np.mean([row["per_class"][name]["recall"] for name in real.classes]))
    chance = {"uniform": 1 / len(counts), "majority": float(counts.max() / counts.sum())}
    return {**found, "split": split, "parameters": row["params"], "balanced_accuracy": balanced, "chance": chance}


def markdown(report: dict) -> str:
    """The report as two Markdown tables."""
    lines = [
        f"{report['patients']} simulated patients ({report['difficulty']}), frames of "
        f"{report['frame_size'][0]}×{report['frame_size'][1]}.",
        "",
        "| class | Wasserstein, grey levels: simulated–real | real–real | total variation, 32 bins: simulated–real "
        "| real–real | mean grey, simulated / real | share below 8, simulated / real |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in report["grey_levels"].items():
        ours, floor, grey, black = (row[key] for key in ("simulated_real", "real_real", "mean_grey", "black"))
        lines.append(
            f"| {name} | {ours['wasserstein']:.1f} | {floor['wasserstein']:.1f} | {ours['total_variation']:.3f} "
            f"| {floor['total_variation']:.3f} | {grey[0]:.0f} / {grey[1]:.0f} | {black[0]:.2f} / {black[1]:.2f} |"
        )
    found = report["trained_on_simulated_planes"]
    low, high = found["accuracy_ci95"] or (float("nan"),) * 2
    lines += [
        "",
        f"A student of {found['parameters']:,} parameters, trained on simulated planes alone, shown the "
        f"{found['n_frames']} real {found['split']} images of {found['n_patients']} patients:",
        "",
        "| | |",
        "|---|---|",
        f"| accuracy (95 % over patients) | {found['accuracy']:.3f} ({low:.3f}–{high:.3f}) |",
        f"| mean recall of the three classes | {found['balanced_accuracy']:.3f} |",
    ]
    for name, row in found["per_class"].items():
        lines.append(f"| recall of {name} ({row['support']} images) | {row['recall']:.3f} |")
    uniform, majority = (found["chance"][key] for key in ("uniform", "majority"))
    lines.append(f"| chance: one of three / always the largest class | {uniform:.3f} / {majority:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_command(main))
