"""What `prepare.py check --fan` shows is what `--fan blank` blanks."""

import csv

import numpy as np
import pytest
from PIL import Image

import prepare
from common.errors import InputError, run_command
from data.checks.fans import check_fans
from data.dataset import open_dataset
from data.reading import read_split
from data.sources import RecordingsConfig
from data.sources.recordings import prepare_recordings
from tests.data.clips import write_csv, write_pngs
from tests.data.screens import curved, speckle

SIZE = (200, 250)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """A clip of a fan with letters beside it, and one without any echo."""
    folder = tmp_path_factory.mktemp("fans")
    fan = speckle(curved(SIZE, (125, -30), 0.55, (55, 210)), frames=4, seed=1)
    fan[:, 4:12, 4:40:3] = 230
    dark = np.full((4, *SIZE), 8, np.uint8)
    dark[:, 100, 100:110] = 40
    rows = []
    for number, (name, clip) in enumerate({"fan": fan, "dark": dark}.items()):
        write_pngs(folder / name, {f"{index:04d}.png": frame for index, frame in enumerate(clip)})
        rows.append(
            {"recording_id": name, "patient_id": number, "video": name, "label": "a", "fps": 10, "split": "train"}
        )
    return write_csv(folder / "manifest.csv", rows)


def test_it_says_of_each_recording_what_preparation_does(manifest, tmp_path, capsys):
    found = {one.name: one for one in check_fans(manifest, tmp_path / "fans")}
    assert found["fan"].blanked and found["fan"].kind and not found["fan"].reason
    assert not found["dark"].blanked and found["dark"].kept == 1 and "no echoes" in found["dark"].reason
    data = prepare_recordings(
        RecordingsConfig(manifest=manifest, out=tmp_path / "out", frame_size=SIZE, fan="blank", val_fraction=0,
                         test_fraction=0, classes=("a",), jobs=1)
    )  # fmt: skip
    notes = open_dataset(data.path).info["notes"]
    assert notes["recordings whose surroundings of the fan were blanked"] == sum(one.blanked for one in found.values())
    frames = [row["frame"] for row in read_split(data, "train").as_numpy_iterator() if row["recording_id"] == b"fan"]
    assert np.any(frames, axis=0).mean() == pytest.approx(found["fan"].kept, abs=0.03)
    rows = list(csv.DictReader((tmp_path / "fans" / "fans.csv").open(encoding="utf-8")))
    assert [(row["name"], row["blanked"]) for row in rows] == [("fan", "True"), ("dark", "False")]
    # The letters are outside: they are on the picture, and not on what is left of it.
    sheet = np.asarray(Image.open(tmp_path / "fans" / "fans.png").convert("RGB")).astype(int)
    orange = (sheet[..., 0] > 200) & (sheet[..., 2] < 80) & (sheet[..., 1] > 100)
    assert orange.sum() > 200, "the outline is drawn"


def test_the_command_takes_a_manifest_or_a_folder_of_images(manifest, tmp_path, capsys):
    def run(*words):
        return run_command(prepare.main, ["check", *map(str, words)])

    assert run(manifest, "--fan", tmp_path / "one") == 0
    assert "fan blank blanks 1 of 2 and keeps 1 whole" in capsys.readouterr().out
    (manifest.parent / "fan" / "._0003.png").write_bytes(b"what a Mac leaves beside a file")
    assert run(manifest.parent / "fan", "--fan", tmp_path / "two") == 0
    assert "0003.png" in capsys.readouterr().out and (tmp_path / "two" / "fans.png").is_file()
    assert run(manifest, "--fan", tmp_path / "three", "--overlay", tmp_path / "four") == 2
    assert "one of them at a time" in capsys.readouterr().err
    with pytest.raises(InputError, match="holds no image"):
        check_fans(manifest.parent, tmp_path / "five")
