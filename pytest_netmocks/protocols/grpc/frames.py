"""Messages in the bytes of a stream: a flag, four bytes of length, the message, compressed or not."""

from __future__ import annotations

from pytest_netmocks.protocols.grpc.status import CallError
from pytest_netmocks.protocols.web import codings

CODINGS = ("identity", "deflate", "gzip")
"""What a message may be compressed with here."""

ACCEPTED = ",".join(CODINGS).encode()
"""The same as `grpc-accept-encoding` says it."""

PREFIX = 5
"""Bytes before a message."""

MAX_MESSAGE = 4 << 20
"""Bytes of a message unless told otherwise, as grpcio and grpc-go have it."""


class Messages:
    """Takes the bytes of a stream and gives the messages in them."""

    __slots__ = ("_coding", "_data", "_most")

    def __init__(self, coding: str, most: int) -> None:
        self._data = bytearray()
        self._coding = coding
        self._most = most

    def add(self, data: bytes) -> None:
        """More has come."""
        self._data += data

    def only(self, data: bytes) -> bytes | None:
        """The message that this is, where it is one and no more, as it is; `None` if it may be anything else."""
        size = len(data) - PREFIX
        if self._data or not 0 <= size <= self._most or data[0] or int.from_bytes(data[1:PREFIX]) != size:
            return None
        return data[PREFIX:]

    def next(self) -> bytes | None:
        """The next message, decompressed; `None` if none has come as a whole.

        Raises `CallError` for one that is too long or none at all.
        """
        data = self._data
        if len(data) < PREFIX:
            return None
        flag, size = data[0], int.from_bytes(data[1:PREFIX])
        if flag > 1:
            raise CallError("INTERNAL", f"a message begins with {flag}, which says neither compressed nor not")
        if size > self._most:
            raise CallError("RESOURCE_EXHAUSTED", f"a message of {size} bytes is longer than {self._most}")
        end = PREFIX + size
        if len(data) < end:
            return None
        message = bytes(data[PREFIX:end])
        del data[:end]
        return self._decompressed(message) if flag else message

    def _decompressed(self, message: bytes) -> bytes:
        if self._coding == "identity":
            raise CallError("INTERNAL", "a message is compressed, and grpc-encoding does not say how")
        try:
            return codings.decode(self._coding, message, self._most)
        except codings.TooLongError:
            raise CallError("RESOURCE_EXHAUSTED", f"a message is longer than {self._most} bytes") from None
        except ValueError as error:
            raise CallError("INTERNAL", str(error)) from None

    @property
    def rest(self) -> int:
        """How many bytes of a message there are whose end has not come."""
        return len(self._data)


def check_coding(coding: str) -> None:
    """Refuse what nobody here can decompress. Raises `CallError`."""
    if coding not in CODINGS:
        raise CallError("UNIMPLEMENTED", f"grpc-encoding {coding!r} is not known here: {', '.join(CODINGS)} are")


def prefix(size: int, *, compressed: bool = False) -> bytes:
    """What goes before a message of that many bytes."""
    return bytes((compressed,)) + size.to_bytes(4)


def compress(coding: str, message: bytes) -> bytes:
    """The message, compressed."""
    return message if coding == "identity" else codings.encode(coding, message)
