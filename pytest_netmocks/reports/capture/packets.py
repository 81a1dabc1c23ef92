"""IP packets with a TCP segment or a UDP datagram in them, checksums included (RFC 791, 8200, 9293, 768)."""

from __future__ import annotations

import dataclasses
import ipaddress
import struct
from typing import Any

TCP, UDP = 6, 17

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

WINDOW = 65535
SCALE = 7
"""What is said of room: 8 MiB, so that what passed fits into it."""

HOPS = 64


def mss(host: Host) -> int:
    """Bytes of the largest segment, as on Ethernet: they read better than loopback's of 64 KiB."""
    return 1460 if host.version == 4 else 1440


Host = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """One end of a conversation."""

    host: Host
    port: int


def end(address: Any, otherwise: End | None = None) -> End:
    """The end that an address, `[host, port, ...]`, means; IPv4 within IPv6 is IPv4 on the wire.

    What is no address, or is all of them, is the other end's host: both are on loopback.
    """
    host: Host | None = None
    port = 0
    if isinstance(address, (list, tuple)) and len(address) >= 2:
        try:
            host = ipaddress.ip_address(str(address[0]).partition("%")[0])
            port = int(address[1]) & 0xFFFF
        except (ValueError, TypeError):
            host = None
    mapped = getattr(host, "ipv4_mapped", None)
    if mapped is not None:
        host = mapped
    if otherwise is not None and (host is None or host.is_unspecified or host.version != otherwise.host.version):
        host = otherwise.host
    return End(host or ipaddress.IPv4Address("127.0.0.1"), port)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): in ones' complement 2**16 is 1, so the sum is the remainder by 2**16 - 1."""
    number = int.from_bytes(data + bytes(len(data) % 2))
    return 0xFFFF - (number % 0xFFFF or 0xFFFF) if number else 0xFFFF


def _around(source: Host, target: Host, protocol: int, size: int) -> bytes:
    """What a checksum counts besides (RFC 9293, section 3.1; RFC 8200, section 8.1)."""
    addresses = source.packed + target.packed
    if source.version == 4:
        return addresses + struct.pack("!BBH", 0, protocol, size)
    return addresses + struct.pack("!IHBB", size, 0, 0, protocol)


def _in_ip(source: Host, target: Host, protocol: int, size: int, payload: bytes) -> bytes:
    """The payload, `size` bytes of which may be fewer here, behind its IP header."""
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, size, protocol, HOPS) + source.packed + target.packed + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, HOPS, protocol, 0) + source.packed + target.packed
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def segment(
    source: End, target: End, sequence: int, acknowledged: int, flags: int, data: bytes = b"", size: int | None = None
) -> bytes:
    """A TCP segment of `size` bytes, of which `data` are known."""
    size = len(data) if size is None else size
    options = b""
    if flags & SYN:
        options = struct.pack("!BBHBBBB", 2, 4, mss(source.host), 1, 3, 3, SCALE)
    length = 20 + len(options)
    numbers = sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF if flags & ACK else 0
    head = struct.pack("!HHIIBBH", source.port, target.port, *numbers, length << 2, flags, WINDOW)
    around = _around(source.host, target.host, TCP, length + size)
    counted = around + head + b"\0\0\0\0" + options + data + bytes(size - len(data))
    made = head + struct.pack("!HH", checksum(counted), 0) + options + data
    return _in_ip(source.host, target.host, TCP, length + size, made)


def datagram(source: End, target: End, data: bytes, size: int | None = None) -> bytes:
    """A UDP datagram of `size` bytes, of which `data` are known."""
    size = 8 + (len(data) if size is None else size)
    head = struct.pack("!HHH", source.port, target.port, size)
    counted = _around(source.host, target.host, UDP, size) + head + b"\0\0" + data + bytes(size - 8 - len(data))
    made = head + struct.pack("!H", checksum(counted) or 0xFFFF) + data  # 0 would say that there is none
    return _in_ip(source.host, target.host, UDP, size, made)
