"""Image sets: the published layouts, their traps, the registry, and the real subset's counts."""

import sys

import numpy as np
import openpyxl
import pytest
from skimage import io

from common.errors import InputError
from data.reading import read_split
from data.sources import ImageSetConfig, example_images, image_sets, image_source, image_sources, prepare_images
from tests.data.planes import MACHINES, PLANES, TABLE, write_planes


def prepare(folder, out, **options):
    options = {"source": "fetal-planes", "frame_size": (32, 48), **options}
    return prepare_images(ImageSetConfig(folder=folder, out=out, **options))


@pytest.mark.parametrize("extension", [".png", ".jpg", ".PNG"])
def test_official_layout_patients_split_and_scanner(tmp_path, extension):
    folder = write_planes(tmp_path / "db", extension)
    data = prepare(folder, tmp_path / "out", val_fraction=0.25)
    assert data.classes == ("abdomen", "head", "femur", "other")
    assert [data.patients(split) for split in ("train", "val", "test")] == [6, 2, 4]
    assert set(data.info["splits"]["test"]["frames_per_patient"]) == {"0", "1", "2", "3"}
    assert data.scanners("test") == {"Aloka": 8, "Voluson E6": 8}
    example = next(iter(read_split(data, "test")))
    assert example["frame"].shape == (32, 48, 1) and example["gaze_x"].shape == (0,)
    for example in read_split(data, "train").as_numpy_iterator():
        assert example["scanner"].decode() == MACHINES[int(example["patient_id"]) % 2]


def as_workbook(folder):
    """The table as XLSX, with numbers as numbers, instead of the CSV."""
    workbook = openpyxl.Workbook()
    for line in (folder / TABLE).read_text().splitlines():
        workbook.active.append([int(c) if c.strip().isdecimal() else c for c in line.split(";")])
    workbook.save(folder / "FETAL_PLANES_DB_data.xlsx")
    (folder / TABLE).unlink()


def with_rows(folder, change):
    lines = (folder / TABLE).read_text().splitlines()
    (folder / TABLE).write_text("\n".join([lines[0], *map(change, lines[1:])]) + "\n")


