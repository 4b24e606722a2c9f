"""FETAL_PLANES_DB: the official layout, its traps, and the real subset's counts."""

import numpy as np
import pytest
from skimage import io

from common.errors import InputError
from data.dataset import read_split
from data.sources.fetal_planes import TABLE, example_images, prepare_fetal_planes

HEADER = "Image_name;Patient_num;Plane;Brain_plane;Operator;US_Machine;Train "
PLANES = ("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax")


def write_planes(folder, extension=".png", rows=None):
    """Four planes for each of 12 patients, 4 of them test; values carry the official trailing space."""
    (folder / "Images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = [HEADER]
    for patient in range(12):
        for number, plane in enumerate(PLANES):
            name = f"Patient{patient:05d}_Plane{number}_1_of_1"
            lines.append(f"{name};{patient};{plane};Not A Brain;Op. 1;Aloka;{int(patient >= 4)} ")
            io.imsave(folder / "Images" / (name + extension), rng.integers(0, 255, (40, 60)).astype(np.uint8))
    (folder / TABLE).write_text("\n".join(lines if rows is None else rows(lines)) + "\n")
    return folder


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_official_layout_patients_and_split(tmp_path, extension):
    folder = write_planes(tmp_path / "db", extension)
    data = prepare_fetal_planes(folder, tmp_path / "out", frame_size=(32, 48), val_fraction=0.25)
    assert data.classes == ("abdomen", "head", "femur", "other")
    assert [data.patients(split) for split in ("train", "val", "test")] == [6, 2, 4]
    assert set(data.info["splits"]["test"]["frames_per_patient"]) == {"0", "1", "2", "3"}
    example = next(iter(read_split(data, "test")))
    assert example["frame"].shape == (32, 48, 1) and example["gaze_x"].shape == (0,)


def test_classes_merge_planes_and_what_is_in_none_is_counted(tmp_path):
    folder = write_planes(tmp_path / "db")
    classes = ["trunk=Fetal abdomen,Fetal thorax", "head=Fetal brain"]
    data = prepare_fetal_planes(folder, tmp_path / "out", frame_size=(32, 48), classes=classes)
    assert data.classes == ("trunk", "head")
    assert data.info["splits"]["test"]["frames_per_class"] == {"trunk": 8, "head": 4}
    assert data.info["refused"] == {"plane in no class: Fetal femur": 12}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (lambda lines: lines[:1], "has no rows"),
        (lambda lines: [lines[0].replace("Plane", "Plain"), *lines[1:]], "line 1: column Plane is missing"),
        (lambda lines: [*lines[:3], lines[3].replace("1 ", "x ").replace("0 ", "x ")], "line 4, column Train"),
        (lambda lines: [*lines, lines[1].replace("Patient00000", "Patient99999")], "no Images/Patient99999"),
        (
            lambda lines: [*lines[:2], lines[2][:-2] + "1 ", *lines[3:]],
            "line 3, column Train: patient 0 is in train and in test",
        ),
        (lambda lines: [*lines, "", lines[2]], "line 51, column Image_name: .*Plane1_1_of_1 was in line 3 too"),
        (lambda lines: [lines[0], "", "", lines[1].replace("0 ", "x ")], "line 4, column Train"),
        (lambda lines: [*lines[:2], lines[2].replace("_1_of_1", "\0")], "line 3: holds a NUL byte: fetch it again"),
        (lambda lines: [*lines[:2], "x" * 200_000], r"line 3: is no CSV \(field larger"),
    ],
)
def test_bad_table_is_one_clear_error_and_nothing_is_written(tmp_path, rows, words):
    folder = write_planes(tmp_path / "db", rows=rows)
    with pytest.raises(InputError, match=words):
        prepare_fetal_planes(folder, tmp_path / "out", frame_size=(32, 48))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("utf-16", "is no UTF-8 text .*: fetch it again or save"), ("utf-16-le", "line 1: holds a NUL byte")],
)
def test_a_table_in_another_encoding_is_named_with_the_cure(tmp_path, encoding, words):
    table = write_planes(tmp_path / "db") / TABLE
    table.write_bytes(table.read_text().encode(encoding))
    with pytest.raises(InputError, match=f"{TABLE}.*{words}"):
        prepare_fetal_planes(tmp_path / "db", tmp_path / "out", frame_size=(32, 48))
    assert not (tmp_path / "out").exists()


def test_broken_image_is_named(tmp_path):
    folder = write_planes(tmp_path / "db")
    image = sorted((folder / "Images").iterdir())[5]
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(InputError, match=image.name):
        prepare_fetal_planes(folder, tmp_path / "out", frame_size=(32, 48))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["head"], "write name=plane"),
        (["head=Fetal brian", "other=*"], "no image has plane 'Fetal brian'"),
        (["a=*", "b=*"], "only one class"),
        (["a=Fetal brain", "b=Fetal brain"], "in class a already"),
    ],
)
def test_bad_classes(tmp_path, classes, words):
    with pytest.raises(InputError, match=words):
        prepare_fetal_planes(write_planes(tmp_path / "db"), tmp_path / "out", frame_size=(32, 48), classes=classes)


def test_real_subset_has_the_official_counts(fetal_planes_dir, tmp_path):
    data = prepare_fetal_planes(fetal_planes_dir, tmp_path / "out", frame_size=(28, 36))
    assert data.info["splits"]["test"]["frames_per_class"] == {"abdomen": 180, "head": 260, "femur": 138, "other": 172}
    assert data.patients("test") == 417 and data.patients("train") + data.patients("val") == 437
    both = [data.info["splits"][split]["frames_per_class"] for split in ("train", "val")]
    assert {name: sum(part[name] for part in both) for name in data.classes} == {
        "abdomen": 166,
        "head": 293,
        "femur": 145,
        "other": 284,
    }
    assert sum(data.gaze_frames(split) for split in ("train", "val", "test")) == 0


def test_example_images_are_of_the_plane_and_spread_over_the_table(tmp_path):
    folder = write_planes(tmp_path / "db")
    found = example_images(folder, "Fetal brain", 3)
    for image, patient in zip(found, (0, 5, 11), strict=True):
        np.testing.assert_array_equal(image, io.imread(folder / "Images" / f"Patient{patient:05d}_Plane1_1_of_1.png"))
    assert len(example_images(folder, "Fetal brain", 99)) == 12
    with pytest.raises(InputError, match="Maternal cervix"):
        example_images(folder, "Maternal cervix", 1)
