"""Send a moving picture as a live stream, at a steady rate: for `benchmarks/stream.py` and the tests.

python benchmarks/stream_sender.py udp://127.0.0.1:5000 --fps 25 --seconds 60
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction

import av
import numpy as np

_CLOCK_HZ = 90_000
# {protocol: container}; the others carry MPEG-TS as it is.
_FORMATS = {"rtp": "rtp_mpegts", "rtsp": "rtsp"}
_PATIENCE_S = 60.0


def send(url: str, fps: float, seconds: float, size: tuple[int, int] = (96, 128), clock: bool = False) -> int:
    """Send H.264 with no frame held back: in MPEG-TS, over RTP too, or pushed by RTSP to a receiver that listens.

    Args:
        url: udp://, rtp://, tcp:// or rtsp:// address of the receiver; one that does not listen yet is waited for.
        fps: frames per s. seconds: to send for. size: (h, w) of the pictures, pixels.
        clock: a frame's time is when it is sent, not when it should have been.

    Returns:
        Number of frames sent.
    """
    options = {"tune": "zerolatency", "preset": "ultrafast", "g": str(max(1, round(fps / 2)))}
    height, width = size
    count = max(1, round(fps * seconds))
    protocol = url.partition(":")[0]
    # Seven packets of MPEG-TS fit into one datagram.
    address = f"{url}?pkt_size=1316" if protocol in ("udp", "rtp") else url
    with av.open(address, "w", format=_FORMATS.get(protocol, "mpegts"), options={"flush_packets": "1"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _CLOCK_HZ)
        _connect(container)
        start = time.perf_counter()
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format="gray")
            time.sleep(max(0.0, start + index / fps - time.perf_counter()))
            sent_s = time.perf_counter() - start if clock else index / fps
            frame.pts, frame.time_base = round(sent_s * _CLOCK_HZ), Fraction(1, _CLOCK_HZ)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return count


def _connect(container: av.container.OutputContainer) -> None:
    """Write the header; RTSP connects there."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return container.start_encoding()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def picture(index: int, size: tuple[int, int]) -> np.ndarray:
    """A bright third that moves on every 16 frames, on speckle: uint8 [h, w]."""
    width = size[1]
    speckle = np.random.default_rng(index % 64).integers(0, 12, size)
    third = width // 3
    left = third * (index // 16 % 3)
    speckle[:, left : left + third] += 120
    return speckle.astype(np.uint8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clock", action="store_true", help="stamp frames with the time at which they are sent")
    given = parser.parse_args()
    send(given.url, given.fps, given.seconds, clock=given.clock)
