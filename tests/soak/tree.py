"""What lies in a folder, as it has to be again after any number of kills."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np

# Times, and checksums of archives that hold times.
_CHANGING = {"seconds", "cpu_seconds", "attempts", "sha256", "of", "artefact_sha256", "inputs", "date", "teacher"}
# TensorFlow numbers the functions of a SavedModel over all that its process has made: the name of one may be a digit
# longer. What follows from the folder's size changes with it; variables and answers are compared.
_OF_SIZE = {"bytes", "compression"}
# A `.keras` file holds the time, so that its gzipped size may be a byte more or less.
_OF_TIME = {"gzipped_bytes"}
# Files that hold the time, or random numbers of their own, in their bytes.
_NAMES_ALONE = re.compile(
    r"events\.out\.|fingerprint\.pb$|saved_model\.pb$|log\.txt$|page\.md$|\.log$|calls\.txt$|\.png$|\.svg$"
)


def tree(folder: Path) -> dict[str, Any]:
    """{relative path: content that can be compared} of all files and folders, hidden ones too."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = re.sub(r"cache/[0-9a-f]{16}", "cache/*", str(path.relative_to(folder)))
        found[name] = None if path.is_dir() or _NAMES_ALONE.search(name) else _content(path)
    return found


def _content(path: Path) -> Any:
    if path.suffix == ".keras":
        weights = keras.saving.load_model(path, compile=False).get_weights()
        return [hashlib.sha256(np.ascontiguousarray(value)).hexdigest() for value in weights]
    if path.suffix == ".json":
        return _steady(json.loads(path.read_text()))
    if path.name == "summary.md":
        return [line for line in path.read_text().splitlines() if "saved_model" not in line]
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: hashlib.sha256(arrays[name].tobytes()).hexdigest() for name in arrays.files}
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        left_out = _CHANGING | (_OF_SIZE if value.get("kind") == "saved_model" else set())
        left_out |= _OF_TIME if str(value.get("path")).endswith(".keras") else set()
        return {key: _steady(item) for key, item in value.items() if key not in left_out}
    return [_steady(item) for item in value] if isinstance(value, list) else value
