"""From an image to a frame: its geometry, its pixels, and where it is written down."""

import json

import numpy as np
import pytest

from common.errors import InputError
from data.dataset import FrameRecord, open_dataset, write_dataset
from data.sources.config import PrepareConfig
from data.video.framing import FrameRule, place_image, prepare_image
from evaluation.artefacts import Metadata, check_matches
from tests.data.clips import write_gaze, write_video
from tests.data.cohort import frames_of, prepare


def exact_area(frame, size):
    """Each new pixel as the mean of what it covers, in double precision: [h, w] → [H, W]."""

    def weights(old, new):
        low, high = (np.arange(n) * old / new for n in (new, new + 1))
        pixels = np.arange(old)
        covered = np.minimum(pixels + 1, high[1:, None]) - np.maximum(pixels, low[:, None])
        return np.clip(covered, 0, None) * new / old

    return weights(frame.shape[0], size[0]) @ frame.astype(float) @ weights(frame.shape[1], size[1]).T


def disc(height, width, radius):
    y, x = np.mgrid[:height, :width] + 0.5
    return (255 * (np.hypot(x - width / 2, y - height / 2) <= radius)).astype(np.uint8)


def extent(frame):
    """(width, height) of what is bright, by its second moments: 4 standard deviations, a disc's diameter."""
    weight = frame / frame.sum()
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    return tuple(4 * np.sqrt((weight * (axis - (weight * axis).sum()) ** 2).sum()) for axis in (x, y))


@pytest.mark.parametrize("shape", [(600, 300), (300, 600), (448, 576), (97, 341)])
def test_a_disc_stays_a_disc_when_padded_and_not_when_stretched(shape):
    image = disc(*shape, 0.4 * min(shape))
    wide, high = extent(prepare_image(image, (112, 144)))
    assert wide / high == pytest.approx(1, abs=0.01)
    wide, high = extent(prepare_image(image, (112, 144), "stretch"))
    assert wide / high == pytest.approx((144 / shape[1]) / (112 / shape[0]), rel=0.01)


def test_pixel_aspect_gives_back_the_ratio_that_an_export_lost():
    wide = disc(400, 580, 150)
    square = prepare_image(wide, (320, 320), "stretch")
    frame = prepare_image(square, (112, 144), pixel_aspect=1.45)
    w, h = extent(frame)
    assert w / h == pytest.approx(1, abs=0.01)
    assert place_image((320, 320), (112, 144), "pad", 1.45).inner == place_image((400, 580), (112, 144)).inner


def test_the_padded_image_is_the_exact_area_mean_in_the_middle_of_black():
    image = np.random.default_rng(0).integers(1, 256, (397, 301), dtype=np.uint8)
    frame = prepare_image(image, (112, 144))
    x, y, width, height = place_image(image.shape, (112, 144)).inner
    assert (width, height) == (85, 112) and (x, y) == (29, 0)
    inner = frame[y : y + height, x : x + width]
    np.testing.assert_allclose(inner, exact_area(image, (height, width)), atol=0.501)
    frame[y : y + height, x : x + width] = 0
    assert not frame.any()


def test_same_ratio_needs_no_padding():
    image = np.random.default_rng(1).integers(0, 256, (448, 576), dtype=np.uint8)
    np.testing.assert_array_equal(prepare_image(image, (112, 144)), prepare_image(image, (112, 144), "stretch"))


def test_crop_and_mask_are_taken_before_the_fit():
    image = np.random.default_rng(2).integers(1, 256, (300, 400), dtype=np.uint8)
    crop = (50, 20, 200, 100)
    part = image[20:120, 50:250]
    np.testing.assert_array_equal(prepare_image(image, (50, 50), crop=crop), prepare_image(part, (50, 50)))
    mask = np.zeros(image.shape, bool)
    mask[20:120, 50:150] = True
    frame = prepare_image(image, (50, 50), crop=crop, mask=mask)
    assert frame[12:37, :25].all() and not frame[:, 25:].any()


def test_marks_are_painted_over_by_what_is_inside_the_crop():
    """As where preparation has cut the crop out before: letters at its edge once took their grey from outside."""
    image = np.random.default_rng(3).integers(1, 256, (300, 400), dtype=np.uint8)
    image[:, :50] = 0
    marks = np.zeros(image.shape, bool)
    marks[40:60, 50:53] = True
    crop = (50, 20, 200, 100)
    inside = (slice(20, 120), slice(50, 250))
    cut = prepare_image(image[inside], (50, 50), marks=marks[inside])
    np.testing.assert_array_equal(prepare_image(image, (50, 50), crop=crop, marks=marks), cut)


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_points_go_with_their_pixels_and_come_back(fit):
    """A bright block is where the placement puts its centre."""
    image = np.zeros((240, 500), np.uint8)
    image[100:120, 300:330] = 255
    crop = (100, 10, 350, 220)
    frame = prepare_image(image, (112, 144), fit, crop=crop)
    place = place_image(image.shape, (112, 144), fit, crop=crop)
    weight = frame / frame.sum()
    rows, columns = np.mgrid[:112, :144] + 0.5
    found = (weight * columns).sum() / 144, (weight * rows).sum() / 112
    expected = place.to_frame((315 - 100) / 350, (110 - 10) / 220)
    assert found == pytest.approx(expected, abs=0.002)
    assert place.to_crop(*expected) == pytest.approx((215 / 350, 100 / 220))


