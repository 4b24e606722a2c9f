"""Where a stage is trained: on one device, on all devices of this machine, or on several machines.

This module does what `tf.distribute` leaves to its caller. A batch is cut into one piece per device, the terms of
the loss are sums over the pieces divided by what is counted over all of them (`losses.replicas`), and batch
normalisation takes its statistics from the whole batch: a step gives the weights that one device would have.

On several machines each runs the same command; the first, the chief, is the only one that writes. The others read
what it has written, so the run folder must be on a file system that all share.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common.console import console, say
from common.errors import InputError, WorkerLost
from common.files import write_text
from data.parts import Part
from models.learner import Learner
from training.cluster import VARIABLE, Cluster, read_cluster

# How long a worker waits for a file of the chief: network file systems remember for a minute that it was not there.
SEEN_S = 120.0
_TOKEN = ".workers"


@dataclasses.dataclass(frozen=True)
class Distribution:
    """The devices of a run; without a strategy it is one.

    Attributes:
        strategy: of `tf.distribute`.
        cluster: of several machines; None on one.
    """

    strategy: tf.distribute.Strategy | None = None
    cluster: Cluster | None = None

    @property
    def workers(self) -> int:
        """Number of machines."""
        return len(self.cluster.addresses) if self.cluster else 1

    @property
    def worker(self) -> int:
        """Number of this machine."""
        return self.cluster.number if self.cluster else 0

    @property
    def is_chief(self) -> bool:
        """Whether this machine writes."""
        return self.worker == 0

    @property
    def replicas(self) -> int:
        """Number of devices over all machines."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    @property
    def part(self) -> Part:
        """What of each split is read here."""
        return Part(self.worker, self.workers, max(1, self.replicas // self.workers))

    def batches(self, make: Callable[[Part], tf.data.Dataset]) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        """The batches of every device of this machine, over and over; without a strategy those of `make`, as they are.

        Args:
            make: a part of a split → its batches, one after the other for each device.
        """
        if self.strategy is None:
            return make(self.part)
        # Endless, so that no worker has to ask the others whether they have a batch left.
        endless = make(self.part).repeat().apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        return self.strategy.distribute_datasets_from_function(lambda _: endless)

    def scope(self) -> contextlib.AbstractContextManager:
        """Variables that are made in the block lie on all devices."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def place(self, learner: Learner) -> Learner:
        """A copy of a learner on all devices; without a strategy the learner itself.

        Models that are deployed are never made in the scope of a strategy, and don't hold what only it needs.
        """
        if self.strategy is None:
            return learner
        with self.scope():
            copy = learner.copied()
        for layer in copy.network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        copy.over_workers = self.workers > 1
        return copy

    def copies(self, variable: keras.Variable) -> list[tuple[int, Any]]:
        """(number of the device, its copy of a variable) of each device of this machine."""
        if self.strategy is None:
            return [(0, variable)]
        first = self.worker * self.part.pieces
        return list(enumerate(self.strategy.experimental_local_results(variable.value), first))

    def barrier(self) -> None:
        """Wait until every worker is here."""
        self._gather([0])

    def wait_for(self, file: Path) -> None:
        """Wait until this worker sees a file or folder that the chief has written.

        Raises:
            InputError: it does not see it for two minutes.
        """
        self.barrier()
        self.check_seen(file)

    def check_seen(self, file: Path) -> None:
        """Refuse a worker that does not see a file or folder that the chief wrote before the last barrier.

        Raises:
            InputError: it does not see it for two minutes.
        """
        if not self.is_chief and not _appears(file, SEEN_S):
            raise InputError(f"{file}: worker {self.worker} does not see what the chief has written: {_SHARED}")

    @contextlib.contextmanager
    def chief_first(self) -> Iterator[None]:
        """The chief goes through the block, the others after it."""
        if not self.is_chief:
            self.barrier()
        yield
        if self.is_chief:
            self.barrier()

    def agree(self, settings: Mapping[str, Any]) -> None:
        """Refuse workers that were not started alike.

        Args:
            settings: name → value; each is compared by its text.

        Raises:
            InputError: naming the first setting that differs, and the workers; the same on every one.
        """
        for names in (("the names of the settings",), tuple(settings)):
            values = {names[0]: sorted(settings)} if len(names) == 1 else settings
            found = self._gather([_digest(values[name]) for name in names])
            for name, column in zip(names, found.T):
                others = [number for number, digest in enumerate(column) if digest != column[0]]
                if others:
                    raise InputError(
                        f"{name}: {_named(others)} and worker 0 were started with different ones (here "
                        f"{str(values[name])[:80]}): start all workers with the same command, data and code"
                    )

    def share(self, folder: Path) -> None:
        """Refuse a run folder that not every worker shares.

        Args:
            folder: is made where it is not there.

        Raises:
            InputError: naming the workers that don't see it; the same on every one.
        """
        if self.workers == 1:
            return
        token = secrets.randbits(62)
        if self.is_chief:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / _TOKEN, str(token))
        written = str(self._gather([token])[0, 0])
        sees = self._gather([int(_appears(folder / _TOKEN, SEEN_S, written))])[:, 0]
        if self.is_chief:
            (folder / _TOKEN).unlink()
        blind = [number for number, seen in enumerate(sees) if not seen]
        if blind:
            raise InputError(f"run {folder}: {_named(blind)} can't see what the chief writes there: {_SHARED}")

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Only the chief prints in the block; a worker that is lost is one line.

        Raises:
            WorkerLost: another worker ended or can't be reached.
            InputError: workers have different numbers or kinds of devices.
        """
        quiet = console.quiet
        console.quiet = quiet or not self.is_chief
        try:
            yield
        except tf.errors.OpError as error:
            if self.workers > 1 and "is joining a group with" in str(error):  # TensorFlow's words for it
                raise InputError(
                    f"worker {self.worker} of {self.workers}: has {self.part.pieces} devices, and another worker has "
                    "another number or kind of them: give each the same, such as by CUDA_VISIBLE_DEVICES"
                ) from error
            if self.workers == 1 or not _is_lost(error):
                raise
            raise WorkerLost(
                f"worker {self.worker} of {self.workers}: another worker ended or can't be reached "
                f"({type(error).__name__}): start all of them again, the run goes on after its last whole epoch"
            ) from error
        finally:
            console.quiet = quiet

    def _gather(self, numbers: Sequence[int]) -> np.ndarray:
        """The numbers of every worker, int64 [workers, n]; every worker has to call it."""
        row = tf.constant([numbers], tf.int64)
        if self.strategy is None or self.workers == 1:
            return row.numpy()
        rows = _gathering(self.strategy)(row)
        return self.strategy.experimental_local_results(rows)[0].numpy()[:: self.part.pieces]


SINGLE = Distribution()
_SHARED = "give data and run on a file system that all workers share"


def start(name: str, dry_run: bool = False) -> Distribution:
    """The distribution of this name; of several workers it waits until all of them are there.

    Args:
        name: "none", "mirrored" or "multiworker", which takes its cluster from TF_CONFIG.
        dry_run: check TF_CONFIG, and join nobody.

    Raises:
        InputError: see `training.cluster.read_cluster`; a port that is taken, or workers that don't come.
    """
    if name == "none":
        return SINGLE
    if name == "mirrored":
        made = Distribution(_mirror())
    else:
        cluster = read_cluster(os.environ.get(VARIABLE))
        if dry_run:
            return Distribution(None, cluster)
        made = Distribution(_connect(cluster), cluster)
    if made.is_chief:
        say(f"distribute {name}: {made.workers} machines, {made.replicas} devices; each batch is shared by all of them")
    return made


# A process makes a strategy once: a second one would use the keys of the first one's reductions, and be aborted.
@functools.cache
def _mirror() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@functools.cache
def _connect(cluster: Cluster) -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError("distribute 'multiworker': TensorFlow was used before: start a new process for it") from error
    except tf.errors.OpError as error:
        raise InputError(
            f"{VARIABLE}: worker {cluster.number} can't join the others from {cluster.addresses[cluster.number]} "
            f"({' '.join(str(error).split())[:120]}): free the port, or start all workers"
        ) from error


@functools.cache
def _gathering(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], Any]:
    """[1, n] → [devices, n], on every device."""

    @tf.function(autograph=False)
    def everywhere(row: tf.Tensor) -> tf.Tensor:
        # An argument of a graph lies on no device, and the reduction wants one.
        return strategy.run(lambda: tf.distribute.get_replica_context().all_gather(tf.identity(row), axis=0))

    return everywhere


def _is_lost(error: tf.errors.OpError) -> bool:
    return isinstance(error, tf.errors.UnavailableError | tf.errors.AbortedError | tf.errors.CancelledError) or any(
        words in str(error) for words in ("Collective ops is aborted", "heartbeat", "coordination service")
    )


def _appears(file: Path, within_s: float, content: str | None = None) -> bool:
    until = time.monotonic() + within_s
    while not (file.exists() and (content is None or file.read_text(encoding="utf-8") == content)):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def _digest(value: Any) -> int:
    return int.from_bytes(hashlib.sha256(repr(value).encode()).digest()[:7], "big")


def _named(workers: Sequence[int]) -> str:
    return f"worker{'s' * (len(workers) > 1)} {', '.join(map(str, workers))}"
