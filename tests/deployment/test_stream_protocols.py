"""Streams that come by other ways than MPEG-TS over UDP: RTP, TCP, RTSP that is pushed, and a real RTSP server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import InputError
from deployment.stream_source import LiveStream
from tests.deployment.streams import free_port

HERE = Path(__file__).resolve().parent
SENDER = HERE.parents[1] / "benchmarks" / "stream_sender.py"
# Debian installs GStreamer's bindings for its own Python.
SYSTEM_PYTHON = Path("/usr/bin/python3")


def assert_live(url, *options):
    """Pictures of the sender's size come, each later than the one before."""
    stream = LiveStream(url, options, 30.0)
    try:
        arrived = [stream.newest() for _ in range(12)]
    finally:
        stream.close()
    assert [each.picture().shape for each in arrived] == [(96, 128)] * 12
    numbers, times_s = [each.number for each in arrived], [each.time_s for each in arrived]
    assert numbers == sorted(set(numbers)) and times_s == sorted(set(times_s))
    # Both senders have something that moves.
    assert (arrived[0].picture() != arrived[-1].picture()).any()


@pytest.mark.parametrize(
    ("protocol", "path", "options"),
    [("rtp", "", ()), ("tcp", "", ("listen=1",)), ("rtsp", "/live", ("rtsp_flags=listen", "listen_timeout=30"))],
)
def test_a_sender_is_answered_by_any_protocol(protocol, path, options):
    url = f"{protocol}://127.0.0.1:{free_port()}{path}"
    sender = subprocess.Popen([sys.executable, str(SENDER), url, "--seconds", "60"], stderr=subprocess.DEVNULL)
    try:
        assert_live(url, *options)
    finally:
        sender.kill()
        sender.wait()


@pytest.fixture
def server():
    """(process, address) of GStreamer's RTSP server."""
    if not SYSTEM_PYTHON.is_file():
        pytest.skip(f"there is no {SYSTEM_PYTHON}, for which Debian installs GStreamer's RTSP server")
    words = [str(SYSTEM_PYTHON), str(HERE / "rtsp_server.py")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    port = process.stdout.readline().strip()
    if not port:
        pytest.skip(f"there is no RTSP server of GStreamer: {process.communicate()[1].strip().splitlines()[-1]}")
    yield process, f"rtsp://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_rtsp_server_is_answered(transport, server):
    assert_live(f"{server[1]}/live", f"rtsp_transport={transport}")


def test_an_rtsp_server_that_has_no_such_stream_is_said_and_one_that_goes_ends_the_stream(server):
    process, address = server
    with pytest.raises(InputError, match=re.escape(f"{address}/gone: can't be opened") + ".*404"):
        LiveStream(f"{address}/gone")
    stream = LiveStream(f"{address}/live", timeout_s=10.0)
    assert stream.newest() is not None
    process.kill()
    # Cut between two packets it has ended, cut within one it broke off: which it was, nobody can know.
    try:
        while stream.newest() is not None:
            pass
    except InputError as error:
        assert "live: broke off after" in str(error)
    stream.close()


@pytest.mark.skipif(sys.platform != "linux", reason="V4L2 is of Linux")
def test_what_is_no_camera_is_said_by_the_reader_of_cameras():
    """What a camera gives is not tested: there is none, and a simulated one is a module of the kernel."""
    with pytest.raises(InputError, match="/dev/video99: there is no such camera"):
        LiveStream("/dev/video99")
    with pytest.raises(InputError, match=r"/dev/null: can't be opened .*ioctl"):
        LiveStream("/dev/null")
