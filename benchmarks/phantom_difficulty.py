"""How difficult is the phantom? Fixed small reference models at each level, and what gaze gives a large teacher.

    python benchmarks/phantom_difficulty.py --json phantom_difficulty.json

Data as the demo's (96×128, 240 simulated patients, 1.25 frames a second kept, data seed 0), at easy, default and hard:
a logistic regression on 12×16 pixels, a network that sees gaze maps alone (the data card's), and the demo's
student trained alone. At default also the demo's teacher with gaze and the same teacher without, one pair for
each training seed. Everything lies under runs/phantom_difficulty; run again, it goes on where it stopped, since
`train.py` reuses what was trained with the same settings on the same data. It prints beforehand what is to be
trained and about how long that takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import quiet  # noqa: F401  (before TensorFlow)
from common.console import console
from common.errors import InputError, run_command
from common.files import write_text
from common.parsing import Parser
from phantom.difficulty import DIFFICULTIES

if TYPE_CHECKING:
    import jsonargparse

    from data.dataset import Dataset

ROOT = Path(__file__).resolve().parent.parent
LEVELS = tuple(DIFFICULTIES)
DATA_SEED, FRAME_SIZE, FPS, KEEP_FPS = 0, (96, 128), 2.5, 1.25
PIXELS = (12, 16)
STUDENT = ("--teacher", "none", "--gaze", "none", "--stages", "[student]")
TEACHERS = {
    "with gaze": ("--stages", "[teacher]"),
    "without gaze": (
        "--stages",
        "[teacher]",
        "--gaze",
        "none",
        "--teacher-options",
        "{width: 0.5, fusion: none}",
    ),
}
# Core-seconds a frame and epoch, for the estimate alone.
SECONDS = {"student": 0.005, "teacher": 0.024}
START_S = 15  # a process that loads TensorFlow, builds, exports and evaluates


def main(argv: list[str]) -> None:
    flags = _parser().parse_args(argv)
    unknown = set(flags.levels) - set(LEVELS)
    if unknown:
        raise InputError(f"--levels {' '.join(sorted(unknown))}: choose of {', '.join(LEVELS)}")
    _announce(flags)
    rows, gains = {}, []
    for level in flags.levels:
        data = _data(level, flags)
        rows[level] = {
            "pixel_logistic_regression": pixel_accuracy(data),
            "gaze_map_alone": data.info["card"]["gaze_map_alone"]["accuracy"],
            "student_alone": [
                _trained(data, flags, f"{level}/student_{seed}", seed, "student", STUDENT) for seed in flags.seeds
            ],
            "n_train": data.frames("train"),
            "n_test": data.frames("test"),
        }
        if level == "default":
            for seed in flags.seeds:
                pair = {
                    name: _trained(data, flags, f"{level}/teacher_{name}_{seed}", seed, "teacher", words)
                    for name, words in TEACHERS.items()
                }
                gains.append({"seed": seed, **pair, "gain": pair["with gaze"] - pair["without gaze"]})
    report = {"patients": flags.patients, "epochs": flags.epochs, "levels": rows, "teacher_default": gains}
    if gains:
        report["mean_gain"] = float(np.mean([row["gain"] for row in gains]))
    print(markdown(report))
    if flags.json:
        write_text(flags.json, json.dumps(report, indent=2) + "\n")
        console.print(f"wrote {flags.json}")


def _parser() -> Parser:
    parser = Parser(prog="phantom_difficulty.py", description=__doc__)
    parser.add_argument("--levels", type=str, nargs="+", default=list(LEVELS), help="any of " + ", ".join(LEVELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the trainings")
    parser.add_argument("--patients", type=int, default=240, help="simulated, of each level")
    parser.add_argument("--epochs", type=int | None, default=None, help="of every training (default: the demo's)")
    parser.add_argument("--run", type=Path, default=Path("runs/phantom_difficulty"), help="data and runs are kept here")
    parser.add_argument("--json", type=Path | None, default=None, help="write everything there")
    return parser


def pixel_accuracy(data: Dataset) -> float:
    """Test accuracy of a logistic regression on block means of the frames, trained on the train split.

    A frame of 96×128 gives 12×16 of them; patients of the two splits are never the same.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.001, max_iter=300))
    model.fit(*_pixels(data, "train"))
    return float(model.score(*_pixels(data, "test")))


