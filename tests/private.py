"""What must not stand in a file that is shared."""

import getpass
import gzip
import io
import socket
import sys
import zipfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def private_words(*folders: Path) -> list[bytes]:
    """Where things lie on this machine, and whose it is; words that would stand anywhere are left out."""
    places = [*folders, ROOT, Path(sys.prefix), Path.cwd()]
    words = [str(place.resolve()) for place in places]
    words += [f"{Path.home()}/", socket.gethostname(), getpass.getuser()]
    common = ("root", "user", "runner", "localhost")
    return sorted({word.encode() for word in words if len(word) >= 4 and word not in common})


def found_in(folder: Path, words: list[bytes]) -> list[str]:
    """Files under `folder` (or it alone) whose name or content, unpacked, holds one of the words."""
    found = []
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        name = (
            str(path.relative_to(folder.parent)).encode() if path == folder else str(path.relative_to(folder)).encode()
        )
        for content in (name, *(_contents(path.read_bytes()) if path.is_file() else ())):
            found += [f"{path.name}: {word.decode()}" for word in words if word in content]
    return found


def _contents(data: bytes) -> list[bytes]:
    """The bytes, and those of what is packed in them: ZIP archives (also behind a model), gzip, streams of a PNG."""
    if data.startswith(b"\x1f\x8b"):
        return [data, *_contents(gzip.decompress(data))]
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [data, *(part for name in archive.namelist() for part in _contents(archive.read(name)))]
    if data.startswith(b"\x89PNG"):
        return [data, *_texts_of_png(data)]
    return [data]


def _texts_of_png(data: bytes) -> list[bytes]:
    """Compressed texts of a PNG."""
    found, at = [], 8
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        content = data[at + 8 : at + 8 + length]
        if kind == b"zTXt":
            found.append(zlib.decompress(content.split(b"\0", 1)[1][1:]))
        at += 12 + length
    return found
