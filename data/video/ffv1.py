"""FFV1: the checksums of its slices, which FFmpeg computes and then does not refuse by."""

from __future__ import annotations

import zlib

# FFV1 (RFC 9043, section 4.8): a slice ends in its size, an error status and a CRC-32 over
# the whole slice. That CRC goes by the most significant bit first, zlib's by the least.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_WITH_CRC, _WITHOUT = 8, 3


def packet_is_damaged(packet: bytes) -> bool | None:
    """Whether a packet's slices contradict their checksums.

    Args:
        packet: one coded frame of FFV1 version 3 or later.

    Returns:
        None where its slices carry no checksums.
    """
    slices = _slices(packet, _WITH_CRC)
    if slices is None:
        # Without checksums the footers chain with another length; a broken chain is damage.
        return None if _slices(packet, _WITHOUT) is not None else True
    return any(_remainder(part) for part in slices)


def _slices(packet: bytes, trailer: int) -> list[bytes] | None:
    """The slices, last first, by the sizes in their footers; None where these do not chain."""
    found, end = [], len(packet)
    while end > 0:
        if end < trailer:
            return None
        size = int.from_bytes(packet[end - trailer : end - trailer + 3], "big") + trailer
        if size > end:
            return None
        found.append(packet[end - size : end])
        end -= size
    return found


def _remainder(data: bytes) -> int:
    """CRC-32 of FFmpeg (most significant bit first, start 0): 0 over data that ends in its own CRC."""
    return zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
