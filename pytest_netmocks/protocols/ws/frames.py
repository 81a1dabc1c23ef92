"""Frames byte by byte, right and wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pytest_netmocks import check

OPCODES = {"continuation": 0x0, "text": 0x1, "binary": 0x2, "close": 0x8, "ping": 0x9, "pong": 0xA}
"""RFC 6455, section 5.2."""

KEY = b"\x01\x02\x03\x04"


def ws_frame(
    data: str | bytes = b"",
    opcode: str | int = "text",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bool = False,
    length: int | None = None,
    code: int | None = None,
) -> bytes:
    """The bytes of one WebSocket frame (RFC 6455, section 5.2), for `reply(raw=...)`: right, or wrong as you say.

    `opcode` is a name or a number from 0 to 15, `fin` whether it ends a message, `rsv` the reserved bits (4: RSV1,
    which says that a message is compressed), `mask` masks it as only clients do, `length` is what it claims in place of
    the payload's bytes, and `code` goes before the payload, as in a close frame. Raises `TypeError` or `ValueError`
    that names the argument.
    """
    check.instance("data", data, (str, bytes), "text or bytes")
    if isinstance(opcode, str):
        if opcode not in OPCODES:
            raise ValueError(f"opcode {opcode!r} is none{check.nearest(opcode, OPCODES)}")
        opcode = OPCODES[opcode]
    check.whole("opcode", opcode, unit="an opcode", minimum=0, maximum=15)
    check.whole("rsv", rsv, unit="three bits", minimum=0, maximum=7)
    for name, flag in (("fin", fin), ("mask", mask)):
        check.instance(name, flag, bool, "True or False")
    payload = data.encode() if isinstance(data, str) else data
    if code is not None:
        check.whole("code", code, unit="a close code", minimum=0, maximum=65535)
        payload = struct.pack("!H", code) + payload
    claimed = len(payload) if length is None else length
    check.whole("length", claimed, unit="bytes", minimum=0, maximum=2**64 - 1)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    head = head_of(first, claimed, masked=0x80 if mask else 0)
    if mask:
        return head + KEY + bytes(byte ^ KEY[index % 4] for index, byte in enumerate(payload))
    return head + payload


def head_of(first: int, size: int, *, masked: int = 0) -> bytes:
    """The head of a frame: its first byte, and the size of the payload in as many bytes as that needs."""
    if size < 126:
        return struct.pack("!BB", first, masked | size)
    if size < 65536:
        return struct.pack("!BBH", first, masked | 126, size)
    return struct.pack("!BBQ", first, masked | 127, size)


def split(frame: bytes) -> tuple[bytes, bytes]:
    """Head and payload of a server's frame."""
    size = frame[1] & 0x7F
    head = 2 if size < 126 else 4 if size == 126 else 10
    return frame[:head], frame[head:]


class MessageEnds:
    """Finds in what a server writes where messages begin, and then where each ends, text and binary ones.

    Unless it is `opened`, they begin behind the answer to the handshake, and nowhere if that refuses it.
    """

    def __init__(self, *, opened: bool) -> None:
        self._opened = opened
        self._begun = False
        self._refused = False
        self._head = b""
        """What is there of a head: the handshake's answer's, or a frame's."""
        self._left = 0
        """Bytes of the frame's payload that are to come."""
        self._ends = False
        """Whether a message ends with that frame."""

    def __call__(self, data: bytes | memoryview) -> Iterator[int]:
        """Look at a piece; gives how many bytes of it there are up to each of these places."""
        at = 0
        while not self._begun and not self._refused:
            if self._opened:
                self._begun = True
                yield at
            elif at == len(data):
                return
            else:
                at = self._read_answer(bytes(data), at)
        while at < len(data) and not self._refused:
            if not self._left:
                at = self._read_head(data, at)
                if at < 0:
                    return
            step = min(self._left, len(data) - at)
            self._left -= step
            at += step
            if not self._left and self._ends:
                yield at

    def _read_answer(self, data: bytes, at: int) -> int:
        before = len(self._head)
        self._head += data[at:]
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return len(data)
        status = self._head[9:12]
        self._opened = status == b"101"
        self._refused = status >= b"2"
        self._head = b""
        return at + end + 4 - before

    def _read_head(self, data: bytes | memoryview, at: int) -> int:
        """Read a frame's head (RFC 6455, section 5.2); gives where it ends, -1 if that is in another piece."""
        before = len(self._head)
        head = self._head + bytes(data[at : at + 14 - before])
        size = 2
        if len(head) >= 2:
            length = head[1] & 0x7F
            size = (2 if length < 126 else 4 if length == 126 else 10) + (4 if head[1] & 0x80 else 0)
        if len(head) < size:
            self._head = head
            return -1
        self._head = b""
        self._left = length if length < 126 else int.from_bytes(head[2 : 4 if length == 126 else 10], "big")
        self._ends = bool(head[0] & 0x80) and head[0] & 0x0F in (0x0, 0x1, 0x2)
        return at + size - before
