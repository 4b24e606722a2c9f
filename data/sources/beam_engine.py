"""Recordings read by an Apache Beam pipeline: on this machine, or on the cluster that a Beam runner reaches.

The pipeline applies the same function to each recording as `--jobs` does. Each result goes into a file of a folder that
the machines share, next to the data set that is being written, and is read from there in the order of the manifest: the
data set has the same bytes, whatever ran the pipeline.
"""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
import shlex
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from common.errors import InputError, disk_errors

A = TypeVar("A")
B = TypeVar("B")


def check_beam(options: str) -> None:
    """Refuse options that Beam does not know.

    Args:
        options: words as on a command line, such as "--runner=FlinkRunner --flink_master=host:8081".

    Raises:
        InputError: Beam is not installed, or refuses them.
    """
    _pipeline(options)


def map_by_beam(function: Callable[[A], B], items: Sequence[A], options: str, folder: Path) -> Iterator[B]:
    """`map` by a pipeline, with results in the items' order; the first `InputError` in that order is raised.

    Args:
        function: of a module; what it takes and gives is pickled. Beam may call it twice for one item.
        items: what it is called with. options: see `check_beam`.
        folder: of the results, which this process and those of the runner see; it exists.

    Raises:
        InputError: what the function raises; a full disk; results that this process does not see.
    """
    beam, pipeline = _pipeline(options)
    folder = folder.absolute() / uuid.uuid4().hex
    folder.mkdir()
    with pipeline:
        numbered = pipeline | beam.Create(list(enumerate(items)))
        # Without it a runner may keep the items together, and one process goes through all of them.
        _ = numbered | beam.Reshuffle() | beam.Map(_store_result, function, folder)
    for number in range(len(items)):
        file = folder / str(number)
        if not file.is_file():
            raise InputError(
                "engine 'beam': workers don't write where this process reads: put out on a file system that all share"
            )
        error, parameter, result = pickle.loads(file.read_bytes())
        file.unlink()
        if error is not None:
            raise InputError(error, parameter=parameter)
        yield result


def _store_result(item: tuple[int, Any], function: Callable[[Any], Any], folder: Path) -> None:
    number, argument = item
    try:
        with disk_errors(folder):
            outcome: tuple[str | None, str | None, Any] = (None, None, function(argument))
    except InputError as error:  # an outcome too: a runner would try again and again
        outcome = (str(error), error.parameter, None)
    temporary = folder / f"{number}.{uuid.uuid4().hex}"
    temporary.write_bytes(pickle.dumps(outcome))
    temporary.replace(folder / str(number))


def _pipeline(options: str) -> tuple[Any, Any]:
    """The module `apache_beam`, and a pipeline with these options."""
    try:
        import apache_beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise InputError(
            "engine 'beam' needs Apache Beam, which is not installed: pip install -r requirements-beam.txt"
        ) from error
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    said = io.StringIO()
    try:
        words = shlex.split(options)
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            known = PipelineOptions(words)
            unknown = set(known.get_all_options(retain_unknown_options=True)) - set(known.get_all_options())
            pipeline = apache_beam.Pipeline(options=known)
    except (ValueError, SystemExit) as error:
        last = said.getvalue().strip().splitlines()[-1:] or [str(error)]
        raise InputError(f"beam_options {options!r}: Beam refuses them ({last[0]}): correct them") from error
    if unknown:
        raise InputError(f"beam_options {options!r}: Beam does not know {', '.join(sorted(unknown))}: correct them")
    return apache_beam, pipeline
