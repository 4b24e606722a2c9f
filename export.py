"""Make a bundle of a run: the files for a phone, a browser, a microcontroller, or a colleague.

    python export.py runs/demo --out bundles/demo --licence "CC BY 4.0" --contact me@example.org

OUT holds the 8-bit student as TFLite with its metadata inside, a variant that takes RGB, ONNX,
C++ for TensorFlow Lite Micro, bundle.json (what a program needs to know), a model card that is
measured on the run's test split, a reader of 30 lines, and checksums. It is written whole or
not at all. ONNX and the microcontroller's figures need requirements-export.txt.
"""

from __future__ import annotations

import sys

from common import quiet  # noqa: F401  (before TensorFlow)
from common.errors import run_command
from common.parsing import Parser, PlainHelp, settings_of


def main(argv: list[str]) -> int:
    """Parse, export."""
    from deployment.bundle import ExportConfig
    from deployment.bundle.write import export_bundle, show_bundle

    parser = Parser(prog="export.py", description=__doc__, formatter_class=PlainHelp)
    parser.add_settings(ExportConfig)
    config = settings_of(ExportConfig, parser, parser.parse_args(argv))
    show_bundle(export_bundle(config))
    return 0


def command() -> int:
    """The console script `gaze-export`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
