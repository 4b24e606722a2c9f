"""Prediction on a stream: the newest frame is answered first, by a line of JSON."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from common.console import notice
from common.errors import InputError
from common.files import whole_folder, write_text
from common.shown import shown_path
from deployment.config import PredictConfig, crop_box
from deployment.missing import say_missing
from deployment.prediction import Rule, View, features_of, prepare, rule_of
from deployment.stream_source import Arrived, LiveStream
from deployment.view import BY_HAND, FAN_FRAMES, FoundView, require, unblanked_notice, view_of
from evaluation.artefacts import Artefact, load_artefact
from evaluation.decision import CausalFilter
from evaluation.ood import flags

# The fan of a stream is looked for in its first seconds.
_FAN_S = 2.0
_STEP_MS = 0.05


class Latencies:
    """Latencies in memory of a fixed size: counts of steps of 0.05 ms."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, latency_ms: float) -> None:
        """Count one latency, ms."""
        self._counts[min(round(latency_ms / _STEP_MS), 1_000_000)] += 1

    def quantile(self, share: float) -> float | None:
        """ms, to 0.05; None before the first."""
        total, seen = sum(self._counts.values()), 0
        for step in sorted(self._counts):
            seen += self._counts[step]
            if seen >= share * total:
                return round(step * _STEP_MS, 2)
        return None


def predict_stream(config: PredictConfig, out: TextIO | None = None) -> int:
    """Answer a stream until it ends, `duration_s` have passed, or Ctrl-C.

    Each answer is a line {"frame", "time_s", "class", "smoothed", "confidence", "rejected", "flag",
    "probabilities", "latency_ms", "dropped"}; the last line is {"end", "frames", "answered", "looked_at" (for the fan),
    "dropped", "latency_ms": {"median", "p95"}, "seconds"}, which goes to `summary.json` in `config.out` too.
    Latency is from the decoder's frame to the written line.

    Args:
        config: with `stream`.
        out: where the lines go; None = standard output.

    Returns:
        0.

    Raises:
        InputError: an artefact or a stream that can't be opened, a stream that never answers or breaks, a crop
            that is not sure. The last line and the summary are written even then, once there were frames.
    """
    out = out or sys.stdout
    if config.stream is None:
        raise InputError("stream is missing: name a URL or a camera")
    artefact = load_artefact(config.artefact, threads=1, trust=config.trust)
    rule = rule_of(artefact, "causal", config.threshold, config.smoothing)
    say_missing(artefact, config, "causal")
    with contextlib.ExitStack() as stack:
        folder = None
        if config.out is not None:
            folder = stack.enter_context(whole_folder(config.out, overwrite=config.overwrite, marker="summary.json"))
        stack.enter_context(_stopped_by_signals())
        failed: InputError | None = None
        stream = LiveStream(config.stream, config.stream_options, config.timeout_s)
        answering = _Answering(artefact, rule, config, stream, out)
        try:
            answering.run()
        except KeyboardInterrupt:
            answering.end = "stopped"
        except InputError as error:
            if not answering.answered:
                raise
            failed = error
            answering.end = "broken"
        finally:
            stream.close()
        summary = answering.summary()
        _say(out, summary)
        if folder is not None:
            about = {
                "artefact": shown_path(config.artefact),
                "sha256": artefact.metadata.sha256,
                "stream": _shown(config.stream),
                "fan": None if answering.found is None else answering.found.fan,
            }
            write_text(Path(folder) / "summary.json", json.dumps({**about, **summary}, indent=2) + "\n")
        _log(config.stream, summary)
    if failed is not None:
        raise failed
    return 0


def _shown(stream: str) -> str:
    """A stream as a file may hold it: of a URL, which names a host and perhaps a password, the protocol alone."""
    scheme, is_url, _ = stream.partition("://")
    return f"{scheme}://…" if is_url else shown_path(stream)


