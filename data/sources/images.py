"""Public image sets into a data set: official patients and split, one frame per image."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from common.console import notice, track
from common.errors import InputError
from data.dataset import Dataset, DatasetWriter, FrameRecord, open_dataset, write_dataset
from data.duplicates import frame_digest
from data.names import one_spelling, refuse_spellings, say_leading_zeros, say_spellings, spelling_key
from data.pseudonyms import open_pseudonyms
from data.sources.config import ImageSetConfig
from data.sources.image_table import ImageRow, find_images, read_image_table
from data.sources.registry import ImageSource, image_source
from data.splits import KEPT_BACK, leave_scanner_out, split_patients
from data.video.fan import Fan, find_fan
from data.video.framing import prepare_image
from data.video.images import read_image

FAN_KEPT = "warning: images whose fan was not found, kept whole"
OFFICIAL_TEST = "frames of the official test, kept back"
OTHER_SCANNER = "frames by other scanners of patients whom the left-out scanner showed"
COPIES_OF_TEST = "images whose pixels the official test, which is kept back, has too"
COPIES = "images that another patient of the test has too (the training copy is left out)"


def prepare_images(config: ImageSetConfig) -> Dataset:
    """Import an image set.

    Patients keep the official split; `val_fraction` of the training patients become the
    validation. Images of the same pixels under several patients put these patients into one
    split; where the official split parts them, the training copy is left out and counted.

    Args:
        config: see `ImageSetConfig`. Images become frames as `data.video.framing` says.

    Returns:
        The opened data set.

    Raises:
        InputError: a file, column or value that is missing or wrong, with its row; every missing
            image at once; planes that the set does not document and no class names.
    """
    source = image_source(config.source)
    rows = _read_rows(source, config.folder)
    names, class_of = _class_of_planes(source, config.classes, rows)
    images = find_images(source, config.folder, rows)
    official = _official_split(rows)
    if config.leave_out_scanner is not None:
        official = leave_scanner_out(config.leave_out_scanner, _scanners(rows), official)
    about = _about(source, config)
    with write_dataset(
        config.out,
        classes=names,
        frame_size=config.frame_size,
        rule=config.rule,
        source=about,
        seed=config.seed,
        overwrite=config.overwrite,
        pseudonyms=open_pseudonyms(config.pseudonymise, config.out),
        origin=rows[0].file,
    ) as writer:
        digest = hashlib.sha256(rows[0].file.read_bytes())
        kept = [row for row in rows if row.plane in class_of]
        for plane, count in Counter(row.plane for row in rows if row.plane not in class_of).items():
            writer.refuse(f"plane in no class: {plane}", count)
        kept = _of_split(kept, official, config.leave_out_scanner, writer)
        with tempfile.TemporaryFile(dir=Path(config.out).absolute().parent) as frames:
            constant, same, copies = _read_frames(
                kept,
                [row for row in rows if official[row.patient] == KEPT_BACK],
                images,
                config,
                digest,
                frames,
                writer,
            )
            writer.refuse(COPIES_OF_TEST, len(copies))
            writer.refuse(COPIES, len(parted := _parted_copies(same, official) - copies))
            left_out = parted | copies
            split_of = _split(kept, same, official, config)
            _write(kept, frames, left_out, constant - left_out, split_of, class_of, config.frame_size, writer)
        about["checksum"] = digest.hexdigest()
    return open_dataset(config.out)


def _read_rows(source: ImageSource, folder: str | os.PathLike) -> list[ImageRow]:
    """The rows of the table: each patient, and each machine, under one name."""
    rows = read_image_table(source, folder)
    refuse_spellings((row.patient for row in rows), rows[0].file, "patients")
    say_leading_zeros((row.patient for row in rows), rows[0].file)
    scanner = say_spellings((row.scanner for row in rows), rows[0].file, "machines")
    return [dataclasses.replace(row, scanner=scanner[row.scanner]) for row in rows]


def _about(source: ImageSource, config: ImageSetConfig) -> dict[str, Any]:
    """The section "source" of `dataset.json`, without the checksum."""
    return {
        "kind": "images",
        "name": source.title,
        "source": source.name,
        "licence": source.licence,
        "citation": source.citation,
        "classes": list(config.classes or source.classes),
        **({"left_out_scanner": config.leave_out_scanner} if config.leave_out_scanner else {}),
    }


def example_images(source: str, folder: str | os.PathLike, plane: str, count: int) -> list[np.ndarray]:
    """Some images of a plane, spread evenly over the table, to look at.

    Args:
        source: name of the image set. folder: holds its table and images.
        plane: as in the table. count: how many, at most.

    Returns:
        uint8 [h, w] each, of their own sizes.

    Raises:
        InputError: a file or column is missing or wrong, or no image has this plane.
    """
    declared = image_source(source)
    rows = [row for row in read_image_table(declared, folder) if spelling_key(row.plane) == spelling_key(plane)]
    if not rows:
        raise InputError(
            f"{Path(folder) / declared.table}: no row has {plane!r} in column {declared.plane_column}: give a folder "
            "that holds such images"
        )
    chosen = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, count).astype(int))]
    images = find_images(declared, folder, chosen)
    return [read_image(images[row.image]) for row in chosen]


def _class_of_planes(
    source: ImageSource, classes: Sequence[str] | None, rows: Sequence[ImageRow]
) -> tuple[list[str], dict[str, int]]:
    """Class names, and {plane as the table spells it: index of its class}."""
    counts = Counter(row.plane for row in rows)
    spelled = one_spelling(counts, preferred=source.planes)
    for plane, meant in spelled.items():
        if plane != meant:
            notice(f"{rows[0].file}: plane {plane!r} of {counts[plane]} images is taken for {meant!r}")
    there = {spelling_key(plane) for plane in (*counts, *source.planes)}
    names, chosen, rest = parse_classes(classes or source.classes)
    for plane, (_, item) in chosen.items():
        if plane not in there:
            known = sorted(set(spelled.values()))
            raise InputError(f"classes {item!r}: no image has plane {plane!r}; there are {known}")
    class_of = {plane: chosen[spelling_key(plane)][0] for plane in counts if spelling_key(plane) in chosen}
    documented = {spelling_key(plane) for plane in source.planes}
    unknown = [plane for plane in counts if plane not in class_of and spelling_key(plane) not in documented]
    if rest is not None:
        class_of.update({plane: rest for plane in counts if plane not in class_of})
    elif unknown:
        listed = ", ".join(f"{plane!r} ({counts[plane]} images)" for plane in unknown)
        raise InputError(
            f"{rows[0].file}: column {source.plane_column}: {listed}: {source.title} documents no such plane: correct "
            "the table, or give classes that name it, or a class that takes the rest (other=*)"
        )
    return names, class_of


def parse_classes(classes: Sequence[str]) -> tuple[list[str], dict[str, tuple[int, str]], int | None]:
    """Read "name=plane,plane" and "name=*".

    Returns:
        Class names; {`spelling_key` of a plane: (index of its class, the item that named it)};
        index of the class that takes the rest, or None.

    Raises:
        InputError: an item that is no such thing, or a class or plane that comes twice.
    """
    names: list[str] = []
    chosen: dict[str, tuple[int, str]] = {}
    rest = None
    for index, item in enumerate(classes):
        name, equals, wanted = (part.strip() for part in item.partition("="))
        if not equals or not name or not wanted:
            raise InputError(f"classes {item!r}: write name=plane,plane or name=*")
        if spelling_key(name) in map(spelling_key, names):
            raise InputError(f"classes {item!r}: class {name} is there twice")
        names.append(name)
        if wanted == "*":
            if rest is not None:
                raise InputError(f"classes {item!r}: only one class may take the rest (*)")
            rest = index
            continue
        for plane in (spelling_key(part) for part in wanted.split(",")):
            if plane in chosen:
                raise InputError(f"classes {item!r}: plane {plane!r} is in class {names[chosen[plane][0]]} already")
            chosen[plane] = (index, item)
    return names, chosen, rest


def _official_split(rows: Sequence[ImageRow]) -> dict[str, str]:
    """{patient: "train" or "test"}."""
    official: dict[str, str] = {}
    for row in rows:
        if official.setdefault(row.patient, row.split) != row.split:
            raise InputError(
                f"{row.file}: line {row.line}: patient {row.patient} is in train and in test: a patient may be in one "
                "split only"
            )
    return official


def _read_frames(
    rows: Sequence[ImageRow],
    held: Sequence[ImageRow],
    images: dict[str, Path],
    config: ImageSetConfig,
    digest: hashlib._Hash,
    frames: BinaryIO,
    writer: DatasetWriter,
) -> tuple[set[str], list[list[ImageRow]], set[str]]:
    """Decode every image once: the checksum is fed, and what becomes of it goes to `frames`, one after the other.

    Returns:
        Images of one constant value; rows whose images have the same pixels, where they are of several patients; images
        with the pixels of one that is `held` back.
    """
    test = track(held, "reading the official test") if held else ()
    unseen = {frame_digest(read_image(images[row.image])) for row in test}
    groups: dict[bytes, list[ImageRow]] = {}
    constant, copies = set[str](), set[str]()
    for row in track(rows, "reading images"):
        digest.update(images[row.image].read_bytes())
        image = read_image(images[row.image])
        groups.setdefault(pixels := frame_digest(image), []).append(row)
        if pixels in unseen:
            copies.add(row.image)
        if image.min() == image.max():
            constant.add(row.image)
        fan = _sure_fan(image, writer) if config.fan == "blank" else None
        mask, marks = (None, None) if fan is None else (fan.mask, fan.marks)
        frame = prepare_image(image, config.frame_size, config.fit, config.pixel_aspect, mask=mask, marks=marks)
        frames.write(frame.tobytes())
    return constant, [group for group in groups.values() if len({row.patient for row in group}) > 1], copies


def _parted_copies(same: Sequence[Sequence[ImageRow]], official: dict[str, str]) -> set[str]:
    """Training images whose pixels the test has too."""
    return {
        row.image
        for group in same
        if any(official[row.patient] == "test" for row in group)
        for row in group
        if official[row.patient] == "train"
    }


def _scanners(rows: Sequence[ImageRow]) -> dict[str, set[str]]:
    """{patient: machines of the images}."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.patient, set()).add(row.scanner)
    return found


