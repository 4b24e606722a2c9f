"""Addresses on loopback."""

import socket


def free_port() -> int:
    """A port that nobody uses, of UDP and of TCP."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connections,
        ):
            datagrams.bind(("127.0.0.1", 0))
            try:
                connections.bind(("127.0.0.1", datagrams.getsockname()[1]))
            except OSError:
                continue
            return datagrams.getsockname()[1]
