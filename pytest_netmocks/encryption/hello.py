"""The first flight of a TLS handshake: whether the whole ClientHello is there, and for whom it asks.

The name that it asks for is read here and not by `ssl`, which takes one that is no ASCII for an error of the program.
"""

from __future__ import annotations

HANDSHAKE = 22
CLIENT_HELLO = 1

HEADER = 5
"""Bytes of the head of a record, the last two of which are its length."""

LIMIT = 1 << 17
"""Bytes within which a ClientHello has to end: two handshake messages of the largest size that OpenSSL takes."""

PIECES = 2048
"""Records within which it has to end: smaller ones are there to keep a server busy, and OpenSSL's to judge."""

SERVER_NAME = bytes(2)
"""The extension's number (RFC 6066, section 3)."""

HOST_NAME = 0
"""The one type of name that there is."""


class Flight:
    """What a client has said so far; each byte is looked at once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.message = bytearray()
        """The handshake message, without the records that it comes in (RFC 8446, sections 4 and 5.1)."""
        self.is_complete = False
        """Whether the ClientHello is there, or what is there can never become one."""
        self._at = 0
        self._left = 0
        self._pieces = 0

    def __len__(self) -> int:
        return len(self.data)

    @property
    def is_handshake(self) -> bool:
        """Whether it begins as TLS does."""
        return self.data[:1] == bytes([HANDSHAKE])

    def add(self, data: bytes) -> None:
        """More has come."""
        self.data += data
        while not self.is_complete and self._at < len(self.data):
            if self._left:
                piece = self.data[self._at : self._at + self._left]
                self.message += piece
                self._at += len(piece)
                self._left -= len(piece)
                self.is_complete = self._ends()
            elif self.data[self._at] != HANDSHAKE:
                self.is_complete = True
            elif self._at + 5 <= len(self.data):
                self._left = int.from_bytes(self.data[self._at + 3 : self._at + 5])
                self._at += 5
                self._pieces += 1
                self.is_complete = self._pieces > PIECES
            else:
                break
        self.is_complete = self.is_complete or len(self.data) > LIMIT

    def _ends(self) -> bool:
        if self.message[0] != CLIENT_HELLO:
            return True
        size = int.from_bytes(self.message[1:4])
        return len(self.message) >= 4 and (len(self.message) >= 4 + size or size > LIMIT)


def server_name(message: bytes) -> bytes | None:
    """The host name that a ClientHello asks for, `None` if for none. Raises `ValueError` if it is no ClientHello."""
    if message[:1] != bytes([CLIENT_HELLO]):
        raise ValueError("no ClientHello")
    at, end = _vector(message, 1, 3, len(message))
    at += 2 + 32  # legacy_version, random (RFC 8446, section 4.1.2)
    for width in (1, 2, 1):  # legacy_session_id, cipher_suites, legacy_compression_methods
        _, at = _vector(message, at, width, end)
    if at == end:
        return None
    at, end = _vector(message, at, 2, end)
    while at < end:
        kind = message[at : at + 2]
        at, after = _vector(message, at + 2, 2, end)
        if kind == SERVER_NAME:
            at, end = _vector(message, at, 2, after)
            if at == end or message[at] != HOST_NAME:
                raise ValueError("no host name")
            at, end = _vector(message, at + 1, 2, end)
            return message[at:end]
        at = after
    return None


def _vector(message: bytes, at: int, width: int, end: int) -> tuple[int, int]:
    """Where the bytes behind a length of that width begin and end (RFC 8446, section 3.4), which is before `end`."""
    begin = at + width
    after = begin + int.from_bytes(message[at:begin])
    if after > end:
        raise ValueError("the end comes too early")
    return begin, after


def record_ends(data: bytes) -> list[int]:
    """Where each record of TLS (RFC 8446, section 5.1) in `data` has its header's end and its own."""
    ends: list[int] = []
    at = 0
    while at + HEADER <= len(data):
        body = at + HEADER
        at = body + int.from_bytes(data[body - 2 : body])
        ends += [body, at] if at <= len(data) else [body]
    return ends