def test_gaze_is_moved_with_a_padded_image(tmp_path):
    """Gaze on a bright block is on it in the frame too; the clip is higher than wide."""
    rows = []
    for number, split in enumerate(("train", "val", "test")):
        image = np.random.default_rng(number).integers(0, 60, (90, 60), dtype=np.uint8)
        image[20:30, 40:50] = 250
        write_video(tmp_path / f"{number}.mkv", [image, image + 1])
        write_gaze(tmp_path / f"{number}.csv", 0.08, x=45 / 60, y=25 / 90)
        rows.append(
            {
                "recording_id": f"r{number}",
                "patient_id": f"p{number}",
                "video": f"{number}.mkv",
                "label": "head",
                "gaze": f"{number}.csv",
                "gaze_offset_s": 0,
                "split": split,
            }
        )
    for fit, x in (("pad", 0.5 + (45 / 60 - 0.5) * 30 / 46), ("stretch", 45 / 60)):
        data = prepare(tmp_path, rows, frame_size=(45, 46), fit=fit, overwrite=True)
        assert data.fit == fit
        for examples in frames_of(data).values():
            for example in examples:
                np.testing.assert_allclose(example["gaze_x"], x, atol=1e-6)
                frame = example["frame"][..., 0]
                column, row = int(x * 46), int(25 / 90 * 45)
                assert frame[row, column] > 200


def tiny(path, **options):
    with write_dataset(
        path, classes=["a", "b"], frame_size=(8, 8), source={"kind": "test"}, seed=None, **options
    ) as writer:
        for split in ("train", "val", "test"):
            for label in (0, 1):
                writer.add(
                    split, FrameRecord(np.full((8, 8), 50 + label, np.uint8), label, f"{split}{label}", split, 0, 0)
                )
    return open_dataset(path)


def test_an_artefact_of_another_fit_is_refused(tmp_path):
    for fit, other in (("pad", "stretch"), ("stretch", "pad")):
        data = tiny(tmp_path / fit, rule=FrameRule(fit))
        check_matches(Metadata("m", ("a", "b"), (8, 8), "logits", "student", fit=fit), data, "m.keras")
        with pytest.raises(InputError, match=f"fit {other}.*were made with {fit}: prepare the data with fit {other}"):
            check_matches(Metadata("m", ("a", "b"), (8, 8), "logits", "student", fit=other), data, "m.keras")


def test_nobody_names_a_rule_and_it_is_that_of_preparation(tmp_path):
    data = tiny(tmp_path / "unsaid")
    assert data.rule == FrameRule() == PrepareConfig(out=tmp_path / "out").rule
    check_matches(Metadata("m", ("a", "b"), (8, 8), "logits", "student"), data, "m.keras")


@pytest.mark.parametrize("field", ["fit", "pixel_aspect", "fan"])
def test_a_data_set_that_does_not_say_how_its_frames_were_made_is_refused(tmp_path, field):
    info = dict(tiny(tmp_path / "a").info)
    del info[field]
    (tmp_path / "a" / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=rf"dataset\.json: .*{field} is missing.*again with prepare\.py"):
        open_dataset(tmp_path / "a")


def test_the_fit_is_part_of_the_checksum(tmp_path):
    data = tiny(tmp_path / "a", rule=FrameRule("pad"))
    file = tmp_path / "a" / "dataset.json"
    file.write_text(json.dumps({**data.info, "fit": "stretch"}))
    with pytest.raises(InputError, match="checksum"):
        open_dataset(tmp_path / "a")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"fit": "crop"}, "fit must be pad or stretch, not 'crop'"),
        ({"pixel_aspect": 0.0}, "pixel_aspect must be .* not 0"),
        ({"pixel_aspect": float("nan")}, "pixel_aspect must be"),
        ({"fan": "cut"}, "fan must be keep or blank, not 'cut'"),
    ],
)
def test_no_rule(rule, words):
    with pytest.raises(InputError, match=words):
        FrameRule(**rule)


def test_a_crop_outside_the_image_is_refused():
    with pytest.raises(InputError, match="crop 0,0,11,5 must lie inside the image of 10x20 pixels"):
        prepare_image(np.zeros((20, 10), np.uint8), (8, 8), crop=(0, 0, 11, 5))
