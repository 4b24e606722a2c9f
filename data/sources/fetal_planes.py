"""FETAL_PLANES_DB (Burgos-Artizzu et al., Sci Rep 10, 10200, 2020) in its official layout.

`FETAL_PLANES_DB_data.csv` beside `Images/`; patients and the train/test split are the
official ones, and a validation part is taken from the training patients. There is no gaze.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from skimage.io import imread

from common.console import track
from common.errors import InputError
from data.dataset import Dataset, FrameRecord, open_dataset, write_dataset
from data.frames import grey_frame, resize_frame
from data.splits import split_patients

TABLE = "FETAL_PLANES_DB_data.csv"
# "*" stands for every plane that no other class names.
DEFAULT_CLASSES = ("abdomen=Fetal abdomen", "head=Fetal brain", "femur=Fetal femur", "other=*")
_COLUMNS = ("Image_name", "Patient_num", "Plane", "Train")
_EXTENSIONS = (".png", ".jpg", ".jpeg")


def prepare_fetal_planes(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    *,
    frame_size: tuple[int, int] = (224, 288),
    classes: Sequence[str] = DEFAULT_CLASSES,
    val_fraction: float = 0.15,
    seed: int = 0,
    overwrite: bool = False,
) -> Dataset:
    """Import the data set.

    Args:
        folder: holds `FETAL_PLANES_DB_data.csv` and `Images/` (png or jpg).
        out: the data set to write.
        frame_size: (H, W), pixels; images are resized to it whatever their shape.
        classes: "name=plane,plane…" each; "*" takes the planes that nothing else names.
            Planes that are in no class are refused and counted.
        val_fraction: share of the official *training* patients.
        seed: of the draw of those patients.
        overwrite: replace `out`.

    Returns:
        The opened data set.

    Raises:
        InputError: a file, column or value that is missing or wrong, with its row.
    """
    folder = Path(folder)
    table = _read_table(folder / TABLE)
    rows = [row for _, row in table]
    names, class_of = _parse_classes(classes, {row["Plane"] for row in rows})
    images = [_image_path(folder, row, line) for line, row in table]
    official = {}
    for line, row in table:
        split = "train" if row["Train"] == "1" else "test"
        if official.setdefault(row["Patient_num"], split) != split:
            raise InputError(
                f"{folder / TABLE}, line {line}, column Train: patient {row['Patient_num']} is in train and in "
                "test: a patient may be in one split only"
            )
    split_of = split_patients(
        official,
        val_fraction=val_fraction,
        test_fraction=0.0,
        seed=seed,
        fixed={patient: "test" for patient, split in official.items() if split == "test"},
    )
    digest = hashlib.sha256((folder / TABLE).read_bytes())
    source = {
        "kind": "fetal_planes",
        "name": "FETAL_PLANES_DB",
        "licence": "CC BY 4.0",
        "classes": list(classes),
    }
    with write_dataset(
        out, classes=names, frame_size=frame_size, source=source, seed=seed, overwrite=overwrite
    ) as writer:
        for row, image in track(list(zip(rows, images)), "importing images"):
            content = image.read_bytes()
            digest.update(content)
            if row["Plane"] not in class_of:
                writer.refuse(f"plane in no class: {row['Plane']}")
                continue
            frame = _read_image(image)
            if frame.min() == frame.max():
                writer.refuse("frame of one constant value")
                continue
            writer.add(
                split_of[row["Patient_num"]],
                FrameRecord(
                    frame=resize_frame(frame, frame_size),
                    label=class_of[row["Plane"]],
                    recording_id=row["Image_name"],
                    patient_id=row["Patient_num"],
                    frame_index=0,
                    time_s=0.0,
                ),
            )
        source["checksum"] = digest.hexdigest()
    return open_dataset(out)


def example_images(folder: str | os.PathLike, plane: str, count: int) -> list[np.ndarray]:
    """Some images of a plane, spread evenly over the table, to look at.

    Args:
        folder: holds `FETAL_PLANES_DB_data.csv` and `Images/`.
        plane: as in the table's column Plane. count: how many, at most.

    Returns:
        uint8 [h, w] each, of their own sizes.

    Raises:
        InputError: a file or column is missing or wrong, or no image has this plane.
    """
    folder = Path(folder)
    rows = [(line, row) for line, row in _read_table(folder / TABLE) if row["Plane"] == plane]
    if not rows:
        raise InputError(
            f"{folder / TABLE}: no row has {plane!r} in column Plane: give a folder that holds such images"
        )
    chosen = np.unique(np.linspace(0, len(rows) - 1, count).astype(int))
    return [_read_image(_image_path(folder, rows[i][1], rows[i][0])) for i in chosen]


def _read_table(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(line, row) of each image; the header is line 1, a blank line is none.

    Names and values are stripped: the official header ends in "Train ".
    """
    if not path.is_file():
        raise InputError(f"{path}: is missing: give the folder that holds it and Images/")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text ({error.reason}): fetch it again or save it in UTF-8") from error
    before, nul, _ = text.partition("\0")
    if nul:  # newer csv modules let it through, and it would end in the name of an image
        line = before.count("\n") + 1
        raise InputError(f"{path}, line {line}: holds a NUL byte: fetch it again or save it in UTF-8")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";")
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = header
        # line_num, since the reader passes over blank lines and would shift a count of rows.
        rows = [(reader.line_num, {key: (value or "").strip() for key, value in row.items() if key}) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.reader.line_num}: is no CSV ({error}): fetch it again") from error
    for column in _COLUMNS:
        if column not in header:
            raise InputError(f"{path}, line 1: column {column} is missing; there are {', '.join(header) or 'none'}")
    if not rows:
        raise InputError(f"{path}: has no rows: the table of the images is expected")
    first = {}
    for line, row in rows:
        for column in _COLUMNS:
            if not row[column]:
                raise InputError(f"{path}, line {line}, column {column}: is empty")
        if row["Train"] not in ("0", "1"):
            raise InputError(f"{path}, line {line}, column Train: {row['Train']!r} is neither 0 nor 1")
        name = row["Image_name"]
        if first.setdefault(name, line) != line:
            raise InputError(
                f"{path}, line {line}, column Image_name: {name} was in line {first[name]} too: take one of the "
                "two rows out"
            )
    return rows


