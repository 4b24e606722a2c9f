"""Train teacher and student, quantize, export and evaluate: see `python train.py --help`.

python train.py --config configs/demo.yaml                 the simulated recordings
python train.py --config configs/fetal_planes.yaml         FETAL_PLANES_DB
python train.py --data DIR --run DIR --student mobilenet_v1 --student-options '{width: 0.2}'
"""

from __future__ import annotations

import sys

from common import quiet  # noqa: F401  (before TensorFlow)
from common.errors import run_command


def main(argv: list[str]) -> int:
    """Parse, train."""
    from training.flags import parse
    from training.run import train

    request = parse(argv)
    train(request.config, overwrite=request.overwrite, dry_run=request.dry_run, verify=request.verify)
    return 0


def command() -> int:
    """The console script `gaze-train`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