def _pixels(data: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Block means [n, 12·16] in [0, 1], and labels [n]."""
    from data.reading import read_split

    rows, columns = PIXELS
    height, width = data.frame_size
    frames, labels = [], []
    for example in read_split(data, split).as_numpy_iterator():
        blocks = example["frame"].reshape(rows, height // rows, columns, width // columns)
        frames.append(blocks.mean((1, 3)).ravel() / 255)
        labels.append(example["label"])
    return np.array(frames), np.array(labels)


def _data(level: str, flags: jsonargparse.Namespace) -> Dataset:
    """The level's data set; made where it is missing or was made by other settings."""
    from data.dataset import open_dataset
    from phantom import PhantomConfig
    from phantom.prepare import describe

    path = flags.run / level / "data"
    about = {"frame_size": FRAME_SIZE, "fps": FPS, "keep_fps": KEEP_FPS}
    config = PhantomConfig(patients=flags.patients, seed=DATA_SEED, difficulty=level, **about)
    wanted = describe(config)
    if (path / "dataset.json").is_file():
        data = open_dataset(path)
        if wanted.items() <= data.info["source"].items() and data.frame_size == FRAME_SIZE and "card" in data.info:
            console.print(f"{level}: data reused from {path}")
            return data
    words = ["prepare.py", "phantom", "--out", path, "--frame-size", *FRAME_SIZE, "--fps", FPS, "--keep-fps", KEEP_FPS]
    words += ["--seed", DATA_SEED, "--patients", flags.patients, "--difficulty", level, "--overwrite"]
    _call(f"{level}: data", words)
    return open_dataset(path)


def _trained(data: Dataset, flags: jsonargparse.Namespace, name: str, seed: int, stage: str, words: tuple) -> float:
    """Test accuracy of a stage trained by `train.py` with the demo's settings, or reused."""
    run = flags.run / name.replace(" ", "_")
    command = ["train.py", "--config", ROOT / "configs" / "demo.yaml", "--data", data.path, "--run", run]
    command += ["--seed", seed, "--overwrite", *words]
    if flags.epochs is not None:
        command += ["--teach.epochs", flags.epochs, "--distil.epochs", flags.epochs]
    _call(name, command)
    report = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return next(row["accuracy"] for row in report["artefacts"] if row["path"].endswith(f"{stage}.keras"))


def _call(name: str, words: list) -> None:
    console.rule(name)
    command = [sys.executable, str(ROOT / words[0]), *(str(word) for word in words[1:])]
    # The commands silence TensorFlow's start by themselves, unless TF_CPP_MIN_LOG_LEVEL is set.
    env = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    if subprocess.run(command, check=False, env=env).returncode:
        raise InputError(f"{name}: {words[0]} failed: see the message above")


def _announce(flags: jsonargparse.Namespace) -> None:
    """Say what is to be done and about how long it takes."""
    import yaml

    demo = yaml.safe_load((ROOT / "configs" / "demo.yaml").read_text(encoding="utf-8"))
    students = len(flags.levels) * len(flags.seeds)
    teachers = 2 * len(flags.seeds) * ("default" in flags.levels)
    frames = 7.7 * flags.patients  # of the train split
    epochs = {"student": flags.epochs or demo["distil"]["epochs"], "teacher": flags.epochs or demo["teach"]["epochs"]}
    seconds = {stage: START_S + frames * epochs[stage] * cost for stage, cost in SECONDS.items()}
    total = students * seconds["student"] + teachers * seconds["teacher"]
    console.print(
        f"{len(flags.levels)} data sets of {flags.patients} simulated patients, {students} students and {teachers} "
        f"teachers: about {total / 60:.0f} core-minutes of training, less what is there already in {flags.run}"
    )


def markdown(report: dict) -> str:
    """The report as Markdown: a table of levels, and one of the teacher with and without gaze."""
    lines = [
        f"Accuracy on simulated test frames, {report['patients']} simulated patients; chance is 0.25.",
        "",
        "| level | logistic regression on pixels | gaze map alone | student alone (each seed) | mean |",
        "|---|---|---|---|---|",
    ]
    for level, row in report["levels"].items():
        students = row["student_alone"]
        lines.append(
            f"| {level} | {row['pixel_logistic_regression']:.3f} | {row['gaze_map_alone']:.3f} "
            f"| {', '.join(f'{value:.3f}' for value in students)} | {np.mean(students):.3f} |"
        )
    if report["teacher_default"]:
        lines += [
            "",
            "| seed (default) | teacher with gaze | without gaze | gain, percentage points |",
            "|---|---|---|---|",
        ]
        for row in report["teacher_default"]:
            lines.append(
                f"| {row['seed']} | {row['with gaze']:.3f} | {row['without gaze']:.3f} | {100 * row['gain']:+.1f} |"
            )
        with_gaze, without = (np.mean([row[name] for row in report["teacher_default"]]) for name in TEACHERS)
        lines.append(f"| mean | {with_gaze:.3f} | {without:.3f} | {100 * report['mean_gain']:+.1f} |")
        lines += ["", *_aims(report)]
    return "\n".join(lines)


def _aims(report: dict) -> list[str]:
    """What the default level is made for, and whether it is so."""
    row = report["levels"]["default"]
    aims = {
        "student alone, each seed, from 0.70 to 0.88": all(0.70 <= value <= 0.88 for value in row["student_alone"]),
        "gaze map alone at most 0.45": row["gaze_map_alone"] <= 0.45,
        "gain of at least 3 percentage points, on average": report["mean_gain"] >= 0.03,
    }
    return [f"- aim of `default`: {aim}: {'reached' if reached else 'NOT reached'}" for aim, reached in aims.items()]


if __name__ == "__main__":
    sys.exit(run_command(main))
