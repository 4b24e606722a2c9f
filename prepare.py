"""Make a data set: from recordings with gaze, from FETAL_PLANES_DB, or from simulated recordings.

    python prepare.py recordings MANIFEST.csv --out DIR    your videos and eye-tracker files
    python prepare.py fetal-planes DIR --out DIR           the public FETAL_PLANES_DB (no gaze)
    python prepare.py phantom --out DIR                    simulated recordings, to try everything
    python prepare.py gaze FILE...                         what is in an eye tracker's file?

Each subcommand has its own --help. A data set is a folder of TFRecord shards with a
dataset.json that says what was kept and what was refused; it is written whole or not at all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from common.errors import run_command
from common.parsing import Parser


def main(argv: list[str]) -> int:
    parser = Parser(prog="prepare.py", description=__doc__)
    commands = parser.add_subcommands()
    commands.add_subcommand("recordings", _recordings_flags(), help="videos, labels and gaze, by a manifest")
    commands.add_subcommand("fetal-planes", _fetal_planes_flags(), help="FETAL_PLANES_DB in its official layout")
    commands.add_subcommand("phantom", _phantom_flags(), help="simulated recordings")
    commands.add_subcommand("gaze", _gaze_flags(), help="describe eye-tracker files")
    chosen = parser.parse_args(argv)
    flags = chosen[chosen.subcommand]
    from common import quiet  # noqa: F401  (before TensorFlow, and not in the simulation's worker processes)

    return {
        "recordings": _recordings,
        "fetal-planes": _fetal_planes,
        "phantom": _phantom,
        "gaze": _gaze,
    }[chosen.subcommand](flags)


def _output_flags(parser: Parser) -> Parser:
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set; must not exist yet")
    parser.add_argument(
        "--frame-size", type=int, nargs=2, metavar=("H", "W"), default=[224, 288], help="frames' size, pixels"
    )
    parser.add_argument("--val-fraction", type=float, default=0.15, help="share of the patients for validation")
    parser.add_argument("--seed", type=int, default=0, help="of the split by patients (and of the simulation)")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it is there")
    return parser


def _recordings_flags() -> Parser:
    parser = _output_flags(Parser(description="Recordings by a manifest: one row a clip, paths relative to it."))
    parser.add_argument("manifest", type=Path, help="CSV: recording_id, patient_id, video, label or labels, gaze, ...")
    parser.add_argument("--fps", type=float | None, default=None, help="frames kept per second (default: all)")
    parser.add_argument("--test-fraction", type=float, default=0.2, help="share of the patients for the test")
    parser.add_argument(
        "--classes",
        type=str,
        nargs="+",
        default=None,
        help="class names in order (default: the labels found)",
    )
    parser.add_argument("--unlabelled", action="store_true", help="keep frames outside every label, without a label")
    return parser


def _recordings(flags) -> int:
    from data.recordings import prepare_recordings
    from data.report import print_dataset_report

    data = prepare_recordings(
        flags.manifest,
        flags.out,
        frame_size=tuple(flags.frame_size),
        fps=flags.fps,
        classes=flags.classes,
        val_fraction=flags.val_fraction,
        test_fraction=flags.test_fraction,
        seed=flags.seed,
        overwrite=flags.overwrite,
        unlabelled=flags.unlabelled,
    )
    print_dataset_report(data)
    return 0


def _fetal_planes_flags() -> Parser:
    parser = _output_flags(Parser(description="FETAL_PLANES_DB: official patients and split, no gaze."))
    parser.add_argument("folder", type=Path, help="holds FETAL_PLANES_DB_data.csv and Images/")
    parser.add_argument(
        "--classes",
        type=str,
        nargs="+",
        default=None,
        help="name=plane,plane ... with * for the rest (default: abdomen, head, femur, and the rest as other)",
    )
    return parser


def _fetal_planes(flags) -> int:
    from data.fetal_planes import DEFAULT_CLASSES, prepare_fetal_planes
    from data.report import print_dataset_report

    data = prepare_fetal_planes(
        flags.folder,
        flags.out,
        frame_size=tuple(flags.frame_size),
        classes=flags.classes or DEFAULT_CLASSES,
        val_fraction=flags.val_fraction,
        seed=flags.seed,
        overwrite=flags.overwrite,
    )
    print_dataset_report(data)
    return 0


def _phantom_flags() -> Parser:
    parser = _output_flags(Parser(description="Simulated recordings, written to OUT/recordings and read back."))
    parser.add_argument("--patients", type=int, default=60, help="number of simulated patients")
    parser.add_argument("--fps", type=float, default=10.0, help="frames per second of the simulated videos")
    parser.add_argument("--test-fraction", type=float, default=0.2, help="share of the patients for the test")
    parser.add_argument(
        "--difficulty", type=str, default="default", help="easy, default or hard: how clear the planes are"
    )
    return parser


def _phantom(flags) -> int:
    from data.phantom import prepare_phantom
    from data.report import print_dataset_report

    data = prepare_phantom(
        flags.out,
        patients=flags.patients,
        seed=flags.seed,
        frame_size=tuple(flags.frame_size),
        fps=flags.fps,
        val_fraction=flags.val_fraction,
        test_fraction=flags.test_fraction,
        difficulty=flags.difficulty,
        overwrite=flags.overwrite,
    )
    print_dataset_report(data)
    return 0


def _gaze_flags() -> Parser:
    parser = Parser(description="Format, samples, times, rate, off-screen samples, gaps and clock jumps of gaze files.")
    parser.add_argument("files", type=Path, nargs="+", help="eye-tracker files; the format is read from the header")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--screen-px",
        type=int,
        nargs=2,
        metavar=("W", "H"),
        default=None,
        help="for formats that give pixels",
    )
    return parser


def _gaze(flags) -> int:
    from data.gaze_report import gaze_command

    gaze_command(flags.files, flags.json, tuple(flags.screen_px) if flags.screen_px else None)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
