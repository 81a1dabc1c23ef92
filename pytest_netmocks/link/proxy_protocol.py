"""The PROXY protocol, versions 1 and 2, as HAProxy's proxy-protocol.txt (sections 2.1 and 2.2) has it: bytes to header.

    PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\\r\\n                       version 1: a line
    signature  version and command  family  length  addresses  TLVs     version 2: 16 bytes, and `length` more

A header comes once, before everything else, and says whom the proxy speaks for.
"""

from __future__ import annotations

import ipaddress
import os
import re
import struct
from typing import Any, Literal

from pytest_netmocks.records.addresses import Address, ip_text, is_unix, path_of, unix_address
from pytest_netmocks.records.proxied import Family, ProxyHeader

Version = Literal[1, 2]

LONGEST_LINE = 107
"""Bytes of a header of version 1 at most, its CRLF included (section 2.1)."""

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
START = b"PROXY "

_HEAD = struct.Struct("!12sBBH")
_TLV = struct.Struct("!BH")

_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")

FAMILIES: dict[int, Family] = {
    0x00: "UNKNOWN",
    0x11: "TCP4",
    0x12: "UDP4",
    0x21: "TCP6",
    0x22: "UDP6",
    0x31: "UNIX",
    0x32: "UNIX",
}
"""Address family and transport of version 2, and what version 1 calls them."""

_LAYOUTS = {1: struct.Struct("!4s4sHH"), 2: struct.Struct("!16s16sHH"), 3: struct.Struct("!108s108s")}
"""The two addresses, and ports, of each address family."""


class BadHeaderError(Exception):
    """What has come is no PROXY header; the text says why."""


class Reader:
    """Takes what comes until the header is whole; what is behind it is the connection's own."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> tuple[ProxyHeader, bytes] | None:
        """The header and what came behind it; `None` as long as it is not whole. Raises `BadHeaderError`."""
        came = self._data
        came += data
        if came.startswith(SIGNATURE[: len(came)]):
            return _binary(came)
        if came.startswith(START[: len(came)]):
            return _line(bytes(came))
        raise BadHeaderError(f"what has come begins with {bytes(came[: len(SIGNATURE)])!r}")


def _line(data: bytes) -> tuple[ProxyHeader, bytes] | None:
    """Version 1."""
    line, end, rest = data.partition(b"\r\n")
    if len(line if end else line.removesuffix(b"\r")) + 2 > LONGEST_LINE:
        raise BadHeaderError(f"its line has more than {LONGEST_LINE} bytes")
    if not end:
        return None
    family, *words = line[len(START) :].split(b" ")
    if family == b"UNKNOWN":  # what follows is to be ignored
        return ProxyHeader(1, "PROXY", "UNKNOWN"), rest
    if family not in (b"TCP4", b"TCP6") or len(words) != 4:
        raise BadHeaderError(f"its line is {line!r}")
    ipv6 = family == b"TCP6"
    source, destination = _read(words[0], words[2], ipv6=ipv6), _read(words[1], words[3], ipv6=ipv6)
    return ProxyHeader(1, "PROXY", "TCP6" if ipv6 else "TCP4", source, destination), rest


def _read(host: bytes, port: bytes, *, ipv6: bool) -> Address:
    try:
        text = host.decode("ascii")
        address = ipaddress.IPv6Address(text) if ipv6 else ipaddress.IPv4Address(text)
    except ValueError:
        raise BadHeaderError(f"{host!r} is no address of IPv{6 if ipv6 else 4}") from None
    if "%" in text:
        raise BadHeaderError(f"{host!r} has a zone")
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise BadHeaderError(f"{port!r} is no port")
    return ip_text(address), int(port)


def _binary(data: bytearray) -> tuple[ProxyHeader, bytes] | None:
    """Version 2."""
    if len(data) < _HEAD.size:
        return None
    _, kind, family, length = _HEAD.unpack_from(data)
    if kind not in (0x20, 0x21):
        raise BadHeaderError(f"its version and command are 0x{kind:02x}")
    if family not in FAMILIES:
        raise BadHeaderError(f"its address family and transport are 0x{family:02x}")
    end = _HEAD.size + length
    layout = _LAYOUTS.get(family >> 4)
    if layout is not None and length < layout.size and kind == 0x21:
        raise BadHeaderError(f"it has {length} bytes for addresses that take {layout.size}")
    if len(data) < end:
        return None
    body, rest = bytes(data[_HEAD.size : end]), bytes(data[end:])
    if kind == 0x20:  # the proxy speaks for itself: the addresses are to be ignored
        return ProxyHeader(2, "LOCAL", "UNKNOWN"), rest
    if layout is None:
        return ProxyHeader(2, "PROXY", "UNKNOWN", tlvs=_tlvs(body)), rest
    source, destination = _ends(family >> 4, layout.unpack_from(body))
    return ProxyHeader(2, "PROXY", FAMILIES[family], source, destination, _tlvs(body[layout.size :])), rest


def _ends(family: int, fields: tuple[Any, ...]) -> tuple[Address, Address]:
    if family == 3:
        near, far = (unix_address(os.fsdecode(name.rstrip(b"\0"))) for name in fields)
        return near, far
    source, destination = (ip_text(packed) for packed in fields[:2])
    return (source, fields[2]), (destination, fields[3])


def _tlvs(data: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    at = 0
    while at < len(data):
        if at + _TLV.size > len(data):
            raise BadHeaderError("a TLV is cut off")
        kind, size = _TLV.unpack_from(data, at)
        at += _TLV.size
        if at + size > len(data):
            raise BadHeaderError("a TLV is longer than the header")
        found.append((kind, data[at : at + size]))
        at += size
    return tuple(found)


def header(version: Version, source: Address, destination: Address) -> bytes:
    """The header that a proxy sends for a connection from `source`, which it has accepted at `destination`.

    Version 1 has no word for UNIX sockets: there it says `UNKNOWN`.
    """
    if is_unix(source):
        if version == 1:
            return START + b"UNKNOWN\r\n"
        return _packed(0x31, *(os.fsencode(path_of(end)) for end in (source, destination)))
    near, far = _of_one_version(source[0], destination[0])
    if version == 1:
        return f"PROXY TCP{near.version} {ip_text(near)} {ip_text(far)} {source[1]} {destination[1]}\r\n".encode()
    kind = 0x11 if near.version == 4 else 0x21
    return _packed(kind, near.packed, far.packed, source[1], destination[1])


def _packed(kind: int, *fields: Any) -> bytes:
    body = _LAYOUTS[kind >> 4].pack(*fields)
    return _HEAD.pack(SIGNATURE, 0x21, kind, len(body)) + body


def _of_one_version(*hosts: str) -> list[ipaddress.IPv4Address] | list[ipaddress.IPv6Address]:
    """The addresses, IPv4 within IPv6 as IPv4, unless only one of them is."""
    found = [ipaddress.IPv6Address(_mapped(host)) for host in hosts]
    plain = [address.ipv4_mapped for address in found if address.ipv4_mapped is not None]
    return plain if len(plain) == len(found) else found


def _mapped(host: str) -> str:
    host = host.partition("%")[0]
    return host if ":" in host else f"::ffff:{host}"
