"""What must not stand in a file that is shared."""

import getpass
import io
import socket
import zipfile
from pathlib import Path


def private_words(*folders: Path) -> list[bytes]:
    """Where things lie on this machine, and whose it is; words that would stand anywhere are left out."""
    words = [str(folder.resolve()) for folder in folders] + [f"{Path.home()}/", socket.gethostname(), getpass.getuser()]
    common = ("root", "user", "runner", "localhost")
    return [word.encode() for word in words if len(word) >= 4 and word not in common]


def found_in(folder: Path, words: list[bytes]) -> list[str]:
    """Files under `folder` whose name or content, unpacked, holds one of the words."""
    found = []
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder)).encode()
        for content in (name, *(_contents(path.read_bytes()) if path.is_file() else ())):
            found += [f"{path.name}: {word.decode()}" for word in words if word in content]
    return found


def _contents(data: bytes) -> list[bytes]:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return [data]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [data, *(archive.read(name) for name in archive.namelist())]
