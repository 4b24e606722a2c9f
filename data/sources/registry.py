"""Image sets by name: each is one file in `data/sources/image_sets`, found without being listed anywhere."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping

from common.errors import InputError
from data.sources import image_sets
from data.tables import nearest


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSource:
    """A public set of single images and a table with one row per image.

    A column may have several names; the first that the table has is taken. Tables are CSV with
    commas or semicolons, or the same as XLSX.

    Attributes:
        name: the subcommand of prepare.py, such as "fetal-planes".
        title: as its authors call it.
        citation: whom to cite.
        licence: of the images.
        table: file name of the table in the folder.
        images: folder with the images under the one that holds the table; "" where they lie
            next to it or in folders named by `site_column`.
        image_column: name of the image file, with or without its extension.
        patient_column: patient id.
        plane_column: what the image shows.
        train_column: 1 for training, 0 for the test.
        site_column: hospital or country, or "". Patient ids are then counted in each on its own.
        scanner_column: the machine, or "".
        scanners: {site: machine}, where the machine follows from the site.
        planes: every plane that the set documents.
        classes: "name=plane,plane" each, the default classes; a documented plane in none of
            them is left out and counted.
    """

    name: str
    title: str
    citation: str
    licence: str
    table: str
    planes: tuple[str, ...]
    classes: tuple[str, ...]
    images: str = ""
    image_column: tuple[str, ...] = ("Image_name",)
    patient_column: str = "Patient_num"
    plane_column: str = "Plane"
    train_column: str = "Train"
    site_column: str = ""
    scanner_column: str = ""
    scanners: Mapping[str, str] = dataclasses.field(default_factory=dict)


def image_sources() -> dict[str, ImageSource]:
    """{name: source} of every module in `data/sources/image_sets` that declares `SOURCE`, by name.

    Raises:
        ValueError: two of them have one name.
    """
    found: dict[str, ImageSource] = {}
    for module in pkgutil.iter_modules(image_sets.__path__):
        source = importlib.import_module(f"{image_sets.__name__}.{module.name}").SOURCE
        if source.name in found:
            raise ValueError(f"two image sources are named {source.name!r}")
        found[source.name] = source
    return dict(sorted(found.items()))


def image_source(name: str) -> ImageSource:
    """One source by name.

    Raises:
        InputError: there is none of this name.
    """
    sources = image_sources()
    if name not in sources:
        raise InputError(f"source {name!r}{nearest(name, sources)} is none of {', '.join(sources)}")
    return sources[name]
