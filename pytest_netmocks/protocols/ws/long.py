"""`Long`: a message of one long frame, which comes in pieces and is put together once.

The library copies what has come to the end of a buffer, out of it again, and unmasks it; here it is put together and
unmasked. RFC 6455, section 5.2:

    81 or 82   fe   size, 2 bytes   mask, 4 bytes   payload of 126 to 65,535 bytes
    81 or 82   ff   size, 8 bytes   mask, 4 bytes   payload of more
"""

from __future__ import annotations

from pytest_netmocks.protocols.ws.versions import unmasked

WHOLE = WHOLE_TEXT, WHOLE_BINARY = 0x81, 0x82
"""The first byte of a frame that is a whole message."""

MASKED = 0x80
"""The mask's bit in the second."""

MASK = 4

WIDTHS = {126: 2, 127: 8}
"""Bytes of the size, by what stands in the second byte."""

LEAST = {2: 126, 8: 1 << 16}
"""The least size that needs so many."""

WIDEST = (1 << 63) - 1
"""The largest size that a frame can have."""


class Long:
    """One such frame."""

    __slots__ = ("_kind", "_mask", "_pieces", "_raw", "head", "missing")

    def __init__(self, raw: bytes, size: int) -> None:
        self._raw = raw
        self._kind = raw[0]
        self._mask = raw[-MASK:]
        self._pieces: list[bytes] = []
        self.head = len(raw)
        """Bytes of its head."""
        self.missing = size
        """Bytes of its payload that have not come."""

    @staticmethod
    def _width(data: bytes) -> int:
        """Bytes of the size of the long frame that begins there, 0 if none does."""
        return WIDTHS.get(data[1] ^ MASKED, 0) if data[0] in WHOLE and len(data) > 1 else 0

    @classmethod
    def may_begin(cls, data: bytes) -> bool:
        """Whether that is a part of the head of such a frame."""
        width = cls._width(data)
        return bool(width) and len(data) < 2 + width + MASK

    @classmethod
    def begun_by(cls, data: bytes, most: int) -> Long | None:
        """The frame that begins there, with a whole head; `None` if none does, or one that the library has to refuse.

        `most` bytes of payload are accepted.
        """
        width = cls._width(data)
        if not width:
            return None
        size = int.from_bytes(data[2 : 2 + width])
        return cls(data[: 2 + width + MASK], size) if LEAST[width] <= size <= most else None

    def add(self, data: bytes) -> bytes:
        """More has come; gives what is behind the frame."""
        mine = data if len(data) <= self.missing else data[: self.missing]
        if mine:
            self._pieces.append(mine)
            self.missing -= len(mine)
        return data[len(mine) :]

    def message(self) -> str | bytes:
        """What it says. Raises `UnicodeDecodeError` for a text that is none."""
        content = unmasked(b"".join(self._pieces), self._mask)
        return content.decode() if self._kind == WHOLE_TEXT else content

    def raw(self) -> bytes:
        """What has come of it."""
        return b"".join([self._raw, *self._pieces])
