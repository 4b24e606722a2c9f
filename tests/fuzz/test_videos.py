"""Videos and images with bytes flipped: refused, or whole frames of one size; FFV1 never shows another picture."""

import functools
import io

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from data.video.read import open_video
from tests.data.clips import numbered_frame, numbered_video, write_dicom
from tests.fuzz.drive import accepted, fuzz
from tests.fuzz.strategies import damaged

FRAMES = 4


@functools.cache
def _image(kind: str, pages: int = 1) -> bytes:
    pages = [Image.fromarray(numbered_frame(k)) for k in range(pages)]
    data = io.BytesIO()
    pages[0].save(data, kind, **({"save_all": True, "append_images": pages[1:]} if len(pages) > 1 else {}))
    return data.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """{name of a file: its bytes}."""
    folder = tmp_path_factory.mktemp("whole")
    numbered_video(folder / "ffv1.mkv", FRAMES, options={"level": "3", "slicecrc": "1"})
    numbered_video(folder / "h264.mp4", FRAMES, codec="libx264", pix_fmt="yuv420p")
    numbered_video(folder / "mpeg4.avi", FRAMES, codec="mpeg4", pix_fmt="yuv420p")
    write_dicom(folder / "raw.dcm", np.stack([numbered_frame(k) for k in range(FRAMES)]), FrameTime=40)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, kind, pages in (("a.png", "PNG", 1), ("a.jpg", "JPEG", 1), ("a.bmp", "BMP", 1)):
        files[name] = _image(kind, pages)
    return files | {"a.gif": _image("GIF", 3), "a.tif": _image("TIFF", 1)}


def test_flipped_bytes(whole, place):
    @st.composite
    def files(draw):
        name = draw(st.sampled_from(sorted(whole)))
        return name, draw(damaged(whole[name]))

    def check(file):
        name, data = file
        path = place(name, data)

        def decode():
            video = open_video(path)
            return video, [(time_s, frame) for _, time_s, frame in video]

        found = accepted(decode)
        if found is None:
            return
        video, frames = found
        times = [time_s for time_s, _ in frames]
        assert frames and times[0] == 0 and times == sorted(times) and times[-1] <= video.duration_s
        assert all(frame.dtype == np.uint8 and frame.shape == video.size[::-1] for _, frame in frames)
        if name == "ffv1.mkv":
            assert [frame.tobytes() for _, frame in frames] == [numbered_frame(k).tobytes() for k in range(FRAMES)]

    fuzz(check, examples=60, file=files())
