"""The head of a request: its limits, and what has to be in it (RFC 9112)."""

from __future__ import annotations

import dataclasses
import functools
import re

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers; a longer one gets 431."""

MAX_FIELDS = 1000
"""Header fields of a request; of more it gets 431."""

_SURE = MAX_HEAD // 2
"""Bytes in which no head is too long: of each field the limit counts less than twice its bytes."""

_FRAMING = (b"content-length", b"transfer-encoding")

_HEEDED = frozenset({*_FRAMING, b"host", b"expect"})


class Refused(Exception):  # noqa: N818  # it is thrown through the parser, and never seen outside
    """A request that gets an error and the end of the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclasses.dataclass(slots=True)  # frozen it would take three times as long to make
class Framing:
    """What a head says of the body after it."""

    length: int | None
    """Bytes of the body, `None` if they are not declared."""
    chunked: bool
    awaited: bool
    """Whether the client waits to be asked for it (RFC 9110, section 10.1.1)."""
    is_sure: bool = True
    """Whether both sides know where it ends, so that the connection may be kept."""


NO_BODY = Framing(None, False, False)

_HOST = re.compile(
    rb"(?:\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]"
    rb"|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)


@functools.lru_cache(maxsize=256)
def is_host(value: bytes) -> bool:
    """Whether it is a host and a port, or nothing (RFC 9110, section 7.2)."""
    return _HOST.fullmatch(value) is not None


def check(fields: list[tuple[bytes, bytes]], version: str, read: int = 0) -> Framing:
    """What the head says of the body. Raises `Refused` where the head is not as it has to be.

    `read` is how many bytes came in the read that brought all of it, 0 if there were several.
    """
    hosts = 0
    length = expectation = coding = host = b""
    for name, value in fields:
        key = name.lower()
        if key not in _HEEDED:
            continue  # by far the most
        if key == b"host":
            hosts += 1
            host = value
        elif key == b"content-length":
            length = value
        elif key == b"expect":
            expectation = value.lower()
        elif key == b"transfer-encoding":
            coding += b"," + value.lower()
    if not 0 < read <= _SURE and sum(len(name) + len(value) + 4 for name, value in fields) > MAX_HEAD:
        raise Refused(431, f"the head is longer than {MAX_HEAD} bytes")
    if hosts > 1 or (version != "1.0" and not hosts):
        raise Refused(400, "there must be one Host (RFC 9112, section 3.2)")
    if host and not is_host(host.strip()):
        raise Refused(400, f"Host must be a host and a port, not {host!r} (RFC 9112, section 3.2)")
    if not (length or coding):
        return NO_BODY
    if coding:
        _check_coding(coding)
    declared = int(length) if length.isdigit() else None
    if not (declared or coding):
        return NO_BODY
    # Between client and server there may be one that knows no transfer codings (RFC 9112, section 6.1).
    sure = not (coding and version == "1.0")
    return Framing(declared, bool(coding), version != "1.0" and expectation == b"100-continue", sure)


def _check_coding(given: bytes) -> None:
    codings = [coding.strip() for coding in given.split(b",") if coding.strip()]
    unknown = [coding for coding in codings if coding != b"chunked"]
    if unknown:
        raise Refused(501, f"the transfer coding {unknown[0]!r} is not implemented (RFC 9112, section 6.1)")
    if len(codings) != 1:
        raise Refused(400, "the body is to be chunked once (RFC 9112, section 6.1)")


def framing_fields(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields that say how long the body is, none if there is no body."""
    framing = [pair for pair in fields if pair[0].lower() in _FRAMING]
    return [] if all(value.strip(b" 0") == b"" for _, value in framing) else framing
