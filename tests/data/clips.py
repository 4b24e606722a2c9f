"""Clips written by tests: the frame with index k carries k in its pixels."""

from __future__ import annotations

import csv
import functools
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage.io
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from data.gaze.writer import write_tobii_sdk_stream

WIDTH, HEIGHT = 64, 48


def numbered_frame(k: int, size: tuple[int, int] = (HEIGHT, WIDTH), shift: int = 0) -> np.ndarray:
    """A ramp, brighter by `shift`, with the value 10 + 10k in a block at its centre, grey uint8 [H, W]."""
    height, width = size
    ramp = np.linspace(0, 200, width)[None, :] + np.linspace(0, 40, height)[:, None]
    frame = np.minimum(ramp + shift, 255).astype(np.uint8)
    frame[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 10 + 10 * k
    return frame


def number_of(frame: np.ndarray) -> int:
    """The index that `numbered_frame` drew, also after lossy coding."""
    height, width = frame.shape
    block = frame[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    return round((float(block.mean()) - 10) / 10)


def write_video(
    path: Path,
    frames,
    *,
    codec: str = "ffv1",
    pix_fmt: str = "gray",
    times_ms=None,
    rate: int = 25,
    options: dict | None = None,
    container_options: dict | None = None,
) -> Path:
    """Encode grey frames of 8 or 16 bits; `times_ms` (whole numbers) makes the frame rate vary."""
    base = Fraction(1, 1000) if times_ms is not None else Fraction(1, rate)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.pix_fmt = pix_fmt
        stream.height, stream.width = np.shape(frames[0])
        stream.codec_context.time_base = base
        for k, pixels in enumerate(frames):
            format = "gray16le" if pixels.dtype == np.uint16 else "gray"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=format)
            frame.time_base = base
            frame.pts = int(times_ms[k]) if times_ms is not None else k
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def late_video(path: Path, late_s: float, count: int = 8, shift: int = 0) -> Path:
    """Numbered frames at 25 frames per s that begin `late_s` after a second of silence does; .mkv, .mp4 or .wmv."""
    codec = {".mkv": "ffv1", ".mp4": "libx264", ".wmv": "wmv2"}[path.suffix]
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.pix_fmt = "gray" if codec == "ffv1" else "yuv420p"
        video.width, video.height = WIDTH, HEIGHT
        sound = container.add_stream("aac", rate=8000, layout="mono")
        for k in range(0, 8000, 1000):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 8000, k, Fraction(1, 8000)
            container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
        for k in range(count):
            frame = av.VideoFrame.from_ndarray(numbered_frame(k, shift=shift), format="gray")
            frame = frame.reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = k + round(late_s * 25), Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def numbered_video(path: Path, count: int = 20, *, shift: int = 0, **options) -> Path:
    """A clip of `count` numbered frames at 25 frames per s, lossless unless options say otherwise."""
    if not options:
        path.write_bytes(_coded(path.suffix, count, shift))
        return path
    return write_video(path, [numbered_frame(k, shift=shift) for k in range(count)], **options)


@functools.cache
def _coded(suffix: str, count: int, shift: int) -> bytes:
    """The bytes of a lossless clip; many tests begin with the same ones."""
    with tempfile.TemporaryDirectory() as folder:
        frames = [numbered_frame(k, shift=shift) for k in range(count)]
        return write_video(Path(folder) / f"clip{suffix}", frames).read_bytes()


def write_dicom(
    path: Path, pixels: np.ndarray, photometric: str = "MONOCHROME2", *, syntax=None, encoded=None, **fields
) -> Path:
    """An ultrasound DICOM of uint8 or uint16 pixels [n, h, w] or [n, h, w, 3].

    Uncompressed, unless the bytes of each frame come `encoded` in a transfer `syntax`.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["a clip of a test"])
    meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.Modality = "US"
    ds.NumberOfFrames, ds.Rows, ds.Columns = pixels.shape[:3]
    ds.SamplesPerPixel = pixels.shape[3] if pixels.ndim == 4 else 1
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 0
    for name, value in fields.items():
        setattr(ds, name, value)
    ds.PixelData = pixels.tobytes() if encoded is None else encapsulate(encoded)
    ds.save_as(path, enforce_file_format=True)
    return path


def write_pngs(folder: Path, frames: dict[str, np.ndarray]) -> Path:
    """A folder of PNGs, {name: pixels}."""
    folder.mkdir(parents=True)
    for name, pixels in frames.items():
        skimage.io.imsave(folder / name, pixels, check_contrast=False)
    return folder


def cut(path: Path, share: float) -> Path:
    """Leave only the first part of a file, as a broken copy would."""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


def write_csv(path: Path, rows: list[dict]) -> Path:
    """A CSV whose columns are the keys of all rows."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_gaze(path: Path, duration_s: float, offset_s: float = 0.0, x=0.5, y=0.5) -> Path:
    """Steady gaze at 90 Hz as a Tobii Pro SDK stream; x and y may be arrays of as many samples."""
    time_s = np.arange(round(duration_s * 90)) / 90 + offset_s
    full = np.ones(len(time_s))
    write_tobii_sdk_stream(path, time_s, full * x, full * y, np.ones(len(time_s), bool))
    return path
