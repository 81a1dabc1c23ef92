"""The parts of a WebSocket's connection: those of its handshake, then of each frame (RFC 6455, section 5.2)."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_netmocks.protocols.web.parts import message_parts


def parts(data: bytes) -> Iterator[int]:
    """Where the parts of HTTP end, and after an upgrade each frame's head, mask and payload."""
    at = yield from message_parts(data)
    while at + 2 <= len(data):
        length, masked = data[at + 1] & 0x7F, data[at + 1] & 0x80
        size = {126: 2, 127: 8}.get(length, 0)
        at += 2 + size
        yield at
        if size:
            length = int.from_bytes(data[at - size : at])
        if masked:
            at += 4
            yield at
        if length:
            at += length
            yield at