VARIANTS = {
    "renamed to xlsx": lambda folder: (folder / TABLE).rename(folder / "FETAL_PLANES_DB_data.xlsx"),
    "commas": lambda folder: (folder / TABLE).write_text((folder / TABLE).read_text().replace(";", ",")),
    "workbook": as_workbook,
    "names with extension": lambda folder: with_rows(folder, lambda line: line.replace("_1_of_1;", "_1_of_1.png;")),
    "train as a float": lambda folder: with_rows(folder, lambda line: line.strip() + ".0"),
    "images in lower case": lambda folder: (folder / "Images").rename(folder / "images"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The checksum of the data set that the official layout gives."""
    folder = tmp_path_factory.mktemp("plain")
    return prepare(write_planes(folder / "db"), folder / "out").checksum


@pytest.mark.parametrize("variant", VARIANTS)
def test_tables_and_names_as_they_are_passed_around(tmp_path, variant, plain):
    folder = write_planes(tmp_path / "db")
    VARIANTS[variant](folder)
    assert prepare(folder, tmp_path / "out").checksum == plain


def test_all_missing_images_are_named_at_once(tmp_path):
    folder = write_planes(tmp_path / "db")
    gone = sorted((folder / "Images").iterdir())[3:6]
    for image in gone:
        image.unlink()
    with pytest.raises(InputError, match="3 of 48 images are missing") as caught:
        prepare(folder, tmp_path / "out")
    assert all(image.stem in str(caught.value) for image in gone)
    assert not (tmp_path / "out").exists()


def test_classes_merge_planes_and_what_is_in_none_is_counted(tmp_path):
    folder = write_planes(tmp_path / "db")
    classes = ("trunk=Fetal abdomen,Fetal thorax", "head=Fetal brain")
    data = prepare(folder, tmp_path / "out", classes=classes)
    assert data.classes == ("trunk", "head")
    assert data.info["splits"]["test"]["frames_per_class"] == {"trunk": 8, "head": 4}
    assert data.info["refused"] == {"plane in no class: Fetal femur": 12}


def test_another_spelling_of_a_plane_is_that_plane_and_it_is_said(tmp_path, capsys, plain):
    folder = write_planes(
        tmp_path / "db", rows=lambda lines: [line.replace("Fetal femur", "Fetal  Femur") for line in lines]
    )
    assert prepare(folder, tmp_path / "out").checksum == plain
    assert "'Fetal  Femur' of 12 images is taken for 'Fetal femur'" in capsys.readouterr().err


def test_a_plane_that_nobody_documents_is_refused_unless_a_class_takes_the_rest(tmp_path):
    folder = write_planes(
        tmp_path / "db", rows=lambda lines: [line.replace("Fetal femur", "Fetal femurs") for line in lines]
    )
    with pytest.raises(InputError, match=r"'Fetal femurs' \(12 images\).*other=\*"):
        prepare(folder, tmp_path / "out")
    classes = ("head=Fetal brain", "rest=*")
    assert prepare(folder, tmp_path / "out", classes=classes).info["splits"]["test"]["frames_per_class"]["rest"] == 12


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (lambda lines: lines[:1], "no row"),
        (lambda lines: [lines[0].replace("Plane", "Plain"), *lines[1:]], "column Plane is missing"),
        (lambda lines: [*lines[:3], lines[3].replace("1 ", "x ").replace("0 ", "x ")], "line 4, column Train"),
        (lambda lines: [*lines, lines[1].replace("Patient00000", "Patient99999")], "no Images/Patient99999"),
        (
            lambda lines: [*lines[:2], lines[2][:-2] + "1 ", *lines[3:]],
            "line 3: patient 0 is in train and in test",
        ),
        (lambda lines: [*lines, "", lines[2]], "line 51, column Image_name: .*Plane1_1_of_1 was in line 3 too"),
        (lambda lines: [lines[0], "", "", lines[1].replace("0 ", "x ")], "line 4, column Train"),
        (lambda lines: [*lines[:2], lines[2].replace("_1_of_1", "\0")], "line 3: holds a NUL byte"),
        (lambda lines: [*lines[:2], "x" * 200_000], r"line 3: can.t be read \(field larger"),
        (lambda lines: [lines[0], lines[1].replace("Patient", "../Patient")], "line 2, column Image_name: .*is a path"),
        (lambda lines: [lines[0], *lines[1:5], lines[5].replace(";1;", ";０;")], "patients '0' and '０' .*differ only"),
    ],
)
def test_bad_table_is_one_clear_error_and_nothing_is_written(tmp_path, rows, words):
    folder = write_planes(tmp_path / "db", rows=rows)
    with pytest.raises(InputError, match=words):
        prepare(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_table_in_another_encoding_is_named_with_the_cure(tmp_path, encoding):
    table = write_planes(tmp_path / "db") / TABLE
    table.write_bytes(table.read_text().encode(encoding))
    with pytest.raises(InputError, match=f"{TABLE}.*(UTF-8|NUL byte).*save it as CSV in UTF-8"):
        prepare(tmp_path / "db", tmp_path / "out")


def test_broken_image_is_named(tmp_path):
    folder = write_planes(tmp_path / "db")
    image = sorted((folder / "Images").iterdir())[5]
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(InputError, match=image.name):
        prepare(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["head"], "write name=plane"),
        (["head=Fetal brian", "other=*"], "no image has plane 'fetal brian'"),
        (["a=*", "b=*"], "only one class"),
        (["a=Fetal brain", "b=Fetal brain"], "in class a already"),
        (["a=Fetal brain", "A=Fetal femur"], "there twice"),
    ],
)
def test_bad_classes(tmp_path, classes, words):
    with pytest.raises(InputError, match=words):
        prepare(write_planes(tmp_path / "db"), tmp_path / "out", classes=tuple(classes))


def copy_image(folder, source, target):
    (folder / "Images" / f"{target}.png").write_bytes((folder / "Images" / f"{source}.png").read_bytes())


def test_patients_who_share_an_image_are_drawn_together(tmp_path, capsys):
    folder = write_planes(tmp_path / "db")
    for plane in range(3):
        copy_image(folder, f"Patient00004_Plane{plane}_1_of_1", f"Patient0000{plane + 5}_Plane{plane}_1_of_1")
    for seed in range(3):
        data = prepare(folder, tmp_path / f"out{seed}", val_fraction=0.4, seed=seed)
        assert (
            sum({"4", "5", "6", "7"} <= set(data.info["splits"][s]["frames_per_patient"]) for s in ("train", "val"))
            == 1
        )
    assert "3 images come under more than one patient" in capsys.readouterr().err


def test_a_training_copy_of_a_test_image_is_left_out(tmp_path):
    folder = write_planes(tmp_path / "db")
    copy_image(folder, "Patient00000_Plane1_1_of_1", "Patient00007_Plane1_1_of_1")
    data = prepare(folder, tmp_path / "out")
    assert sum(data.info["refused"].values()) == 1
    assert data.frames("test") == 16 and data.frames("train") + data.frames("val") == 31


def write_african(folder, separator, column):
    """Two patients "1" and "2" in each of two countries, a folder each."""
    rng = np.random.default_rng(1)
    lines = [separator.join(("Patient_num", "Plane", "Train", "Center", column))]
    for center in ("Egypt", "Malawi"):
        (folder / center).mkdir(parents=True)
        for patient in range(1, 7):
            for number, plane in enumerate(PLANES):
                name = f"patient{patient:03d}_{center[:3].upper()}_plane{number}"
                lines.append(separator.join((str(patient), plane, str(int(patient > 2)), center, name)))
                io.imsave(folder / center / f"{name}.png", rng.integers(0, 255, (40, 60)).astype(np.uint8))
    (folder / "African_planes_database.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize(("separator", "column"), [(",", "Filename"), (";", "Image_name")])
def test_african_planes_count_patients_in_each_country(tmp_path, separator, column):
    folder = write_african(tmp_path / "db", separator, column)
    data = prepare(folder, tmp_path / "out", source="african-planes")
    assert data.classes == image_classes("fetal-planes") == image_classes("african-planes")
    assert set(data.info["splits"]["test"]["frames_per_patient"]) == {"Egypt 1", "Egypt 2", "Malawi 1", "Malawi 2"}
    assert data.scanners("test") == {"Mindray DC-N2": 8, "Voluson P8": 8}


def image_classes(source):
    return tuple(item.split("=")[0] for item in image_source(source).classes)


def test_a_new_source_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "hearts.py").write_text(
        "from data.sources.registry import ImageSource\n"
        "SOURCE = ImageSource(name='hearts', title='Hearts', citation='-', licence='-', table='hearts.csv',\n"
        "    image_column=('file',), patient_column='who', plane_column='view', train_column='learn',\n"
        "    planes=('four chamber', 'outflow'), classes=('a=four chamber', 'b=outflow'))\n"
    )
    monkeypatch.setattr(image_sets, "__path__", [*image_sets.__path__, str(tmp_path / "sets")])
    assert {"hearts", "fetal-planes", "african-planes"} <= set(image_sources())
    lines, rng = ["file,who,view,learn"], np.random.default_rng(2)
    for patient in range(8):
        for view in ("four chamber", "outflow"):
            name = f"{patient}{view[0]}.png"
            io.imsave(tmp_path / name, rng.integers(0, 255, (40, 60)).astype(np.uint8))
            lines.append(f"{name},{patient},{view},{int(patient > 2)}")
    (tmp_path / "hearts.csv").write_text("\n".join(lines))
    import prepare as command

    assert command.main(["hearts", str(tmp_path), "--out", str(tmp_path / "out"), "--frame-size", "32", "48"]) == 0
    sys.modules.pop("data.sources.image_sets.hearts")


def test_an_unknown_source_names_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"source 'fetal-plane' \(did you mean 'fetal-planes'\?\)"):
        prepare(tmp_path, tmp_path / "out", source="fetal-plane")


def test_real_subset_has_the_official_counts(fetal_planes_dir, tmp_path):
    data = prepare(fetal_planes_dir, tmp_path / "out", frame_size=(28, 36))
    assert data.info["splits"]["test"]["frames_per_class"] == {"abdomen": 180, "head": 260, "femur": 138, "other": 172}
    assert data.patients("test") == 417 and data.patients("train") + data.patients("val") == 437
    both = [data.info["splits"][split]["frames_per_class"] for split in ("train", "val")]
    assert {name: sum(part[name] for part in both) for name in data.classes} == {
        "abdomen": 166,
        "head": 293,
        "femur": 145,
        "other": 284,
    }
    scanners = [data.scanners(split) for split in ("train", "val", "test")]
    assert {name: sum(part.get(name, 0) for part in scanners) for name in scanners[0]} == {
        "Aloka": 351,
        "Other": 59,
        "Voluson E6": 1083,
        "Voluson S10": 145,
    }
    assert sum(data.gaze_frames(split) for split in ("train", "val", "test")) == 0


def test_example_images_are_of_the_plane_and_spread_over_the_table(tmp_path):
    folder = write_planes(tmp_path / "db")
    found = example_images("fetal-planes", folder, "Fetal brain", 3)
    for image, patient in zip(found, (0, 5, 11), strict=True):
        np.testing.assert_array_equal(image, io.imread(folder / "Images" / f"Patient{patient:05d}_Plane1_1_of_1.png"))
    assert len(example_images("fetal-planes", folder, "Fetal brain", 99)) == 12
    with pytest.raises(InputError, match="Maternal cervix"):
        example_images("fetal-planes", folder, "Maternal cervix", 1)


def test_one_scanner_is_left_out(tmp_path):
    """Even patients are from a Voluson, odd ones from an Aloka; 0 to 3 are the official test."""
    folder = write_planes(tmp_path / "db")
    data = prepare(folder, tmp_path / "out", leave_out_scanner="Aloka", val_fraction=0.25)
    patients = [set(data.info["splits"][split]["frames_per_patient"]) for split in ("train", "val", "test")]
    assert patients[2] == {"5", "7", "9", "11"}
    assert patients[0] | patients[1] == {"4", "6", "8", "10"} and len(patients[1]) == 1
    assert data.scanners("test") == {"Aloka": 16} and data.scanners("train") == {"Voluson E6": 12}
    assert data.info["refused"] == {"frames of the official test, kept back": 16}
    assert data.info["source"]["left_out_scanner"] == "Aloka"
    # 0 is of the official test, which stays unseen: its copy is not trained on.
    trained = f"Patient{min(patients[0]).zfill(5)}_Plane1_1_of_1"
    copy_image(folder, "Patient00000_Plane1_1_of_1", trained)
    again = prepare(folder, tmp_path / "again", leave_out_scanner="Aloka", val_fraction=0.25)
    assert again.info["refused"]["images whose pixels the official test, which is kept back, has too"] == 1
    assert again.frames("train") + again.frames("val") == data.frames("train") + data.frames("val") - 1


def test_spellings_of_a_scanner_in_a_table_are_read_as_one(tmp_path):
    def rows(lines):
        return [line.replace("Aloka", "ALOKA") if index % 5 == 0 else line for index, line in enumerate(lines)]

    folder = write_planes(tmp_path / "db", rows=rows)
    data = prepare(folder, tmp_path / "out", leave_out_scanner="Aloka", val_fraction=0.25)
    assert data.scanners("test") == {"Aloka": 16} and data.scanners("train") == {"Voluson E6": 12}


def test_frames_by_other_scanners_of_the_tested_patients_are_left_out(tmp_path):
    def rows(lines):
        return [
            line.replace("Voluson E6", "Aloka") if line.startswith("Patient00004_Plane0") else line for line in lines
        ]

    folder = write_planes(tmp_path / "db", rows=rows)
    data = prepare(folder, tmp_path / "out", leave_out_scanner="Aloka", val_fraction=0.25)
    assert data.info["splits"]["test"]["frames_per_patient"]["4"] == 1
    assert data.info["refused"]["frames by other scanners of patients whom the left-out scanner showed"] == 3


def test_images_are_blanked_outside_the_fan(tmp_path):
    folder = write_planes(tmp_path / "db")
    rng = np.random.default_rng(1)
    for number, file in enumerate(sorted((folder / "Images").iterdir())):
        image = np.zeros((120, 160), np.uint8)
        image[20:110, 30:130] = rng.integers(20, 200, (90, 100))
        image[2:12, 2:20] = 255 * ((np.arange(18) % 3 == 0) & (np.arange(10)[:, None] % 4 != number % 4))
        io.imsave(file, image, check_contrast=False)
    kept = prepare(folder, tmp_path / "kept", frame_size=(120, 160))
    blank = prepare(folder, tmp_path / "blank", frame_size=(120, 160), fan="blank")
    assert (kept.fan, blank.fan) == ("keep", "blank")
    assert blank.info["notes"]["images whose surroundings of the fan were blanked"] == 48
    for with_marks, without in zip(*(read_split(d, "test").as_numpy_iterator() for d in (kept, blank))):
        assert with_marks["frame"][:15, :25].any() and not without["frame"][:15, :25].any()
        np.testing.assert_array_equal(with_marks["frame"][24:106, 34:126], without["frame"][24:106, 34:126])
