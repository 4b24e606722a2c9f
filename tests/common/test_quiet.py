"""Nothing that was held back is lost when a block fails. A quiet start: tests/quantization/test_isolation.py."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(code, **environment):
    env = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**env, **environment}, capture_output=True, text=True
    )


def test_what_was_held_back_is_shown_when_the_block_fails():
    code = (
        "import os, sys\nsys.modules['tensorflow'] = None  # it takes long to start, and has no part in this\n"
        "from common.quiet import held_back_stderr\n"
        "with held_back_stderr(): os.write(2, b'hidden')\n"
        "os.write(2, b'between')\n"
        "with held_back_stderr(): os.write(2, b'shown'); raise ValueError('raised here')"
    )
    done = run(code, TF_CPP_MIN_LOG_LEVEL="0")
    assert "hidden" not in done.stderr
    assert "between" in done.stderr and "shown" in done.stderr and "ValueError: raised here" in done.stderr
