"""What goes over the wire before the tunnel: read as it comes, in whatever pieces, and never more than it may be."""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from pytest_netmocks.records.addresses import ip_text

LONGEST = 255
"""Bytes of a user id or a name of SOCKS4, which has no limit of its own."""


class WrongError(Exception):
    """It is no SOCKS; the text says what came."""


class Greeting(NamedTuple):
    """The methods that a client of SOCKS5 offers."""

    methods: bytes


class Login(NamedTuple):
    """User and password (RFC 1929)."""

    user: str
    password: str


class Wish(NamedTuple):
    """What a client asks for."""

    version: int
    command: int
    host: str
    port: int
    user: str | None = None
    kind: int = 1
    """The type of the address; 0 is one that there is not."""


def greeting(data: bytes) -> tuple[Greeting, int] | None:
    """The greeting and its size, `None` while there is more to come."""
    if len(data) < 2 or len(data) < 2 + data[1]:
        return None
    return Greeting(data[2 : 2 + data[1]]), 2 + data[1]


def login(data: bytes) -> tuple[Login, int] | None:
    """User and password. Raises `WrongError`."""
    if data and data[0] != 1:
        raise WrongError(f"a login of version {data[0]}, where RFC 1929 has 1")
    if len(data) < 2:
        return None
    user_end = 2 + data[1]
    if len(data) <= user_end or len(data) < user_end + 1 + data[user_end]:
        return None
    end = user_end + 1 + data[user_end]
    return Login(data[2:user_end].decode("utf-8", "replace"), data[user_end + 1 : end].decode("utf-8", "replace")), end


def wish(data: bytes) -> tuple[Wish, int] | None:
    """A request of SOCKS5. Raises `WrongError`."""
    if data and data[0] != 5:
        raise WrongError(f"a request of version {data[0]} after a greeting of SOCKS5")
    if len(data) < 5:
        return None
    found = address(data, 3)
    if found is None:
        return None
    kind, host, port, end = found
    return Wish(5, data[1], host, port, None, kind), end


def address(data: bytes, at: int) -> tuple[int, str, int, int] | None:
    """Type, host, port and where they end, from the type on; of a type that there is not the end is unknown."""
    kind = data[at]
    if kind == 1:
        size, first = 4, at + 1
    elif kind == 4:
        size, first = 16, at + 1
    elif kind == 3:
        if len(data) < at + 2:
            return None
        size, first = data[at + 1], at + 2
    else:
        return 0, "", 0, len(data)
    end = first + size + 2
    if len(data) < end:
        return None
    raw = data[first : first + size]
    host = raw.decode("latin-1") if kind == 3 else ip_text(raw)
    return kind, host, int.from_bytes(data[end - 2 : end]), end


def wish4(data: bytes) -> tuple[Wish, int] | None:
    """A request of SOCKS4 or 4a. Raises `WrongError`."""
    if len(data) < 9:
        return None
    user, end = _text(data, 8, "user id")
    if end is None:
        return None
    host = ip_text(data[4:8])
    if data[4:7] == b"\0\0\0" and data[7]:  # SOCKS 4A: the name stands behind the user id
        host, end = _text(data, end, "name")
        if end is None:
            return None
    return Wish(4, data[1], host, int.from_bytes(data[2:4]), user or None), end


def _text(data: bytes, at: int, what: str) -> tuple[str, int | None]:
    end = data.find(b"\0", at)
    if end - at > LONGEST or (end < 0 and len(data) - at > LONGEST):
        raise WrongError(f"a {what} of more than {LONGEST} bytes")
    return (data[at:end].decode("latin-1"), end + 1) if end >= 0 else ("", None)


def reply(code: int, host: str = "0.0.0.0", port: int = 0) -> bytes:  # noqa: S104  # nothing is bound here
    """A reply of SOCKS5."""
    ip = ipaddress.ip_address(host)
    return bytes([5, code, 0, 1 if ip.version == 4 else 4]) + ip.packed + port.to_bytes(2)


def reply4(granted: bool, *, user: bool = True) -> bytes:
    """A reply of SOCKS4: granted, rejected, or rejected for the user id."""
    return struct.pack("!BBHI", 0, 90 if granted else 91 if user else 93, 0, 0)
