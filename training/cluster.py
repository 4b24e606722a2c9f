"""TF_CONFIG: which machines train together, and which of them this process is.

    {"cluster": {"worker": ["node1:2222", "node2:2222"]}, "task": {"type": "worker", "index": 0}}

Every process has the same cluster and a task of its own. The first worker, or the only task of a job "chief", is the
chief: it writes.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from common.errors import InputError

VARIABLE = "TF_CONFIG"
_JOBS = ("chief", "worker")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_CURE = 'it looks like {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes that train together.

    Attributes:
        addresses: host:port of each, the chief first.
        number: of this process among them.
    """

    addresses: tuple[str, ...]
    number: int


def read_cluster(text: str | None) -> Cluster:
    """What TF_CONFIG says.

    Args:
        text: its value, None where it is not set.

    Raises:
        InputError: not set, no JSON, an address that is none or comes twice, or a task that the cluster does not have.
    """
    if not text:
        raise InputError(f"distribute 'multiworker' needs {VARIABLE}, which is not set: {_CURE}")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{VARIABLE}: is no JSON ({error}): {_CURE}") from error
    jobs = _part(content, "cluster")
    for job, tasks in jobs.items():
        if job not in _JOBS:
            raise InputError(
                f"{VARIABLE}: cluster has a job {job!r}, and only {' and '.join(_JOBS)} train here: {_CURE}"
            )
        if not isinstance(tasks, list) or not tasks or not all(_is_address(task) for task in tasks):
            raise InputError(f"{VARIABLE}: cluster.{job} must be a list of host:port, not {tasks!r}: {_CURE}")
    if len(jobs.get("chief", [])) > 1:
        raise InputError(f"{VARIABLE}: cluster.chief has {len(jobs['chief'])} tasks, and there is one chief: {_CURE}")
    places = [(job, index) for job in _JOBS for index in range(len(jobs.get(job, [])))]
    addresses = tuple(jobs[job][index] for job, index in places)
    if len(set(addresses)) < len(addresses):
        raise InputError(f"{VARIABLE}: an address of cluster comes twice: {', '.join(addresses)}: {_CURE}")
    task = _part(content, "task")
    mine = (task.get("type"), task.get("index"))
    if isinstance(mine[1], bool) or mine not in places:
        there = ", ".join(f"{job} {index}" for job, index in places) or "none"
        raise InputError(f"{VARIABLE}: names task {mine[0]} {mine[1]}, and the cluster has {there}: {_CURE}")
    return Cluster(addresses, places.index(mine))


def _part(content: Any, name: str) -> dict[str, Any]:
    part = content.get(name) if isinstance(content, dict) else None
    if not isinstance(part, dict):
        raise InputError(f"{VARIABLE}: has no {name}: {_CURE}")
    return part


def _is_address(text: Any) -> bool:
    found = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    return found is not None and 0 < int(found[2]) < 65536
