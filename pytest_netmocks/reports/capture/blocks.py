"""The blocks of a pcapng file (draft-ietf-opsawg-pcapng), as they are written here: little-endian, one clock."""

from __future__ import annotations

import struct
from collections.abc import Iterable

SECTION, INTERFACE, PACKET, SECRETS = 0x0A0D0D0A, 1, 6, 0x0A

MAGIC = 0x1A2B3C4D

RAW = 101
"""LINKTYPE_RAW: a packet begins with its IPv4 or IPv6 header."""

TLS_KEYS = 0x544C534B
"""The secrets are lines of a key log (NSS format)."""

COMMENT = 1
"""The option of a comment, on every kind of block."""

APPLICATION = 4
"""The option of a section that says what wrote it."""

NAME, DESCRIPTION, RESOLUTION = 2, 3, 9
"""Options of an interface."""

FLAGS = 2
"""The option of a packet whose two lowest bits say whether it came in or went out."""

INBOUND, OUTBOUND = 1, 2

LONGEST = 4000
"""Bytes of a comment."""

Option = tuple[int, bytes]


def comment(text: str) -> Option:
    """A comment, cut if it is too long."""
    data = text.encode(errors="backslashreplace")
    if len(data) > LONGEST:
        data = data[:LONGEST].decode(errors="ignore").encode() + "…".encode()
    return COMMENT, data


def text(code: int, value: str) -> Option:
    """An option that is text."""
    return code, comment(value)[1]


def _options(options: Iterable[Option]) -> bytes:
    made = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return made + b"\0\0\0\0" if made else b""


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def section(options: Iterable[Option]) -> bytes:
    """The head of a section; its length is not told."""
    return _block(SECTION, struct.pack("<IHHq", MAGIC, 1, 0, -1) + _options(options))


def interface(options: Iterable[Option]) -> bytes:
    """An interface whose packets are IP, with times in nanoseconds and of any length."""
    return _block(INTERFACE, struct.pack("<HHI", RAW, 0, 0) + _options([*options, (RESOLUTION, b"\x09")]))


def secrets(lines: str) -> bytes:
    """The keys of TLS that packets behind it are read with."""
    data = lines.encode()
    return _block(SECRETS, struct.pack("<II", TLS_KEYS, len(data)) + _padded(data))


def packet(number: int, nanoseconds: int, data: bytes, size: int, options: Iterable[Option]) -> bytes:
    """A packet of `size` bytes, of which `data` are kept, on the interface with that number, from 0."""
    head = struct.pack("<IIIII", number, nanoseconds >> 32, nanoseconds & 0xFFFFFFFF, len(data), size)
    return _block(PACKET, head + _padded(data) + _options(options))
