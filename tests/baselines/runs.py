"""compress.py as a user runs it."""

import compress
from common.errors import run_command


def call(run, command, out, *words, source="student/student.keras"):
    folder, _ = run
    flags = [command, folder / "run" / source, "--data", folder / "data", "--out", out, *words]
    return run_command(compress.main, [str(word) for word in flags])
