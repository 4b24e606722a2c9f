"""Run the benchmarks of speed and memory one after the other: make bench

    python benchmarks/every.py [--out runs/bench] [--page docs/performance.md] [--only NAME ...]

Each part's tables are kept in the folder; a part that it has is not repeated, so that an interrupted run goes on:
delete its file to measure it again. A part whose packages are not installed (requirements-dev.txt,
requirements-bench.txt) is left out, with a note, so that no result lacks what it is compared with. With --page, the
tables replace what stands between `<!-- bench: NAME -->` and `<!-- end -->` on that page. About half an hour on two
cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Part:
    """One run of one script.

    Attributes:
        words: the script and its flags. needs: modules without which it says nothing.
    """

    words: tuple[str, ...]
    needs: tuple[str, ...] = ()


PARTS = {
    "distillation": Part(("distillation.py",), ("torch",)),
    "distillation-224": Part(("distillation.py", "--frame-size", "224", "288", "--frames", "32"), ("torch",)),
    "preparation": Part(("preparation.py",)),
    "growth": Part(("growth.py",)),
    "inference": Part(("inference.py",), ("openvino", "onnx", "onnxruntime", "tf2onnx", "tflite_micro")),
    "channels": Part(("channels.py",)),
    "phantom": Part(("phantom_speed.py",)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    parser.add_argument("--page", type=Path, default=None)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in flags.only:
        part, file = PARTS[name], flags.out / f"{name}.md"
        absent = [module for module in part.needs if importlib.util.find_spec(module) is None]
        print(f"== {' '.join(part.words)}", flush=True)
        if file.is_file():
            print(f"{file} is there")
        elif absent:
            print(f"left out: {', '.join(absent)} not installed, see requirements-dev.txt and requirements-bench.txt")
        elif not _run(part, file):
            failed.append(name)
        if file.is_file():
            print(file.read_text(encoding="utf-8"))
    if flags.page is not None:
        fill(flags.page, {name: flags.out / f"{name}.md" for name in PARTS})
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def fill(page: Path, parts: dict[str, Path]) -> None:
    """Set the tables of a page; a part that was not measured leaves what stands there."""
    text = page.read_text(encoding="utf-8")
    for name, file in parts.items():
        if file.is_file():
            block = f"<!-- bench: {name} -->\n{file.read_text(encoding='utf-8').strip()}\n<!-- end -->"
            text = re.sub(
                rf"<!-- bench: {name} -->.*?<!-- end -->", lambda _, block=block: block, text, flags=re.DOTALL
            )
    page.write_text(text, encoding="utf-8")


def _run(part: Part, file: Path) -> bool:
    """Run a part; its output becomes the file when it has ended well."""
    script, *flags = part.words
    done = subprocess.run([sys.executable, str(HERE / script), *flags], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        file.write_text(done.stdout, encoding="utf-8")
    else:
        print(done.stdout)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
