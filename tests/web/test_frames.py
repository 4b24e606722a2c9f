"""A frame has the same bytes in the page as in Python, whatever the size of the image."""

import av
import cv2
import numpy as np
import pytest

from data.frames import grey_frame, resize_frame
from data.video.framing import prepare_image
from tests.web.javascript import pack, run, unpack

CPU_FMA3 = 12  # in OpenCV's list of what processors have
RESIZE = """
    const { resize } = await load("frames/area.js");
    return data.map(({ image, h, w, H, W }) => {
        const grey = { data: bytes(image), width: w, height: h };
        return pack(resize(grey, { width: W, height: H }).data);
    });
"""


def random_images(sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, size, dtype=np.uint8) for size in sizes]


def resized(images, sizes):
    data = [
        {"image": pack(image), "h": image.shape[0], "w": image.shape[1], "H": H, "W": W}
        for image, (H, W) in zip(images, sizes)
    ]
    return [unpack(text, size) for text, size in zip(run(RESIZE, data), sizes)]


def assert_same_bytes(images, sizes):
    for image, size, found in zip(images, sizes, resized(images, sizes)):
        expected = resize_frame(image, size)
        wrong = int((found != expected).sum())
        assert wrong == 0, f"{image.shape} to {size}: {wrong} of {found.size} bytes differ"


def test_random_images_of_many_sizes_shrink_to_the_bytes_of_python():
    rng = np.random.default_rng(1)
    targets = [tuple(map(int, rng.integers(1, 150, 2))) for _ in range(60)]
    sources = [tuple(int(side * rng.uniform(1, 6)) for side in size) for size in targets]
    assert_same_bytes(random_images(sources), targets)


def test_whole_numbers_of_pixels_round_as_in_python():
    # Half a grey level is frequent here, and OpenCV rounds it in one way for 2×2 pixels and in another elsewhere.
    factors = [(down, across) for down in (1, 2, 3) for across in (1, 2, 3, 4, 5)]
    assert_same_bytes(random_images([(40 * down, 50 * across) for down, across in factors]), [(40, 50)] * len(factors))


def test_screens_of_scanners_and_sizes_of_models():
    sources = [(480, 640), (600, 800), (1080, 1920), (97, 129), (224, 288)]
    targets = [(96, 128), (112, 144), (224, 288)]
    pairs = [(s, t) for s in sources for t in targets if s[0] >= t[0] and s[1] >= t[1]]
    assert_same_bytes(random_images([s for s, _ in pairs]), [t for _, t in pairs])


def test_an_image_of_the_right_size_is_left_alone():
    image = random_images([(96, 128)])
    assert (resized(image, [(96, 128)])[0] == image[0]).all()


def test_sides_that_grow():
    # OpenCV interpolates with fused multiply-add where the processor has it; without it, a value that lies within a
    # rounding error of half a grey level may fall to the other side.
    if not cv2.checkHardwareSupport(CPU_FMA3):
        pytest.skip("bytes of sides that grow are those of processors with fused multiply-add")
    rng = np.random.default_rng(2)
    sources, targets = ([tuple(map(int, rng.integers(1, 200, 2))) for _ in range(40)] for _ in range(2))
    assert any(h < H and w > W for (h, w), (H, W) in zip(sources, targets))
    assert_same_bytes(random_images(sources), targets)


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_images_are_cropped_and_placed_as_in_python(fit):
    code = """
        const { prepare } = await load("frames/prepare.js");
        return data.map(({ image, h, w, rule, crop }) => {
            const grey = { data: bytes(image), width: w, height: h };
            return pack(prepare(grey, rule, crop).data);
        });
    """
    size = (96, 128)
    shapes = [(480, 640), (640, 480), (300, 301), (240, 321), (1000, 300)]
    images = random_images(shapes)
    crops = [(7, 11, w - 20, h - 30) for h, w in shapes]
    cases = [(image, crop) for image, own in zip(images, crops) for crop in (None, own)]
    names = ("x", "y", "width", "height")
    data = [
        {
            "image": pack(image), "h": image.shape[0], "w": image.shape[1], "crop": crop and dict(zip(names, crop)),
            "rule": {"height": size[0], "width": size[1], "fit": fit},
        }
        for image, crop in cases
    ]  # fmt: skip
    for (image, crop), text in zip(cases, run(code, data)):
        assert (unpack(text, size) == prepare_image(image, size, fit, crop=crop)).all()


def test_colour_becomes_grey_as_in_python():
    levels = np.random.default_rng(3).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    code = """
        const { greyOfRgba } = await load("frames/grey.js");
        return pack(greyOfRgba({ data: bytes(data), width: 64, height: 64 }).data);
    """
    assert (unpack(run(code, pack(levels)), (64, 64)) == grey_frame(levels)).all()


@pytest.mark.parametrize("full_range", [False, True])
def test_every_level_of_video_luma_becomes_the_grey_that_ffmpeg_gives(full_range):
    luma = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16), 2, axis=1)
    planes = np.concatenate([luma, np.full((8, 32), 128, np.uint8)])
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.color_range = 2 if full_range else 1
    code = """
        const { greyOfLuma } = await load("frames/grey.js");
        const plane = { offset: 0, stride: 32, width: 32, height: 16 };
        return pack(greyOfLuma(bytes(data.plane), plane, data.fullRange).data);
    """
    found = run(code, {"plane": pack(planes), "fullRange": full_range})
    assert (unpack(found, (16, 32)) == frame.to_ndarray(format="gray")).all()


def test_pictures_are_turned_clockwise_and_then_mirrored():
    image = np.arange(15, dtype=np.uint8).reshape(3, 5)
    code = """
        const { upright } = await load("frames/grey.js");
        const grey = { data: bytes(data.image), width: 5, height: 3 };
        return data.ways.map(([degrees, flip]) => pack(upright(grey, degrees, flip).data));
    """
    ways = [(degrees, flip) for degrees in (0, 90, 180, 270) for flip in (False, True)]
    for (degrees, flip), found in zip(ways, run(code, {"image": pack(image), "ways": ways})):
        turned = np.rot90(image, -degrees // 90)
        expected = turned[:, ::-1] if flip else turned
        assert (unpack(found, expected.shape) == expected).all(), (degrees, flip)
