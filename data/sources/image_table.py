"""The table of an image set: its rows checked, and the file of each."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from common.errors import InputError
from common.files import path_kind
from data.names import name_fault
from data.sources.registry import ImageSource
from data.tables import Row, read_table

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_SPLITS = {"1": "train", "1.0": "train", "0": "test", "0.0": "test"}
_SHOWN = 50


@dataclasses.dataclass(frozen=True)
class ImageRow:
    """One image of the table.

    Attributes:
        image: its name in the table, which is unique.
        patient: id; with the site before it where patients are counted in each site.
        plane, scanner, site: as the table has them, or "".
        split: "train" or "test", the official one.
        file, line: of the table, for messages.
    """

    image: str
    patient: str
    plane: str
    scanner: str
    site: str
    split: str
    file: Path
    line: int


def read_image_table(source: ImageSource, folder: str | os.PathLike) -> list[ImageRow]:
    """The rows of a source's table: CSV with commas or semicolons, or XLSX of the same name.

    Raises:
        InputError: no table, a column missing, an empty or impossible cell, an image twice.
    """
    table = _table_file(source, Path(folder))
    required = (source.patient_column, source.plane_column, source.train_column)
    wanted = (*source.image_column, source.site_column, source.scanner_column)
    rows = read_table(
        table,
        required=required,
        optional=[column for column in wanted if column],
        what=f"the table of {source.title}",
        separators=";,\t",
        others=True,
    )
    there = rows[0].cells
    image_column = next((column for column in source.image_column if column in there), None)
    for column, is_there in (
        (source.image_column[0], image_column is not None),
        (source.site_column, source.site_column in there or not source.site_column),
    ):
        if not is_there:
            raise InputError(f"{table}: column {column} is missing; there are {', '.join(there)}")
    found = [_image_row(row, source, str(image_column)) for row in rows]
    first: dict[str, int] = {}
    for row in found:
        if first.setdefault(row.image, row.line) != row.line:
            raise InputError(
                f"{table}: line {row.line}, column {image_column}: {row.image} was in line {first[row.image]} too: "
                "take one of the two rows out"
            )
    return found


def find_images(source: ImageSource, folder: str | os.PathLike, rows: list[ImageRow]) -> dict[str, Path]:
    """{image: its file}: by name, with or without extension, whatever its case; in the folder
    of images, the folder of the row's site, or next to the table.

    Raises:
        InputError: lists the images that are missing, and those that two files could be.
    """
    folder = Path(folder)
    listings = {where: _listing(folder, where) for where in {source.images, *(row.site for row in rows), ""}}
    found, missing = {}, []
    for row in rows:
        for where in (source.images, row.site, ""):
            files = listings[where].get(row.image.casefold(), ())
            if len(files) > 1:
                raise InputError(
                    f"{row.file}: line {row.line}: {row.image} could be {' or '.join(sorted(f.name for f in files))}: "
                    "keep one of them"
                )
            if files:
                found[row.image] = files[0]
                break
        else:
            missing.append(row)
    if missing:
        names = ", ".join(row.image for row in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        where = source.images or (f"the folders of column {source.site_column}" if source.site_column else "the folder")
        raise InputError(
            f"{missing[0].file}: line {missing[0].line}: {len(missing)} of {len(rows)} images are missing: no "
            f"{where}/{names}{more} with {', '.join(EXTENSIONS)}: fetch them or take their rows out"
        )
    return found


def _table_file(source: ImageSource, folder: Path) -> Path:
    if path_kind(folder) != "folder":
        raise InputError(f"{folder}: is no folder: give the one that holds {source.table}")
    names = {file.name.casefold(): file for file in folder.iterdir()}
    stem = Path(source.table).stem
    for name in (source.table, f"{stem}.xlsx"):
        if name.casefold() in names:
            return names[name.casefold()]
    inside = f" and {source.images}/" if source.images else " and the images"
    raise InputError(f"{folder / source.table}: is missing: give the folder that holds it{inside}")


def _image_row(row: Row, source: ImageSource, image_column: str) -> ImageRow:
    image, patient, plane = (row.text(c) for c in (image_column, source.patient_column, source.plane_column))
    site = row.text(source.site_column) if source.site_column else ""
    for column, name in ((image_column, image), (source.patient_column, patient), (source.plane_column, plane)):
        if fault := name_fault(name):
            raise row.error(column, fault, "correct it")
    if "/" in image or "\\" in image or "/" in site or site in (".", ".."):
        raise row.error(image_column, f"{image!r} is a path", "give the name of a file")
    train = row.text(source.train_column)
    if train not in _SPLITS:
        raise row.error(source.train_column, f"{train!r} is neither 0 nor 1", "correct it")
    if Path(image).suffix.casefold() in EXTENSIONS:
        image = Path(image).stem
    return ImageRow(
        image=image,
        # "7" of one country is another person than "7" of the next.
        patient=f"{site} {patient}" if site else patient,
        plane=plane,
        scanner=row.cells.get(source.scanner_column, "") or source.scanners.get(site, ""),
        site=site,
        split=_SPLITS[train],
        file=row.file,
        line=row.line,
    )


def _listing(folder: Path, where: str) -> dict[str, list[Path]]:
    """{stem in lower case: files} of the images in a folder below `folder`, whatever its case."""
    places = [folder]
    if where:
        places = [p for p in folder.iterdir() if p.name.casefold() == where.casefold() and p.is_dir()]
    found: dict[str, list[Path]] = {}
    for place in places:
        for file in place.iterdir():
            if file.suffix.casefold() in EXTENSIONS and not file.name.startswith("."):
                found.setdefault(file.stem.casefold(), []).append(file)
    return found
