"""Pseudonyms: patient and recording ids as salted hashes, with the map kept apart from the data."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import pydantic

from common.documents import checked, read_json
from common.errors import InputError
from common.files import check_output_file, path_kind, whole_file

_CURE = "give the file that an earlier run with pseudonymise wrote, or a new name"


class _Kept(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    salt: str = pydantic.Field(pattern=r"^[0-9a-f]{32,}$")
    patients: dict[str, str]
    recordings: dict[str, str]


class Pseudonyms:
    """Gives the same id the same pseudonym for as long as its file is used; `save` writes that file."""

    def __init__(self, path: Path, kept: _Kept) -> None:
        self._path, self._kept = path, kept

    def patient(self, name: str) -> str:
        """The pseudonym of a patient id."""
        return self._of(self._kept.patients, "patient", name)

    def recording(self, name: str) -> str:
        """The pseudonym of a recording id."""
        return self._of(self._kept.recordings, "recording", name)

    def save(self) -> None:
        """Write salt and map, readable by their owner alone."""
        with whole_file(self._path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps(self._kept.model_dump(), indent=2, ensure_ascii=False), encoding="utf-8")

    def _of(self, known: dict[str, str], what: str, name: str) -> str:
        if name not in known:
            key = bytes.fromhex(self._kept.salt)
            known[name] = what[0] + hashlib.blake2b(f"{what}:{name}".encode(), key=key, digest_size=8).hexdigest()
        return known[name]


def open_pseudonyms(path: str | os.PathLike | None, out: str | os.PathLike) -> Pseudonyms | None:
    """The pseudonyms that a file keeps, or new ones where there is no such file; None for no path.

    Raises:
        InputError: the file lies in the data set `out`, is no file of pseudonyms, or can't be one.
    """
    if path is None:
        return None
    path = Path(path)
    if path.resolve().is_relative_to(Path(out).resolve()):
        raise InputError(f"{path}: is in the data set {out}, and the map is to be kept apart: name a file elsewhere")
    check_output_file(path)  # before the work whose ids it keeps
    if path_kind(path) is None:
        return Pseudonyms(path, _Kept(salt=secrets.token_hex(16), patients={}, recordings={}))
    content: Any = read_json(path, "the map of pseudonyms", _CURE)
    return Pseudonyms(path, checked(_Kept, content, path, _CURE))
