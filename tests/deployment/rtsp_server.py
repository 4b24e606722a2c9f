"""Run as a script by a Python that has GStreamer's RTSP server: a moving ball in H.264, at /live of a free port.

    python rtsp_server.py

It prints the port. Debian has what it needs: python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-ugly (x264).
"""

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PICTURES = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=128,height=96,framerate=25/1"
H264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=12 ! rtph264pay name=pay0 pt=96"

Gst.init(None)
if not Gst.ElementFactory.find("x264enc"):
    raise SystemExit("GStreamer has no x264enc")
server = GstRtspServer.RTSPServer(service="0", address="127.0.0.1")
factory = GstRtspServer.RTSPMediaFactory(shared=True)
factory.set_launch(f"( {PICTURES} ! {H264} )")
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