def _parse_classes(classes: Sequence[str], planes: set[str]) -> tuple[list[str], dict[str, int]]:
    names, chosen, rest = [], {}, None
    for index, item in enumerate(classes):
        name, equals, wanted = item.partition("=")
        if not equals or not name.strip() or not wanted.strip():
            raise InputError(f"--classes {item!r}: write name=plane,plane or name=*")
        if name.strip() in names:
            raise InputError(f"--classes {item!r}: class {name.strip()} is there twice")
        names.append(name.strip())
        if wanted.strip() == "*":
            if rest is not None:
                raise InputError(f"--classes {item!r}: only one class may take the rest (*)")
            rest = index
            continue
        for plane in (part.strip() for part in wanted.split(",")):
            if plane not in planes:
                raise InputError(f"--classes {item!r}: no image has plane {plane!r}; there are {sorted(planes)}")
            if plane in chosen:
                raise InputError(f"--classes {item!r}: plane {plane!r} is in class {names[chosen[plane]]} already")
            chosen[plane] = index
    if rest is not None:
        chosen.update({plane: rest for plane in planes if plane not in chosen})
    return names, chosen


def _image_path(folder: Path, row: dict, line: int) -> Path:
    for extension in _EXTENSIONS:
        path = folder / "Images" / (row["Image_name"] + extension)
        if path.is_file():
            return path
    raise InputError(
        f"{folder / TABLE}, line {line}, column Image_name: no Images/{row['Image_name']} with "
        f"{', '.join(_EXTENSIONS)}: fetch the image or take the row out"
    )


def _read_image(path: Path) -> np.ndarray:
    try:
        return grey_frame(imread(path))
    except (OSError, ValueError, SyntaxError) as error:  # what image readers raise on a broken file
        raise InputError(f"{path}: is no readable image ({error}): fetch it again or take its row out") from error
