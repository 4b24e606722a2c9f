"""The same frames under two patients: a leak from the training to the test that no id shows."""

from __future__ import annotations

import hashlib
from collections import defaultdict

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
    """Which recordings showed which frames.

    `add` every kept frame, then `close` each recording: one that shares more than
    three different frames with a recording of another patient, or all that one of them
    has, is refused; fewer are counted in `shared`.
    """

    def __init__(self) -> None:
        self._first: dict[bytes, str] = {}
        self._patient: dict[str, str] = {}
        self._distinct: dict[str, set[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self.shared = 0
        self.within = 0

    def add(self, recording: str, patient: str, digest: bytes) -> None:
        """Note one frame, by its `frame_digest`."""
        self._patient[recording] = patient
        self._distinct.setdefault(recording, set()).add(digest)

    def close(self, recording: str, where: object) -> None:
        """Compare a whole recording with those before it.

        Raises:
            InputError: it shows what a recording of another patient shows.
        """
        mine = self._distinct.pop(recording, set())
        others: dict[str, int] = defaultdict(int)
        for digest in mine:
            if digest in self._first:
                others[self._first[digest]] += 1
            else:
                self._first[digest] = recording
        self._sizes[recording] = len(mine)
        for other, count in others.items():
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
