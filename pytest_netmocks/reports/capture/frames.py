"""What is in a frame of a capture: a TCP segment or a UDP datagram, or nothing that is looked for."""

from __future__ import annotations

import dataclasses
import ipaddress
import struct

from pytest_netmocks.reports.capture.packets import TCP, UDP, End

NULL, ETHERNET, LOOP, COOKED, IPV4, IPV6, COOKED_2 = 0, 1, 108, 113, 228, 229, 276
RAWS = (12, 14, 101, IPV4, IPV6)
"""Link types, see the registry of tcpdump.org; of raw IP there are several."""

ETHERTYPES = (0x0800, 0x86DD)
TAGS = (0x8100, 0x88A8)
"""EtherTypes of IPv4 and IPv6, and of tags (IEEE 802.1Q) that stand before another."""

EXTENSIONS = (0, 43, 60)
"""Headers between that of IPv6 and what it carries: hop-by-hop options, routing, destination options (RFC 8200)."""


@dataclasses.dataclass(slots=True)
class Carried:
    """A segment or datagram: `size` bytes of payload, of which `data` are there."""

    protocol: int
    source: End
    target: End
    data: bytes
    size: int
    sequence: int = 0
    flags: int = 0


def carried(link: int, frame: bytes) -> Carried | None:
    """What the frame carries; `None` for what is neither TCP nor UDP over IP, is cut too short, or is a fragment."""
    try:
        packet = _packet(link, frame)
        if not packet:
            return None
        return _ipv4(packet) if packet[0] >> 4 == 4 else _ipv6(packet) if packet[0] >> 4 == 6 else None
    except (struct.error, IndexError, ipaddress.AddressValueError):
        return None


def _packet(link: int, frame: bytes) -> bytes:
    """The IP packet in a frame, empty if there is none."""
    if link in RAWS:
        return frame
    if link in (NULL, LOOP):
        return frame[4:]  # the address family, which the packet itself says
    if link == COOKED:
        return frame[16:] if struct.unpack_from("!H", frame, 14)[0] in ETHERTYPES else b""
    if link == COOKED_2:
        return frame[20:] if struct.unpack_from("!H", frame)[0] in ETHERTYPES else b""
    if link != ETHERNET:
        return b""
    at = 12
    while (kind := struct.unpack_from("!H", frame, at)[0]) in TAGS:
        at += 4
    return frame[at + 2 :] if kind in ETHERTYPES else b""


def _ipv4(packet: bytes) -> Carried | None:
    first, _, total, _, fragment, _, protocol = struct.unpack_from("!BBHHHBB", packet)
    head = (first & 15) * 4
    if head < 20 or fragment & 0x3FFF:  # more fragments follow, or this is not the first
        return None
    # With segmentation by the network card the length is 0, and that of the frame counts.
    size = (total or len(packet)) - head
    source, target = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
    return _transport(protocol, source, target, packet[head : head + size], size)


def _ipv6(packet: bytes) -> Carried | None:
    size, protocol = struct.unpack_from("!HB", packet, 4)
    source, target = ipaddress.IPv6Address(packet[8:24]), ipaddress.IPv6Address(packet[24:40])
    size = size or len(packet) - 40
    at = 40
    while protocol in EXTENSIONS:
        length = (packet[at + 1] + 1) * 8
        protocol, at, size = packet[at], at + length, size - length
    return _transport(protocol, source, target, packet[at : at + max(0, size)], size)


def _transport(
    protocol: int,
    source: ipaddress.IPv4Address | ipaddress.IPv6Address,
    target: ipaddress.IPv4Address | ipaddress.IPv6Address,
    data: bytes,
    size: int,
) -> Carried | None:
    if protocol == TCP:
        ports = struct.unpack_from("!HH", data)
        sequence, offset, flags = struct.unpack_from("!I4xBB", data, 4)
        head = (offset >> 4) * 4
        if head < 20 or size < head:
            return None
        return Carried(TCP, End(source, ports[0]), End(target, ports[1]), data[head:], size - head, sequence, flags)
    if protocol == UDP:
        ports = struct.unpack_from("!HH4x", data)
        return Carried(UDP, End(source, ports[0]), End(target, ports[1]), data[8:], size - 8) if size >= 8 else None
    return None
