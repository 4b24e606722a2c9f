"""The preview's pictures, and the data card: what they hold, and what they refuse."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

import prepare
from benchmarks import phantom_difficulty, phantom_vs_real
from common.errors import InputError
from data.animation import write_animation
from data.dataset import FrameRecord, open_dataset, write_dataset
from phantom import PhantomConfig
from phantom.card import PARTS, add_card, print_card
from phantom.cast import CLASSES
from phantom.difficulty import get_difficulty
from phantom.preview import simulate_scene, write_preview
from phantom.tracker import Gaze
from tests.data.planes import write_planes
from tests.phantom.simulated import DEFAULT, two_looks

ROOT = Path(__file__).resolve().parents[2]
SIZE = (48, 64)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preview")
    with two_looks():
        config = PhantomConfig(frame_size=SIZE, seed=3)
        return write_preview(folder / "out", config, reference=write_planes(folder / "db"))


def test_a_sheet_and_two_clips_are_written_and_can_be_opened(pictures):
    """Without a reference there are three files: `tests/test_prepare.py`."""
    assert [path.name for path in pictures] == ["planes.jpg", "beside_real.jpg", "head.gif", "femur.gif"]
    sheet = np.asarray(Image.open(pictures[0]).convert("RGB"), int)
    orange = (sheet[..., 0] > 180) & (sheet[..., 2] < 90) & (sheet[..., 0] - sheet[..., 2] > 120)
    # Gaze is drawn in each of the sheet's columns, of a look each, and from its upper to its lower end.
    assert all(part.any() for part in np.array_split(orange, 2, axis=1) + np.array_split(orange, 8, axis=0))
    for path in pictures[2:]:
        with Image.open(path) as clip:
            assert clip.n_frames == 40 and clip.info["duration"] == 100 and clip.width >= 240


def test_a_scene_is_of_the_class_age_and_look_that_was_asked_for():
    for trimester, (low, high) in ((2, (18, 22)), (3, (34, 38))):
        scene = simulate_scene("femur", trimester, 2, [0, trimester], SIZE, DEFAULT)
        assert low <= scene.fetus.weeks <= high
        assert scene.best_frame().shape == SIZE
        assert "femur" in {i.label for i in scene.clip.intervals}
        start = next(i.start_s for i in scene.clip.intervals if i.label == "femur")
        assert scene.shown(start + 0.01) == "femur" and scene.shown(-1.0) == "nothing"


def test_gaze_goes_from_the_screen_to_the_frames_pixels():
    scene = simulate_scene("femur", 2, 0, [0, 0], SIZE, DEFAULT)
    left, top, width, height = scene.screen.box
    # The image's two corners, its middle, and a sample that the tracker lost.
    x = np.array([left, left + width, left + width / 2, left]) / scene.screen.width
    y = np.array([top, top + height, top + height / 2, top]) / scene.screen.height
    gaze = Gaze(np.arange(4) / 90, x, y, np.array([True, True, True, False]))
    scene = dataclasses.replace(scene, clip=dataclasses.replace(scene.clip, gaze=gaze))
    found = np.stack(scene.gaze(0.0, 1.0), axis=1)
    np.testing.assert_allclose(found, [(-0.5, -0.5), (63.5, 47.5), (31.5, 23.5)], atol=1e-6)
    assert len(scene.gaze(0.01, 1.0)[0]) == 2


def test_the_same_seed_draws_the_same_scene():
    def pixels(seed):
        return simulate_scene("head", 2, 1, [seed, 5], SIZE, DEFAULT).best_frame()

    np.testing.assert_array_equal(pixels(0), pixels(0))
    assert (pixels(0) != pixels(1)).any()


def test_a_wrong_reference_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        write_preview(tmp_path / "out", PhantomConfig(frame_size=SIZE), reference="nowhere")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_files_is_never_replaced(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_preview(tmp_path)
    with pytest.raises(InputError, match=r"no planes\.jpg"):
        write_preview(tmp_path, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_animation_keeps_greys_and_shows_each_frames_trail(tmp_path):
    frames = np.stack([np.full((60, 240), grey, np.uint8) for grey in (0, 128, 255)])
    trails = [np.empty((0, 2)), np.array([[20.0, 30.0], [200.0, 30.0]]), np.array([[-5.0, 10.0]])]
    write_animation(tmp_path / "a.gif", frames, trails, ["one", "two", "three"], 5.0)
    with Image.open(tmp_path / "a.gif") as clip:
        shown = [np.asarray(image.convert("RGB"), int)[:60] for image in ImageSequence.Iterator(clip)]
        assert clip.info["duration"] == 200
    for image, grey in zip(shown, (0, 128, 255)):
        assert np.abs(image[5, 120] - grey).max() <= 1 and np.ptp(image[5, 120]) == 0
    coloured = [np.ptp(image, axis=2) > 40 for image in shown]
    assert not coloured[0].any() and not coloured[2].any()  # no gaze; gaze beside the image
    assert coloured[1][30, 200] and coloured[1][30, 20]
    assert coloured[1][:, 120:].sum() > coloured[1][:, :120].sum()  # the newest is the largest


def small_dataset(path, splits=("train", "val", "test")):
    rng = np.random.default_rng(0)
    source = {"kind": "phantom", "simulated": True}
    with write_dataset(path, classes=CLASSES, frame_size=SIZE, source=source, seed=0) as writer:
        for split in splits:
            for index in range(8):
                frame = rng.integers(0, 255, SIZE).astype(np.uint8)
                x, y = rng.uniform(size=(2, 3))
                writer.add(split, FrameRecord(frame, index % 4, f"{split}{index}", f"{split}{index}", 0, 0.0, x, y))
    return open_dataset(path)


def test_the_card_joins_the_data_set_and_changes_nothing_else(tmp_path, capsys, eagerly):
    before = small_dataset(tmp_path / "data", ("train", "val"))
    after = add_card(before, {"difficulty": "hard", "patients": 8, "rivals": 0.0})
    card = after.info["card"]
    assert {**before.info, "card": card} == after.info and after.checksum == before.checksum
    assert card == json.loads((tmp_path / "data" / "dataset.json").read_text())["card"]
    assert "simulated" in card["statement"] and "clinical" in card["statement"]
    numbers = card["settings"]["difficulty_numbers"]
    assert numbers == dataclasses.asdict(dataclasses.replace(get_difficulty("hard"), rivals=0.0))
    assert set(card["parts"]) == {name for name, _, _ in PARTS}
    assert all(part["made"] and part["source"] for part in card["parts"].values())
    found = card["gaze_map_alone"]
    assert found["split"] == "val" and 0 <= found["accuracy"] <= 1 and found["bound"] == 0.45
    print_card(after)
    printed = " ".join(capsys.readouterr().out.split())
    assert "val frames" in printed and "clinical evidence" in printed


def test_the_card_says_why_nothing_was_measured(tmp_path, capsys):
    print_card(add_card(small_dataset(tmp_path / "data", ("train",)), {"difficulty": "easy"}))
    printed = " ".join(capsys.readouterr().out.split())
    assert "not measured" in printed and "clinical evidence" in printed


def test_a_data_set_without_a_card_prints_none(tmp_path, capsys):
    print_card(small_dataset(tmp_path / "data"))
    assert capsys.readouterr().out == ""


def test_the_page_names_files_and_flags_that_are_there(capsys):
    page = (ROOT / "docs" / "phantom.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:tests|phantom|benchmarks)/[\w/]+\.\w+)`|\(((?:\.\./)?[\w/]+\.(?:md|jpg))\)", page)
    assert len(paths) > 8
    for inside, linked in paths:
        path = ROOT / inside if inside else ROOT / "docs" / linked
        assert path.exists(), path
    modules = re.findall(r"`(\w+\.py)`", page)
    missing = [name for name in modules if not (ROOT / "phantom" / name).is_file() and not (ROOT / name).is_file()]
    assert len(modules) > 10 and not missing, missing
    for main, words in (
        (prepare.main, ["phantom", "--help"]),
        (phantom_difficulty.main, ["--help"]),
        (phantom_vs_real.main, ["--help"]),
    ):
        with pytest.raises(SystemExit):
            main(words)
    known = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page)) <= known
