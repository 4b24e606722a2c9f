"""The same frames under two patients: a leak from training to test that the ids do not show."""

from __future__ import annotations

import hashlib

import numpy as np

from common.errors import InputError

# A "no signal" screen or a blank sector may be common to all; a copied clip shares more.
_COMMON = 3


def frame_digest(frame: np.ndarray) -> bytes:
    """16 bytes that tell frames apart, by their pixels and size."""
    digest = hashlib.blake2b(repr(frame.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(frame).data)
    return digest.digest()


class FrameRegister:
    """Which recordings showed which frames, in 12 bytes a frame.

    `add` every kept frame, then `close` each recording: one that shares more than
    three different frames with a recording of another patient, or all that one of them
    has, is refused; fewer are counted in `shared`.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._patient: dict[str, str] = {}
        self._distinct: dict[str, set[int]] = {}
        self._sizes: dict[str, int] = {}
        # Sorted keys of frames, and the number of the recording that showed each first; each block is less than half
        # as long as the one before, so that there are few.
        self._blocks: list[tuple[np.ndarray, np.ndarray]] = []
        self.shared = 0
        self.within = 0

    def add(self, recording: str, patient: str, digest: bytes) -> None:
        """Note one frame, by its `frame_digest`, of which 8 bytes tell a million frames apart."""
        self._patient[recording] = patient
        self._distinct.setdefault(recording, set()).add(int.from_bytes(digest[:8], "little"))

    def close(self, recording: str, where: object) -> None:
        """Compare a whole recording with those before it.

        Raises:
            InputError: it shows what a recording of another patient shows.
        """
        mine = np.array(sorted(self._distinct.pop(recording, set())), np.uint64)
        number = len(self._names)
        self._names.append(recording)
        first = self._first(mine)
        new = mine[first < 0]
        self._keep(new, np.full(len(new), number, np.int32))
        self._sizes[recording] = len(mine)
        for index, count in zip(*np.unique(first[first >= 0], return_counts=True)):
            other, count = self._names[index], int(count)
            if self._patient[other] == self._patient[recording]:
                self.within += count == len(mine)
                continue
            if count > _COMMON or count == min(len(mine), self._sizes[other]):
                raise InputError(
                    f"{where}: recording {recording} of patient {self._patient[recording]} shows {count} frames "
                    f"of recording {other} of patient {self._patient[other]}, pixel by pixel: correct patient_id or "
                    "video, so that a patient can't be in two splits"
                )
            self.shared += count

    def _first(self, keys: np.ndarray) -> np.ndarray:
        """Number of the recording that showed each frame first, int32 [n]; −1 for a new one."""
        found = np.full(len(keys), -1, np.int32)
        for known, owners in self._blocks:
            place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            found = np.where(known[place] == keys, owners[place], found)
        return found

    def _keep(self, keys: np.ndarray, owners: np.ndarray) -> None:
        while len(keys) and self._blocks and len(self._blocks[-1][0]) < 2 * len(keys):
            before = self._blocks.pop()
            keys, owners = np.concatenate([before[0], keys]), np.concatenate([before[1], owners])
            order = np.argsort(keys, kind="stable")
            keys, owners = keys[order], owners[order]
        if len(keys):
            self._blocks.append((keys, owners))