def _of_split(
    rows: list[ImageRow], official: Mapping[str, str], scanner: str | None, writer: DatasetWriter
) -> list[ImageRow]:
    """The rows whose patients are in a split, and of the test of one scanner that scanner's alone."""
    if scanner is None:
        return rows
    back = [row for row in rows if official[row.patient] == KEPT_BACK]
    others = [row for row in rows if official[row.patient] == "test" and row.scanner != scanner]
    writer.refuse(OFFICIAL_TEST, len(back))
    writer.refuse(OTHER_SCANNER, len(others))
    out = {row.image for row in (*back, *others)}
    return [row for row in rows if row.image not in out]


def _sure_fan(image: np.ndarray, writer: DatasetWriter) -> Fan | None:
    """The fan of an image; None where it is unsure, which is counted."""
    fan = find_fan(image)
    writer.note("images whose surroundings of the fan were blanked" if fan.sure else FAN_KEPT)
    return fan if fan.sure else None


def _split(
    rows: Sequence[ImageRow], same: Sequence[Sequence[ImageRow]], official: dict[str, str], config: ImageSetConfig
) -> dict[str, str]:
    """{patient: split}; training patients who share an image are drawn as one."""
    leader = {row.patient: row.patient for row in rows}

    def lead(patient: str) -> str:
        while leader[patient] != patient:
            patient = leader[patient]
        return patient

    joined = 0
    for group in same:
        sharing = sorted({row.patient for row in group if official[row.patient] == "train"})
        joined += len(sharing) > 1
        for patient in sharing[1:]:
            leader[lead(patient)] = lead(sharing[0])
    if same:
        notice(
            f"{len(same)} images come under more than one patient: {joined} of them put their training patients into "
            "one split"
        )
    training = {lead(patient) for patient in leader if official[patient] == "train"}
    drawn = split_patients(
        training,
        val_fraction=config.val_fraction,
        test_fraction=0.0,
        seed=config.seed,
        source=Path(config.folder) / image_source(config.source).table,
    )
    return {p: drawn[lead(p)] if official[p] == "train" else "test" for p in leader}


def _write(
    rows: Sequence[ImageRow],
    frames: BinaryIO,
    left_out: set[str],
    constant: set[str],
    split_of: Mapping[str, str],
    class_of: Mapping[str, int],
    frame_size: tuple[int, int],
    writer: DatasetWriter,
) -> None:
    """Write what `_read_frames` has read."""
    height, width = frame_size
    frames.seek(0)
    for row in track(rows, "writing frames"):
        frame = np.frombuffer(frames.read(height * width), np.uint8).reshape(height, width)
        if row.image in constant:
            writer.refuse("frame of one constant value")
        if row.image in left_out or row.image in constant:
            continue
        writer.add(
            split_of[row.patient],
            FrameRecord(
                frame=frame,
                label=class_of[row.plane],
                recording_id=row.image,
                patient_id=row.patient,
                frame_index=0,
                time_s=0.0,
                scanner=row.scanner,
            ),
        )
