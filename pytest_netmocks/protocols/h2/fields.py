"""The fields of a request on a stream: what has to be in them, and what must not (RFC 9113, sections 8.2 and 8.3)."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable

from pytest_netmocks.protocols.web.heads import is_host
from pytest_netmocks.protocols.web.prepare import as_bytes

Fields = list[tuple[bytes, bytes]]

CONNECTION_FIELDS = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""What says something of one connection, and has no place on a stream (RFC 9113, section 8.2.2)."""

_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path"})
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")
_BROKEN = re.compile(rb"[\x00\r\n]|\A[ \t]|[ \t]\Z")


class MalformedError(Exception):
    """A request that is none: its stream is reset with PROTOCOL_ERROR (RFC 9113, section 8.1.1)."""


@dataclasses.dataclass(slots=True)
class Head:
    """The fields of a request, those of its first line apart."""

    method: bytes
    scheme: bytes
    authority: bytes | None
    path: bytes
    """Empty for CONNECT, which has none."""
    fields: Fields
    """The others, in order; cookies are one field (section 8.2.3)."""
    size: int = dataclasses.field(init=False)
    """Bytes of those fields, as limits count them (section 6.5.2)."""

    def __post_init__(self) -> None:
        self.size = sum(len(name) + len(value) + 32 for name, value in self.fields)


def read(given: Iterable[tuple[bytes, bytes]]) -> Head:
    """Take the fields apart; what is given is shared. Raises `MalformedError` where they are no request."""
    return _read(tuple(given))


@functools.lru_cache(64)  # most requests of a connection are like the one before
def _read(given: tuple[tuple[bytes, bytes], ...]) -> Head:
    pseudo: dict[bytes, bytes] = {}
    fields: Fields = []
    cookies: list[bytes] = []
    hosts: list[bytes] = []
    for name, value in given:
        if name[:1] == b":":
            if fields or cookies:
                raise MalformedError(f"{_shown(name)} comes behind a field that is none of the request's line")
            if name not in _PSEUDO:
                raise MalformedError(f"{_shown(name)} has no place in a request")
            if name in pseudo:
                raise MalformedError(f"{_shown(name)} is there twice")
            _check_value(name, value)
            pseudo[name] = value
            continue
        _check(name, value)
        if name == b"cookie":
            cookies.append(value)
            continue
        if name == b"host":
            hosts.append(value)
        fields.append((name, value))
    if cookies:
        fields.append((b"cookie", b"; ".join(cookies)))
    return _head(pseudo, fields, hosts)


def _head(pseudo: dict[bytes, bytes], fields: Fields, hosts: list[bytes]) -> Head:
    method, authority = pseudo.get(b":method"), pseudo.get(b":authority")
    if method is None or not _METHOD.fullmatch(method):
        raise MalformedError(":method must be there, and a token")
    if method == b"CONNECT":  # section 8.5
        if authority is None or b":path" in pseudo or b":scheme" in pseudo:
            raise MalformedError("CONNECT has :authority, and neither :scheme nor :path")
        return Head(method, b"", authority, b"", fields)
    scheme, path = pseudo.get(b":scheme"), pseudo.get(b":path")
    if not scheme or path is None:
        raise MalformedError(":scheme and :path must be there")
    if not (path[:1] == b"/" or (path == b"*" and method == b"OPTIONS")) or not _TARGET.fullmatch(path):
        raise MalformedError(f":path must be a path, not {_shown(path)}")
    for host in (*hosts, *([authority] if authority is not None else [])):
        if not is_host(host):
            raise MalformedError(f"the host must be a host and a port, not {_shown(host)}")
    if len(hosts) > 1 or (hosts and authority is not None and hosts[0].lower() != authority.lower()):
        raise MalformedError("host and :authority must be the same")
    return Head(method, scheme, authority, path, fields)


def read_trailers(given: Iterable[tuple[bytes, bytes]]) -> Fields:
    """The fields behind a body. Raises `MalformedError` where they are none."""
    fields = []
    for name, value in given:
        if name[:1] == b":":
            raise MalformedError(f"{_shown(name)} has no place behind the body")
        _check(name, value)
        fields.append((name, value))
    return fields


def _check(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise MalformedError(f"a field's name must be a token in lower case, not {_shown(name)}")
    if name in CONNECTION_FIELDS or (name == b"te" and value != b"trailers"):
        raise MalformedError(f"{_shown(name)} says something of a connection, which has no place on a stream")
    _check_value(name, value)


def _check_value(name: bytes, value: bytes) -> None:
    if _BROKEN.search(value):
        raise MalformedError(f"the value of {_shown(name)} must have neither line breaks nor blanks around it")


def _shown(text: bytes) -> str:
    return repr(text[:100])[1:]


def answer_of(status: int, pairs: Iterable[tuple[str | bytes, str | bytes]]) -> Fields:
    """The fields of an answer as they go out on a stream: names in lower case, nothing of the connection."""
    return [(b":status", b"%d" % status), *lowered(pairs)]


def lowered(pairs: Iterable[tuple[str | bytes, str | bytes]]) -> Fields:
    """The same in the form that a stream has them in."""
    found = [(as_bytes(name).lower(), as_bytes(value)) for name, value in pairs]
    return [pair for pair in found if pair[0] not in CONNECTION_FIELDS]