class _Answering:
    """The loop over the newest frames, and its counts."""

    def __init__(self, artefact: Artefact, rule: Rule, config: PredictConfig, stream: LiveStream, out: TextIO) -> None:
        self._artefact, self._rule, self._config, self._stream, self._out = artefact, rule, config, stream, out
        self._filter = CausalFilter(rule.time_constant_s)
        self._latencies = Latencies()
        self._started = time.perf_counter()
        self._until = math.inf if config.duration_s is None else self._started + config.duration_s
        self._size: tuple[int, int] | None = None
        self.answered, self.looked_at, self.end = 0, 0, "ended"
        self.found: FoundView | None = None

    def run(self) -> None:
        view = self._view()
        for arrived in self._frames():
            row = self._answer(arrived, prepare(self._artefact, self._picture(arrived), view))
            latency_ms = 1000 * (time.perf_counter() - arrived.decoded_at)
            _say(self._out, {**row, "latency_ms": round(latency_ms, 2), "dropped": self._stream.dropped})
            self._latencies.add(1000 * (time.perf_counter() - arrived.decoded_at))
            self.answered += 1

    def summary(self) -> dict[str, Any]:
        return {
            "end": self.end,
            "frames": self._stream.decoded,
            "answered": self.answered,
            "looked_at": self.looked_at,
            "dropped": self._stream.dropped,
            "latency_ms": {"median": self._latencies.quantile(0.5), "p95": self._latencies.quantile(0.95)},
            "seconds": round(time.perf_counter() - self._started, 3),
        }

    def _picture(self, arrived: Arrived) -> np.ndarray:
        """uint8 [h, w], of the size of the first one."""
        picture = arrived.picture()
        high, wide = picture.shape
        width, height = self._size = self._size or (wide, high)
        if (wide, high) != (width, height):
            raise InputError(
                f"{self._stream.name}: its pictures changed from {width}x{height} to {wide}x{high} pixels: start again"
            )
        return picture

    def _frames(self) -> Iterator[Arrived]:
        while time.perf_counter() < self._until:
            arrived = self._stream.newest(self._until)
            if arrived is not None:
                yield arrived
            elif time.perf_counter() < self._until:
                return
        self.end = "duration"

    def _answer(self, arrived: Arrived, frame: np.ndarray) -> dict[str, Any]:
        metadata = self._artefact.metadata
        probabilities = self._artefact.predict(features_of(self._artefact, frame[None]))[0]
        (flag,) = flags(metadata.ood if self._config.check else None, frame[None])
        filtered = self._filter.add(probabilities, arrived.time_s, float(not flag))
        confidence = float(filtered.max())
        return {
            "frame": arrived.number,
            "time_s": round(arrived.time_s, 4),
            "class": metadata.classes[int(probabilities.argmax())],
            "smoothed": metadata.classes[int(filtered.argmax())],
            "confidence": round(confidence, 4),
            "rejected": bool(confidence < self._rule.threshold or flag),
            "flag": flag,
            "probabilities": {name: round(float(p), 4) for name, p in zip(metadata.classes, probabilities)},
        }

    def _view(self) -> View:
        """The part of the pictures that is shown; a fan is looked for in the first seconds."""
        config, fan = self._config, self._artefact.metadata.fan
        box = crop_box(config.crop)
        if config.crop != "auto" and fan != "blank":
            self.found = FoundView(View(box, None, config.pixel_aspect), "given" if box else "whole")
            return self.found.view
        pictures: list[np.ndarray] = []
        enough = time.perf_counter() + _FAN_S
        while len(pictures) < 2 or time.perf_counter() < enough:
            arrived = self._stream.newest(self._until)
            if arrived is None:
                break
            pictures.append(self._picture(arrived))
        self.looked_at = len(pictures)
        name = self._stream.name
        if not pictures:
            said = "ended" if time.perf_counter() < self._until else f"{self._config.duration_s:g} s were over"
            raise InputError(f"{name}: {said} before the first frame: is the sender running?")
        height, width = pictures[0].shape
        chosen = np.linspace(0, len(pictures) - 1, min(FAN_FRAMES, len(pictures))).round().astype(int)
        found = view_of([pictures[i] for i in chosen], (width, height), config.crop, box, fan, config.pixel_aspect)
        view = require(found, name, BY_HAND)
        if found.how == "found":
            notice(f"{name}: crop {','.join(map(str, view.crop or ()))} found, confidence {found.confidence:.2f}")
        if said := unblanked_notice(found, name):
            notice(said)
        self.found = found
        return view


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does; outside the main thread signals are left alone."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(out: TextIO, row: dict[str, Any]) -> None:
    out.write(json.dumps(row, ensure_ascii=False) + "\n")
    out.flush()


def _log(name: str, summary: dict[str, Any]) -> None:
    latency = summary["latency_ms"]
    notice(
        f"{name}: {summary['end']} after {summary['seconds']:.1f} s, {summary['frames']} frames decoded, "
        f"{summary['answered']} answered, {summary['dropped']} dropped, latency median {latency['median']} ms, "
        f"95th percentile {latency['p95']} ms"
    )
