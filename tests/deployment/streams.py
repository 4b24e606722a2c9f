"""Addresses on loopback."""

import random
import socket

# Below the ports that systems give to whoever asks for any, such as the sender itself: it once got the receiver's.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port that nobody uses, of UDP and of TCP."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connections,
        ):
            try:
                datagrams.bind(("127.0.0.1", port))
                connections.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
