"""Where frames begin, and those that are written by hand (RFC 9113, sections 4.1 and 6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with (RFC 9113, section 3.4)."""

STREAMS = 100
"""Streams that a client may have open at once, unless told otherwise."""

HEADER = 9
"""Bytes before the payload of a frame."""

DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 4, 6, 7, 8, 9

ACK = END_STREAM = 0x1
END_HEADERS = 0x4

_HEADER = struct.Struct(">HBBBL")
"""Of the three bytes of the size, two and one."""

WINDOW = bytes((0, 0, 4, WINDOW_UPDATE))
"""What a WINDOW_UPDATE begins with."""

WINDOWS = HEADER + 4
"""Bytes that it has."""

_WINDOW = struct.Struct(">5xLL")


def size_at(data: bytes, at: int) -> int | None:
    """Bytes of the frame that begins there, `None` if not even its header is there."""
    if len(data) - at < HEADER:
        return None
    return HEADER + int.from_bytes(data[at : at + 3])


def split(data: bytes) -> Iterator[bytes]:
    """The frames that the data is made of."""
    at = 0
    while at < len(data):
        size = HEADER + int.from_bytes(data[at : at + 3])
        yield data[at : at + size]
        at += size


def are_frames(data: bytes) -> bool:
    """Whether a connection that begins so, either way, speaks HTTP/2 (section 3.4)."""
    return data.startswith(PREFACE) or data[3:HEADER] == bytes([SETTINGS, 0, 0, 0, 0, 0])


def parts(data: bytes) -> Iterator[int]:
    """Where the preface, each frame's header and its payload end."""
    at = 0
    if data.startswith(PREFACE):
        at = len(PREFACE)
        yield at
    while (size := size_at(data, at)) is not None:
        yield at + HEADER
        if size > HEADER:
            yield at + size
        at += size


def is_goaway(frame: bytes) -> bool:
    """Whether a frame of that type is one as it has to be."""
    return len(frame) >= HEADER + 8 and read(frame)[2] == 0


def read(frame: bytes) -> tuple[int, int, int]:
    """The type of a frame, its flags and the number of its stream."""
    _, _, kind, flags, number = _HEADER.unpack_from(frame)
    return kind, flags, number & 0x7FFFFFFF


def read_window(data: bytes, at: int) -> tuple[int, int]:
    """The number of the stream that the WINDOW_UPDATE there is of, and its increment as it came."""
    number, more = _WINDOW.unpack_from(data, at)
    return number & 0x7FFFFFFF, more


def header(size: int, kind: int, flags: int, stream: int) -> bytes:
    """What goes before a payload of that size."""
    return _HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream)


def goaway(last: int, code: int, text: str = "") -> bytes:
    """The frame that says that no stream above the last is dealt with; the text is for people."""
    debug = text.encode()[:1024]
    return header(8 + len(debug), GOAWAY, 0, 0) + last.to_bytes(4) + code.to_bytes(4) + debug
