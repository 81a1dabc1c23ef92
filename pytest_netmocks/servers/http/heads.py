"""The head of a request: its limits, and what has to be in it (RFC 9112)."""

from __future__ import annotations

import dataclasses

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers; a longer one gets 431."""

MAX_FIELDS = 1000
"""Header fields of a request; of more it gets 431."""

_FRAMING = (b"content-length", b"transfer-encoding")


class Refused(Exception):  # noqa: N818  # it is thrown through the parser, and never seen outside
    """A request that gets an error and the end of the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclasses.dataclass(frozen=True, slots=True)
class Framing:
    """What a head says of the body after it."""

    length: int | None
    """Bytes of the body, `None` if they are not declared."""
    chunked: bool
    awaited: bool
    """Whether the client waits to be asked for it (RFC 9110, section 10.1.1)."""

    @property
    def body(self) -> bool:
        """Whether there is one."""
        return self.chunked or bool(self.length)


NO_BODY = Framing(None, False, False)


def check(fields: list[tuple[bytes, bytes]], version: str) -> Framing:
    """What the head says of the body. Raises `Refused` where the head is not as it has to be."""
    size = hosts = 0
    length = expectation = b""
    chunked = False
    for name, value in fields:
        size += len(name) + len(value) + 4
        key = name.lower()
        if key == b"host":
            hosts += 1
        elif key == b"content-length":
            length = value
        elif key == b"expect":
            expectation = value.lower()
        elif key == b"transfer-encoding":
            chunked = True
    if size > MAX_HEAD:
        raise Refused(431, f"the head is longer than {MAX_HEAD} bytes")
    if version not in ("1.0", "1.1"):
        raise Refused(505, f"HTTP/{version} is not spoken here")
    if hosts > 1 or (version == "1.1" and not hosts):
        raise Refused(400, "there must be one Host (RFC 9112, section 3.2)")
    if not (length or chunked):
        return NO_BODY
    declared = int(length) if length.isdigit() else None
    return Framing(declared, chunked, version == "1.1" and expectation == b"100-continue")


def framing_fields(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields that say how long the body is, none if there is no body."""
    framing = [pair for pair in fields if pair[0].lower() in _FRAMING]
    return [] if all(value.strip(b" 0") == b"" for _, value in framing) else framing
