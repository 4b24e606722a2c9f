"""The measurements of a baseline: `baseline.json` in its folder, and a table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import keras
from rich.table import Table
from rich.text import Text

from baselines.source import Source
from common.console import console, say
from common.files import write_text
from common.shown import shown_path
from evaluation.memory import measure_memory
from quantization.footprint import GZIP_LEVEL, Kernel, count_kernels, count_tflite_kernels, gzipped_bytes, sparsity

NAME = "baseline.json"
_COLUMNS = (
    "artefact", "zeros", "values a channel", "bytes", "gzipped bytes", "peak memory, bytes", "parameters", "not 0",
)  # fmt: skip


class Record:
    """Rows, one an artefact, and the kernels of each model, counted.

    A row: `path` relative to the folder; `method`; `target`, what was asked for; `measured`,
    read from the artefact itself (`sparsity` over all kernels; `values_per_kernel` and
    `values_per_channel`, the most that any has); `encoding` of the kernels; `bytes`,
    `gzipped_bytes`; `memory_bytes` of `.tflite` files (`evaluation.memory`); `params`,
    `nonzero_params` of the model; `seconds` that the model took in this
    process (the epochs before an interruption are not among them).

    Args:
        folder: the paths are relative to it.
        command: of compress.py.
        source: what it started from.
    """

    def __init__(self, folder: Path, command: str, source: Source) -> None:
        self._folder = folder
        self._about = {
            "command": command,
            "source": shown_path(source.path),
            "model": source.metadata.name,
            "data": shown_path(source.data.path),
            "dataset_checksum": source.data.checksum,
            "seed": source.config.seed,
            "source_params": int(source.model.count_params()),
            "source_bytes": source.path.stat().st_size,
            "gzip_level": GZIP_LEVEL,
        }
        self._rows: list[dict] = []
        self._model: dict = {}
        self._layers: dict[str, dict] = {}

    def add_model(self, path: Path, model: keras.Model, method: str, target: dict, seconds: float) -> None:
        """A row for a `.keras` file; the rows of files made of it follow by `add_file`."""
        kernels = self._start(model, method, target, seconds)
        self._layers[str(path.parent.relative_to(self._folder))] = {
            name: dataclasses.asdict(kernel) for name, kernel in kernels.items()
        }
        self._add(path, kernels, "dense")

    def add_export(self, path: Path, model: keras.Model, method: str, target: dict, seconds: float) -> None:
        """A row for a `.tflite` file of a model that has no row of its own."""
        self._start(model, method, target, seconds)
        self.add_file(path)

    def add_file(self, path: Path, method: str | None = None, encoding: str = "dense") -> None:
        """A row for a `.tflite` file of the last model; a sparse one has the counts of the dense one."""
        dense = path if encoding == "dense" else path.with_name(path.name.replace("_sparse", ""))
        self._add(path, count_tflite_kernels(dense), encoding, method)

    @property
    def rows(self) -> list[dict]:
        """The rows so far."""
        return list(self._rows)

    def write(self) -> None:
        """Write `baseline.json`."""
        content = {**self._about, "rows": self._rows, "layers": self._layers}
        write_text(self._folder / NAME, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def show(self, folder: Path) -> None:
        """Print the rows, with their paths in `folder`."""
        table = Table(title=Text(f"{self._about['command']} of {self._about['source']}"))
        for column in _COLUMNS:
            table.add_column(column, justify="left" if column == "artefact" else "right")
        for row in self._rows:
            measured = row["measured"]
            cells = [f"{measured['sparsity']:.3f}", f"{measured['values_per_channel']}"] if measured else ["", ""]
            names = ("bytes", "gzipped_bytes", "memory_bytes", "params", "nonzero_params")
            counts = ["" if row[name] is None else f"{row[name]:,}" for name in names]
            table.add_row(Text(str(folder / row["path"])), *cells, *counts)
        console.print(table)
        say(f"wrote {folder / NAME}")

    def _start(self, model: keras.Model, method: str, target: dict, seconds: float) -> dict[str, Kernel]:
        kernels = count_kernels(model)
        self._model = {
            "method": method,
            "target": target,
            "params": int(model.count_params()),
            "nonzero_params": int(model.count_params()) - sum(kernel.zeros for kernel in kernels.values()),
            "seconds": round(seconds, 2),
        }
        return kernels

    def _add(self, path: Path, kernels: dict[str, Kernel], encoding: str, method: str | None = None) -> None:
        measured = {}
        if kernels:
            measured = {
                "sparsity": sparsity(kernels),
                "values_per_kernel": max(kernel.distinct for kernel in kernels.values()),
                "values_per_channel": max(kernel.distinct_per_channel for kernel in kernels.values()),
            }
        self._rows.append(
            {
                "path": str(path.relative_to(self._folder)),
                **self._model,
                **({"method": method} if method else {}),
                "measured": measured,
                "encoding": encoding,
                "bytes": path.stat().st_size,
                "gzipped_bytes": gzipped_bytes(path),
                "memory_bytes": measure_memory([path])[0],
            }
        )
