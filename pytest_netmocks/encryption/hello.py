"""The first flight of a TLS handshake, as far as a fault has to know it: whether the whole ClientHello is there."""

from __future__ import annotations

HANDSHAKE = 22
CLIENT_HELLO = 1

LIMIT = 1 << 17
"""Bytes within which a ClientHello has to end: two handshake messages of the largest size that OpenSSL takes."""


def is_complete(flight: bytes) -> bool:
    """Whether these bytes hold a whole ClientHello (RFC 8446, sections 4 and 5.1), or can never become one."""
    message = b""
    at = 0
    while at + 5 <= len(flight):
        if flight[at] != HANDSHAKE:
            return True
        size = int.from_bytes(flight[at + 3 : at + 5])
        message += flight[at + 5 : at + 5 + size]
        at += 5 + size
        if message[:1] not in (b"", bytes([CLIENT_HELLO])):
            return True
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4]):
            return True
    return len(flight) > LIMIT or (bool(flight) and flight[0] != HANDSHAKE)
