"""Make a data set: from recordings with gaze, from FETAL_PLANES_DB, or from simulated recordings.

    python prepare.py recordings MANIFEST.csv --out DIR    your videos and eye-tracker files
    python prepare.py fetal-planes DIR --out DIR           the public FETAL_PLANES_DB (no gaze)
    python prepare.py phantom --out DIR                    simulated recordings, to try everything
    python prepare.py phantom --preview DIR                pictures of them, to look at
    python prepare.py gaze FILE...                         what is in an eye tracker's file?

Each subcommand has its own --help. A data set is a folder of TFRecord shards with a
dataset.json that says what was kept and what was refused; it is written whole or not at all.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from common.console import console
from common.errors import InputError, run_command
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


def _output_flags(parser: Parser, out_required: bool = True) -> Parser:
    """The flags of every data set."""
    if out_required:
        parser.add_argument("--out", type=Path, required=True, help="folder of the data set; must not exist yet")
    else:
        parser.add_argument("--out", type=Path | None, default=None, help="folder of the data set; must not exist yet")
    parser.add_argument(
        "--frame-size", type=int, nargs=2, metavar=("H", "W"), default=[224, 288], help="frames' size, pixels"
    )
    parser.add_argument("--val-fraction", type=float, default=0.15, help="share of the patients for validation")
    parser.add_argument("--seed", type=int, default=0, help="of the split by patients (and of the simulation)")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it is there")
    return parser


def _options(flags, *more: str) -> dict:
    """What `_output_flags` and the flags `more` hold, as arguments of a function that makes a data set."""
    names = ("frame_size", "val_fraction", "seed", "overwrite", *more)
    return {name: tuple(flags[name]) if name == "frame_size" else flags[name] for name in names}


def _recordings_flags() -> Parser:
    parser = _output_flags(Parser(description="Recordings by a manifest: one row a clip, paths relative to it."))
    parser.add_argument("manifest", type=Path, help="CSV: recording_id, patient_id, video, label or labels, gaze, ...")
    parser.add_argument("--fps", type=float | None, default=None, help="frames kept per second (default: all)")
    parser.add_argument("--test-fraction", type=float, default=0.2, help="share of the patients for the test")
    parser.add_argument(
        "--classes", type=str, nargs="+", default=None, help="class names in order (default: the labels found)"
    )
    parser.add_argument("--unlabelled", action="store_true", help="keep frames outside every label, without a label")
    return parser


def _recordings(flags) -> int:
    from data.report import print_dataset_report
    from data.sources.recordings import prepare_recordings

    options = _options(flags, "fps", "classes", "test_fraction", "unlabelled")
    print_dataset_report(prepare_recordings(flags.manifest, flags.out, **options))
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
    from data.report import print_dataset_report
    from data.sources.fetal_planes import DEFAULT_CLASSES, prepare_fetal_planes

    classes = flags.classes or DEFAULT_CLASSES
    print_dataset_report(prepare_fetal_planes(flags.folder, flags.out, classes=classes, **_options(flags)))
    return 0


def _phantom_flags() -> Parser:
    parser = Parser(
        description="Simulated recordings, written to OUT/recordings and read back; --preview draws some of them."
    )
    _output_flags(parser, out_required=False)
    parser.add_argument("--patients", type=int, default=60, help="number of simulated patients")
    parser.add_argument("--fps", type=float, default=10.0, help="frames per second of the simulated videos")
    parser.add_argument(
        "--keep-fps", type=float | None, default=None, help="of them, frames per second that the data set keeps"
    )
    parser.add_argument("--test-fraction", type=float, default=0.2, help="share of the patients for the test")
    parser.add_argument(
        "--difficulty", type=str, default="default", help="easy, default or hard: how clear the planes are"
    )
    parser.add_argument(
        "--rivals",
        type=float | None,
        default=None,
        help="share of second parts that show their own plane, 0 to 1 (default: the difficulty's; 0: none)",
    )
    parser.add_argument(
        "--preview",
        type=Path | None,
        default=None,
        metavar="DIR",
        help="write a contact sheet and two animated clips there; works without --out too",
    )
    parser.add_argument(
        "--reference",
        type=Path | None,
        default=None,
        metavar="DIR",
        help="FETAL_PLANES_DB, to draw real images beside simulated ones in the preview",
    )
    return parser


def _phantom(flags) -> int:
    from phantom import PhantomConfig, prepare_phantom
    from phantom.preview import write_preview

    if flags.out is None and flags.preview is None:
        raise InputError("--out is missing: name the data set's folder, or give --preview DIR to look only")
    if flags.reference is not None and flags.preview is None:
        raise InputError(f"--reference {flags.reference}: is drawn in a preview: give --preview DIR too")
    names = [field.name for field in dataclasses.fields(PhantomConfig) if field.name in flags]
    config = PhantomConfig(**{name: flags[name] for name in names})
    if flags.preview is not None:
        written = write_preview(flags.preview, config, reference=flags.reference, overwrite=flags.overwrite)
        for path in written:
            console.print(f"wrote {path}")
    if flags.out is not None:
        from data.report import print_dataset_report
        from phantom.card import print_card

        data = prepare_phantom(flags.out, config, overwrite=flags.overwrite)
        print_dataset_report(data)
        print_card(data)
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
    parser.add_argument(
        "--gaze-recording",
        type=str | None,
        default=None,
        metavar="NAME",
        help="of files that hold several: the recording, participant, session or medium, as in a manifest",
    )
    return parser


def _gaze(flags) -> int:
    from data.gaze.report import gaze_command

    screen_px = tuple(flags.screen_px) if flags.screen_px else None
    gaze_command(flags.files, flags.json, screen_px, flags.gaze_recording)
    return 0


def command() -> int:
    """The console script `gaze-prepare`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
