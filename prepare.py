"""Make a data set: from recordings with gaze, from a public image set, or from simulated recordings.

    python prepare.py recordings MANIFEST.csv --out DIR    your videos and eye-tracker files
    python prepare.py fetal-planes DIR --out DIR           the public FETAL_PLANES_DB (no gaze)
    python prepare.py african-planes DIR --out DIR         the public planes from five African countries (no gaze)
    python prepare.py phantom --out DIR                    simulated recordings, to try everything
    python prepare.py phantom --preview DIR                pictures of them, to look at
    python prepare.py merge MAIN EXTRA --out DIR           add training frames, such as simulated ones, to a data set
    python prepare.py gaze FILE...                         what is in an eye tracker's file?
    python prepare.py verify DIR...                        is a data set still what was written?
    python prepare.py check MANIFEST.csv --overlay DIR     is the gaze where and when it should be?
    python prepare.py check MANIFEST.csv --fan DIR         what would --fan blank make black? (or a folder of images)

Each subcommand has its own --help. A data set is a folder of TFRecord shards with a
dataset.json that says what was kept and what was refused; it is written whole or not at all.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from common.console import say
from common.errors import InputError, run_command
from common.parsing import Parser, PlainHelp, settings_of
from data.sources import ImageSetConfig, ImageSource, MergeConfig, RecordingsConfig
from phantom import PhantomConfig

if TYPE_CHECKING:
    import jsonargparse

# Recordings of which `check` makes a clip.
_CLIPS = 3


def main(argv: list[str]) -> int:
    """Parse, and do what the subcommand says."""
    from data.sources import image_sources

    commands: dict[str, tuple[Parser, Callable[..., int], str]] = {
        "recordings": (_recordings_flags(), _recordings, "videos, labels and gaze, by a manifest"),
        **{
            name: (image_set_flags(source), functools.partial(_image_set, name), f"{source.title} in its layout")
            for name, source in image_sources().items()
        },
        "phantom": (_phantom_flags(), _phantom, "simulated recordings"),
        "merge": (_merge_flags(), _merge, "add the training frames of one data set to another"),
        "gaze": (_gaze_flags(), _gaze, "describe eye-tracker files"),
        "check": (_check_flags(), _check, "draw gaze, or the fan, on a manifest's recordings"),
        "verify": (_verify_flags(), _verify, "check every byte and record of data sets"),
    }
    parser = Parser(prog="prepare.py", description=__doc__, formatter_class=PlainHelp)
    subcommands = parser.add_subcommands()
    for name, (flags, _, about) in commands.items():
        subcommands.add_subcommand(name, flags, help=about)
    chosen = parser.parse_args(argv)
    from common import quiet  # noqa: F401  (before TensorFlow, and not in the simulation's worker processes)

    of, run, _ = commands[chosen.subcommand]
    return run(of, chosen[chosen.subcommand])


def _recordings_flags() -> Parser:
    parser = Parser(description="Recordings by a manifest: one row per clip, paths relative to it.")
    parser.add_settings(RecordingsConfig)
    return parser


def _recordings(parser: Parser, flags: jsonargparse.Namespace) -> int:
    from data.report import print_dataset_report
    from data.sources.recordings import prepare_recordings

    print_dataset_report(prepare_recordings(settings_of(RecordingsConfig, parser, flags)))
    return 0


def image_set_flags(source: ImageSource) -> Parser:
    """The flags of one image set."""
    about = f"{source.title} ({source.citation}; {source.licence}): its patients and its split, no gaze."
    parser = Parser(description=about)
    parser.add_settings(ImageSetConfig, skip=("source",))
    return parser


def _image_set(source: str, parser: Parser, flags: jsonargparse.Namespace) -> int:
    from data.report import print_dataset_report
    from data.sources.images import prepare_images

    print_dataset_report(prepare_images(settings_of(ImageSetConfig, parser, flags, source=source)))
    return 0


def _phantom_flags() -> Parser:
    parser = Parser(
        description="Simulated recordings, written to OUT/recordings and read back; --preview draws some of them."
    )
    parser.add_argument("--out", type=Path | None, default=None, help="folder of the data set; must not exist yet")
    parser.add_settings(PhantomConfig)
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it is there")
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
        help="FETAL_PLANES_DB, to draw real images next to simulated ones in the preview",
    )
    return parser


def _phantom(parser: Parser, flags: jsonargparse.Namespace) -> int:
    from phantom import prepare_phantom
    from phantom.preview import PREVIEWED, write_preview

    if flags.out is None and flags.preview is None:
        raise InputError("--out is missing: name the data set's folder, or give --preview DIR to look only")
    if flags.reference is not None and flags.preview is None:
        raise InputError(f"--reference {flags.reference}: is drawn in a preview: give --preview DIR too")
    config = settings_of(PhantomConfig, parser, flags)
    if flags.out is None:
        for name, value in dataclasses.asdict(config).items():
            if name not in PREVIEWED and value != getattr(PhantomConfig(), name):
                raise InputError(
                    f"--{name.replace('_', '-')} {value}: a preview alone has no use for it, as it draws one clip of "
                    "every class, age and look: leave it out, or give --out DIR too"
                )
    if flags.preview is not None:
        written = write_preview(flags.preview, config, reference=flags.reference, overwrite=flags.overwrite)
        for path in written:
            say(f"wrote {path}")
    if flags.out is not None:
        from data.report import print_dataset_report
        from phantom.card import print_card

        data = prepare_phantom(flags.out, config, overwrite=flags.overwrite)
        print_dataset_report(data)
        print_card(data)
    return 0


def _merge_flags() -> Parser:
    parser = Parser(
        description="All of MAIN, and the training frames of EXTRA in its training split; validation and test stay "
        "MAIN's alone. Simulated frames may so be added to real ones."
    )
    parser.add_settings(MergeConfig)
    return parser


def _merge(parser: Parser, flags: jsonargparse.Namespace) -> int:
    from data.report import print_dataset_report
    from data.sources.merge import merge_datasets

    print_dataset_report(merge_datasets(settings_of(MergeConfig, parser, flags)))
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


def _gaze(_: Parser, flags: jsonargparse.Namespace) -> int:
    from data.gaze.report import gaze_command

    screen_px = tuple(flags.screen_px) if flags.screen_px else None
    gaze_command(flags.files, flags.json, screen_px, flags.gaze_recording)
    return 0


def _verify_flags() -> Parser:
    parser = Parser(description="Every shard against its checksum, every record decoded and checked.")
    parser.add_argument("data", type=Path, nargs="+", help="folders of data sets")
    return parser


def _verify(_: Parser, flags: jsonargparse.Namespace) -> int:
    from data.dataset import open_dataset
    from data.splits import SPLITS

    for path in flags.data:
        data = open_dataset(path, verify=True)
        frames = sum(data.info["splits"][split]["frames"] for split in SPLITS)
        say(f"{path}: {frames:,} frames, every one as it was written; checksum {data.checksum}")
    return 0


def _check_flags() -> Parser:
    parser = Parser(
        description="Gaze on the frames of a manifest's recordings: pictures, and numbers that tell of a wrong offset. "
        "With --fan the fan that --fan blank of a preparation would find."
    )
    parser.add_argument(
        "manifest", type=Path, help="CSV, as for recordings; labels are not needed; with --fan a folder of images too"
    )
    parser.add_argument(
        "--fan", type=Path | None, default=None, metavar="DIR", help="write pictures with their fans there instead"
    )
    parser.add_argument(
        "--overlay", type=Path | None, default=None, metavar="DIR", help="write a contact sheet and clips there"
    )
    parser.add_argument("--clips", type=int, default=_CLIPS, help="number of recordings that are animated")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it holds an earlier overlay")
    return parser


def _check(_: Parser, flags: jsonargparse.Namespace) -> int:
    if flags.fan is not None:
        return _check_fans(flags)
    from data.checks.overlay import check_recordings, print_numbers

    if flags.overlay is None and (flags.overwrite or flags.clips != _CLIPS):
        raise InputError("--clips and --overwrite are of the pictures: name their folder by --overlay DIR")
    if flags.clips < 0:
        raise InputError(f"--clips must be at least 0, not {flags.clips}")
    numbers, lag = check_recordings(flags.manifest, flags.overlay, clips=flags.clips, overwrite=flags.overwrite)
    print_numbers(numbers, lag)
    if flags.overlay is not None:
        say(f"wrote {flags.overlay}")
    return 0


def _check_fans(flags: jsonargparse.Namespace) -> int:
    from data.checks.fans import check_fans, print_fans

    if flags.overlay is not None:
        raise InputError("--fan and --overlay are two looks: give one of them at a time")
    if flags.clips != _CLIPS:
        raise InputError("--clips is of the gaze on the frames: leave it out, or give --overlay instead of --fan")
    print_fans(check_fans(flags.manifest, flags.fan, overwrite=flags.overwrite))
    say(f"wrote {flags.fan}")
    return 0


def command() -> int:
    """The console script `gaze-prepare`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
