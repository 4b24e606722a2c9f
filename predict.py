"""Predict on videos, images and streams with a trained student.

    python predict.py runs/demo/int8/student_int8.tflite scan.mp4 --out found --video --frames
    python predict.py runs/demo/int8/student_int8.tflite 'scans/*.dcm' still.png --out found --crop 112,80,800,600
    python predict.py runs/demo/int8/student_int8.tflite --stream udp://127.0.0.1:5000
    python predict.py runs/demo/int8/student_int8.tflite --stream /dev/video0 --crop none

OUT holds predictions.csv, one row per frame, and summary.json: the intervals in which a class was held,
the best frame of each class, counts, settings, checksums. A stream is answered by lines of JSON on standard
output, always of the newest frame. Smoothing, threshold and the rule for frames unlike the training frames come
from the artefact's metadata. For research: nothing here is a medical device.
"""

from __future__ import annotations

import sys

from common.errors import run_command
from common.parsing import Parser, PlainHelp, settings_of


def main(argv: list[str]) -> int:
    """Parse, predict."""
    from deployment.config import PredictConfig

    parser = Parser(prog="predict.py", description=__doc__, formatter_class=PlainHelp)
    parser.add_settings(PredictConfig)
    config = settings_of(PredictConfig, parser, parser.parse_args(argv))
    import common.quiet  # noqa: F401

    if config.stream is not None:
        from deployment.stream import predict_stream

        return predict_stream(config)
    from deployment.files import predict_files

    predict_files(config)
    return 0


def command() -> int:
    """The console script `gaze-predict`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
